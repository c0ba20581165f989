package references

import (
	"encoding/json"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
)

// FilesAt returns the files that a member of an object in valid JSON names, such as
// "batch.inputConfig.fileName", however that is spelt (payload.Spells). It isn't ok unless each is named in
// full, as files/… or by its URL.
func FilesAt(object []byte, member string) (files []string, ok bool) {
	first, rest, within := strings.Cut(member, ".")
	first = strings.ToLower(strings.ReplaceAll(first, "_", ""))
	for name, value := range payload.MembersOf(object) {
		if !payload.Spells(name, first) {
			continue
		}
		if within {
			more, ok := FilesAt(value, rest)
			if files = append(files, more...); !ok {
				return nil, false
			}
			continue
		}
		var text string
		if json.Unmarshal(value, &text) != nil || text != "" && !strings.HasPrefix(payload.ResourceName(text), Files) {
			return nil, false
		}
		if text != "" {
			files = append(files, payload.ResourceName(text))
		}
	}
	return files, true
}
