package dispatch

import "encoding/json"

// entries returns what a record holds by name; one that can't be read is replaced.
func entries[V any](data []byte) map[string]V {
	all := make(map[string]V)
	if len(data) > 0 && json.Unmarshal(data, &all) != nil {
		return make(map[string]V)
	}
	return all
}
