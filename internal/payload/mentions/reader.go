package mentions

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

// read reads a text to its end. Since it is valid JSON, a string before a colon is a member's
// name, wherever it stands: nothing is read over and over, however deep it is.
func (r *reader) read(text []byte) error {
	for at := 0; at < len(text); {
		quote := bytes.IndexByte(text[at:], '"')
		if quote < 0 {
			return nil
		}
		begin := at + quote
		at = escape.StringEnd(text, begin)
		behind := bytes.TrimLeft(text[at:], space)
		if len(behind) == 0 || behind[0] != ':' {
			continue
		}
		name, value := nameOf(text[begin:at]), bytes.TrimLeft(behind[1:], space)
		at = len(text) - len(value)
		if slices.ContainsFunc(r.skip, func(skipped string) bool { return string(name) == skipped }) {
			at += len(payload.FirstValue(value))
		} else if string(name) == annotations && !r.cites {
			cited := payload.FirstValue(value)
			at += len(cited)
			r.cites = true
			err := r.read(cited)
			if r.cites = false; err != nil {
				return err
			}
		} else if kind := members[string(name)]; kind != "" {
			if err := r.named(kind, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// named notes what a member's value names: a string, those that a list begins with, or the id of an
// object.
func (r *reader) named(kind string, value []byte) error {
	if kind == Containers && bytes.HasPrefix(value, []byte("{")) {
		return r.identified(kind, payload.FirstValue(value))
	}
	list := bytes.HasPrefix(value, []byte("["))
	if list {
		value = bytes.TrimLeft(value[1:], space)
	}
	for len(value) > 0 && value[0] == '"' {
		end := escape.StringEnd(value, 0)
		if err := r.add(kind, value[:end]); err != nil || !list {
			return err
		}
		value = bytes.TrimLeft(value[end:], space+",")
	}
	return nil
}

// identified notes what an object names by its id: of several any may count.
func (r *reader) identified(kind string, object []byte) error {
	for name, value := range payload.MembersOf(object) {
		if string(name) != "id" {
			continue
		}
		if err := r.add(kind, value); err != nil {
			return err
		}
	}
	return nil
}

// add notes a name by its ID, as it is quoted.
func (r *reader) add(kind string, quoted []byte) error {
	if len(quoted) <= len(`""`) || quoted[0] != '"' {
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
