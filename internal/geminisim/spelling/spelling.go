package spelling

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// Unmarshal reads text into what a pointer points to, as [json.Unmarshal] does. The values of
// members named in asIs come as they are, to whom they are for.
func Unmarshal(text []byte, into any, asIs ...string) error {
	var tree any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("spelling: more follows the value")
	}
	plain, err := json.Marshal(respelt(tree, asIs))
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, into)
}

// respelt takes the underscores out of members' names, which encoding/json reads in any case.
func respelt(tree any, asIs []string) any {
	switch x := tree.(type) {
	case map[string]any:
		all := make(map[string]any, len(x))
		for name, value := range x {
			if slices.Contains(asIs, name) {
				all[name] = value
				continue
			}
			all[strings.ReplaceAll(name, "_", "")] = respelt(value, asIs)
		}
		return all
	case []any:
		for i := range x {
			x[i] = respelt(x[i], asIs)
		}
	}
	return tree
}
