package answers

import (
	"encoding/json"
	"slices"
	"strings"
)

// A Finder finds what members of an answer say, as it comes, be it JSON or events. It keeps
// nothing else of the answer.
type Finder struct {
	members [][]string // that are looked for, as members within one another
	deepest int

	depth   int
	quoted  bool
	escaped bool
	text    []byte // of the string that is being read, where that may matter
	within  []level
}

// A level is an object or a list that is being read.
type level struct {
	name   string // the last member's
	object bool
	isName bool // a name is to come
}

// maxFound bounds the strings that are read, in bytes: names and URLs are short.
const maxFound = 1 << 10

// NewFinder returns a finder of members, such as "id" or "file.name". Lists between them
// aren't named.
func NewFinder(members []string) *Finder {
	f := new(Finder)
	for _, m := range members {
		names := strings.Split(m, ".")
		f.members = append(f.members, names)
		// A list may stand around every object but the first.
		f.deepest = max(f.deepest, 2*len(names)-1)
	}
	return f
}

// Find reads a piece, and returns the strings that have ended in it.
func (f *Finder) Find(piece []byte) (found []string) {
	for _, c := range piece {
		if f.quoted {
			if text, ok := f.inString(c); ok {
				found = append(found, text)
			}
			continue
		}
		switch c {
		case '"':
			f.quoted, f.text = true, f.text[:0]
		case '{', '[':
			if f.depth++; f.near() {
				f.within = append(f.within[:f.depth-1], level{object: c == '{', isName: c == '{'})
			}
		case '}', ']':
			f.depth = max(0, f.depth-1)
		case ',':
			if f.near() {
				f.innermost().isName = f.innermost().object
			}
		case ':':
			if f.near() {
				f.innermost().isName = false
			}
		}
	}
	return found
}

// near reports whether what is being read may be looked for.
func (f *Finder) near() bool { return 0 < f.depth && f.depth <= f.deepest }

func (f *Finder) innermost() *level { return &f.within[f.depth-1] }

// inString reads a byte of a string, and returns the string if that has ended it and it is
// one that is looked for.
func (f *Finder) inString(c byte) (string, bool) {
	switch {
	case f.escaped:
		f.escaped = false
	case c == '\\':
		f.escaped = true
	case c == '"':
		f.quoted = false
		return f.ended()
	}
	if f.near() && len(f.text) <= maxFound {
		f.text = append(f.text, c)
	}
	return "", false
}

// ended takes a string for what it is.
func (f *Finder) ended() (string, bool) {
	if !f.near() || !f.innermost().object || len(f.text) > maxFound {
		return "", false
	}
	var text string
	if json.Unmarshal(slices.Concat([]byte{'"'}, f.text, []byte{'"'}), &text) != nil {
		return "", false
	}
	if f.innermost().isName {
		f.innermost().name = text
		return "", false
	}
	return text, slices.ContainsFunc(f.members, f.at)
}

// at reports whether what is being read is a member.
func (f *Finder) at(names []string) bool {
	for _, l := range f.within[:f.depth] {
		switch {
		case !l.object:
		case len(names) == 0 || names[0] != l.name:
			return false
		default:
			names = names[1:]
		}
	}
	return len(names) == 0
}
