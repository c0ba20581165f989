package answers

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"
)

// Created is a resource that an answer tells of.
type Created struct {
	Name    string
	Expires time.Time // zero: it doesn't say
	Note    string    // what is kept with it, beside what an answer says
	Parts   []string  // what is within it and named by itself
}

// CreatedResources returns the resources that an answer says were made or changed: those
// that members name, such as "name" or "file.name", with what is beside these. Only
// members that upstream fills in are to be looked at.
func CreatedResources(answer []byte, members []string, under string) []Created {
	var all []Created
	for _, m := range members {
		object := json.RawMessage(answer)
		names := strings.Split(m, ".")
		for _, name := range names[:len(names)-1] {
			var fields map[string]json.RawMessage
			_ = json.Unmarshal(object, &fields) // then there is none
			object = fields[name]
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(object, &fields) != nil {
			continue
		}
		text := func(member string) (s string) {
			_ = json.Unmarshal(fields[member], &s) // then it doesn't say
			return s
		}
		if name := ResourceName(text(names[len(names)-1]), under); name != "" {
			// Of files and of cached contents.
			expires, _ := time.Parse(time.RFC3339Nano, cmp.Or(text("expirationTime"), text("expireTime")))
			all = append(all, Created{Name: name, Expires: expires})
		}
	}
	return all
}

// ResourceName returns the name of the resource that an answer of upstream's names, by its
// name or the URL of its content, or "" if that is none. Under is what stands before it
// where it may be an ID alone.
func ResourceName(text, under string) string {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		version, path, _ := strings.Cut(strings.TrimPrefix(rest, "download/"), "/")
		if !strings.HasPrefix(version, "v1") {
			return ""
		}
		text, _, _ = strings.Cut(path, "?")
		text, _, _ = strings.Cut(text, ":")
	}
	if under != "" && !strings.HasPrefix(text, under) {
		text = under + text
	}
	segments := strings.Split(text, "/")
	if len(segments) < 2 || len(segments) > maxNameSegments {
		return ""
	}
	for _, s := range segments {
		if !ValidSegment(s) {
			return ""
		}
	}
	return text
}

// ValidSegment reports whether a text may be a segment of a path by which upstream names
// something: a word of ASCII, with dashes and dots, but not dots alone.
func ValidSegment(text string) bool {
	return len(text) <= maxNameSegment && strings.Trim(text, ".") != "" && !strings.ContainsFunc(text, notOfName)
}

// Bounds of names.
const (
	maxNameSegments = 4   // models/m/operations/x
	maxNameSegment  = 128 // bytes
)

func notOfName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
}
