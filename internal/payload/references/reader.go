package references

import (
	"bytes"
	"encoding/json"
	"slices"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/escape"
)

// A reader notes what a body refers to.
type reader struct {
	skip  []string
	cites bool // it reads what an answer cites
	names []string
	known map[string]bool // by name
	name  []byte          // the one that is added, before it is known that it is another
}

// A bracket is a list or an object that is open.
type bracket struct {
	list bool
	kind string // of what it names, by its elements or by its id; "": nothing
}

// inside returns what the next value in it names.
func (b bracket) inside() string {
	if b.list {
		return b.kind
	}
	return "" // its member says it
}

// read reads a text to its end. Since it is valid JSON, a string before a colon is a member's
// name, wherever it stands: nothing is read over and over, however deep it is. What a member names it names by a
// string, by those in a list, or by the id of an object, within one another or not.
func (r *reader) read(text []byte) error {
	var room [8]bracket
	open := room[:0]
	in, kind := bracket{}, "" // what is open, and what the next value names
	for at := 0; at < len(text); {
		switch c := text[at]; c {
		case '{', '[':
			open = append(open, in)
			in = bracket{list: c == '[', kind: kind}
			kind = in.inside()
		case '}', ']':
			if last := len(open) - 1; last >= 0 {
				in, open = open[last], open[:last]
			}
			kind = in.inside()
		case ',':
			kind = in.inside()
		case '"':
			begin := at
			at = escape.StringEnd(text, begin)
			behind := bytes.TrimLeft(text[at:], space)
			if len(behind) == 0 || behind[0] != ':' {
				if err := r.add(kind, text[begin:at]); err != nil {
					return err
				}
				continue
			}
			name, value := nameOf(text[begin:at]), bytes.TrimLeft(behind[1:], space)
			at = len(text) - len(value)
			if kind = Kind(name); kind == "" && payload.Spells(name, "id") {
				kind = in.kind
			}
			passed, err := r.passes(name, value)
			if at += passed; err != nil {
				return err
			}
			continue
		}
		at++
	}
	return nil
}

// passes returns how much of what follows a member's name isn't to be read: its value, where that is the caller's own,
// or is what an answer cites, which is read here.
func (r *reader) passes(name, value []byte) (size int, err error) {
	switch {
	case slices.ContainsFunc(r.skip, func(skipped string) bool { return string(name) == skipped }):
		return len(payload.FirstValue(value)), nil
	case string(name) == annotations && !r.cites:
		cited := payload.FirstValue(value)
		r.cites = true
		err = r.read(cited)
		r.cites = false
		return len(cited), err
	}
	return 0, nil
}

// identified notes what an object names by its id: of several any may count. One that is no text isn't known here.
func (r *reader) identified(kind string, object []byte) error {
	for name, value := range payload.MembersOf(object) {
		if !payload.Spells(name, "id") {
			continue
		}
		if value[0] == '[' || value[0] == '{' {
			value = []byte(`"` + unreadable + `"`)
		}
		if err := r.add(kind, value); err != nil {
			return err
		}
	}
	return nil
}

// add notes a name by its ID, as it is quoted. Of no kind it is nothing.
func (r *reader) add(kind string, quoted []byte) error {
	if kind == "" || len(quoted) <= len(`""`) || quoted[0] != '"' {
		return nil
	}
	id := nameOf(quoted)
	if len(id) == 0 {
		id = []byte(unreadable)
	}
	its := kindOf(kind, id)
	r.name = append(append(r.name[:0], its...), id...)
	switch {
	case r.known[string(r.name)], r.cites && its != kind:
		return nil
	case len(r.names) == Most:
		return ErrMany
	case r.known == nil:
		r.known = make(map[string]bool)
	}
	name := string(r.name)
	r.known[name] = true
	r.names = append(r.names, name)
	return nil
}

// unreadable stands for an ID that is none, so that it is nobody's.
const unreadable = "?"

const space = " \t\r\n"

// maxName is how long a name or an ID is at most, in bytes, with its quotes.
const maxName = 1 << 10

// nameOf returns the string that a text is, without a copy where it has nothing but printable ASCII
// and no escapes; nothing for what is too long for a name.
func nameOf(quoted []byte) []byte {
	switch {
	case len(quoted) > maxName:
		return nil
	case isPlain(quoted):
		return quoted[1 : len(quoted)-1]
	}
	return unquoted(quoted)
}

// unquoted returns the string that any text is; nothing if it is none.
func unquoted(quoted []byte) []byte {
	var name string
	if json.Unmarshal(quoted, &name) != nil {
		return nil
	}
	return []byte(name)
}

// isPlain reports whether a text is a string that stands for itself.
func isPlain(quoted []byte) bool {
	last := len(quoted) - 1
	if last < 1 || quoted[0] != '"' || quoted[last] != '"' {
		return false
	}
	for _, c := range quoted[1:last] {
		if c < ' ' || c > '~' || c == '\\' || c == '"' {
			return false
		}
	}
	return true
}
