package payload

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

var modelName = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

// maxModelName bounds a model's name, in bytes.
const maxModelName = 80

// ValidModel reports whether a text can be a model's name, without "models/": it
// becomes part of a path, and of what is kept.
func ValidModel(name string) bool {
	return len(name) <= maxModelName && modelName.MatchString(name)
}

// ErrModel is the *FieldError for what is no model's name.
var ErrModel = invalid("model", `want a model name such as "gemini-2.5-flash", or "auto".`)

// RenameModel replaces the value of the top-level member "model" where it is
// another one, and leaves every other byte as it is. A body that names two models
// comes out with one: whichever upstream's parser takes, only this one is
// reserved for. It fails if the body isn't an object that Google takes as JSON.
func RenameModel(body []byte, model string) ([]byte, error) {
	quoted, err := json.Marshal(model)
	if err != nil {
		return nil, err
	}
	out := body
	moved := 0 // by how much the rest has moved
	err = eachLenientMember(body, func(name string, from, to int) error {
		if name != "model" || strings.TrimPrefix(lenientString(body[from:to]), "models/") == model {
			return nil
		}
		out = slices.Concat(out[:from+moved], quoted, out[to+moved:])
		moved += len(quoted) - (to - from)
		return nil
	})
	return out, err
}

// CountTexts returns how many texts a batchEmbedContents body holds, in all members
// of that name: upstream may take them together.
func CountTexts(body []byte) (int64, error) {
	var n int64
	err := eachMember(body, func(name string, from, to int) error {
		if name != "requests" {
			return nil
		}
		var requests []json.RawMessage
		err := json.Unmarshal(body[from:to], &requests)
		n += int64(len(requests))
		return err
	})
	if err != nil || n == 0 {
		return 0, invalid("requests", "want a list of at least one text.")
	}
	return n, nil
}
