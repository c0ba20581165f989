package answers

import (
	"encoding/json"
	"slices"
	"strings"
)

// A Finder finds what members of an answer say, as it comes, be it JSON or events. It keeps
// nothing else of the answer.
type Finder struct {
	members
	all []Found // in the piece that is being read
}

// A Found is what a member says.
type Found struct {
	Member string // as it was given to NewFinder
	Text   string
}

// maxFound bounds the strings that are read, in bytes: names and URLs are short.
const maxFound = 1 << 10

// NewFinder returns a finder of members, such as "id" or "file.name". Lists between them
// aren't named.
func NewFinder(names []string) *Finder {
	f := new(Finder)
	f.members = newMembers(names, maxFound, func(member int, value []byte) {
		var text string
		if json.Unmarshal(value, &text) == nil && value[0] == '"' {
			f.all = append(f.all, Found{names[member], text})
		}
	})
	return f
}

// Find reads a piece, and returns the strings that have ended in it.
func (f *Finder) Find(piece []byte) (found []Found) {
	f.all = nil
	f.read(piece)
	return f.all
}

// members reads strings and objects that are members of JSON texts, as these come.
type members struct {
	names   [][]string // of those that are looked for, as members within one another
	most    int        // the longest value that is kept, in bytes
	found   func(member int, value []byte)
	deepest int

	depth   int
	quoted  bool
	escaped bool
	text    []byte // of the string that is being read, in its quotes, where that may matter
	within  []level
	// of and object are the innermost object that is looked for and is being read.
	of     int
	object []byte
}

// A level is an object or a list that is being read.
type level struct {
	name   string // the last member's
	object bool
	isName bool // a name is to come
	member int  // which it is of those that are looked for; negative: none
}

// newMembers returns one that tells the values of members, which are named as in NewFinder; "" is
// a text itself. Of an object that is too long, or in which another was found, it tells that it
// has ended: nil.
func newMembers(names []string, most int, found func(member int, value []byte)) members {
	m := members{most: most, found: found, of: -1}
	for _, name := range names {
		var path []string
		if name != "" {
			path = strings.Split(name, ".")
		}
		m.names = append(m.names, path)
		// A list may stand around every object but the first.
		m.deepest = max(m.deepest, 2*len(path)-1, 1)
	}
	return m
}

// read reads a piece.
func (m *members) read(piece []byte) {
	for _, c := range piece {
		if !m.quoted && c == '{' {
			m.opens(true)
		}
		if m.of >= 0 && len(m.object) <= m.most {
			m.object = append(m.object, c)
		}
		if m.quoted {
			m.inString(c)
			continue
		}
		switch c {
		case '"':
			m.quoted, m.text = true, append(m.text[:0], c)
		case '[':
			m.opens(false)
		case '}', ']':
			m.closes()
		case ',':
			if m.near() {
				m.innermost().isName = m.innermost().object
			}
		case ':':
			if m.near() {
				m.innermost().isName = false
			}
		}
	}
}

// near reports whether what is being read may be looked for.
func (m *members) near() bool { return 0 < m.depth && m.depth <= m.deepest }

func (m *members) innermost() *level { return &m.within[m.depth-1] }

// opens begins an object or a list.
func (m *members) opens(object bool) {
	member := -1
	if object && (m.depth == 0 || m.near() && !m.innermost().isName) {
		member = m.at()
	}
	if m.depth++; m.depth <= m.deepest+1 {
		m.within = append(m.within[:m.depth-1], level{object: object, isName: object, member: member})
	}
	if member >= 0 {
		m.of, m.object = member, m.object[:0]
	}
}

// closes ends the innermost of them.
func (m *members) closes() {
	if m.depth > 0 && m.depth <= m.deepest+1 {
		if member := m.innermost().member; member >= 0 {
			var value []byte
			if m.of == member && len(m.object) <= m.most {
				value = m.object
			}
			m.of = -1
			m.found(member, value)
		}
	}
	m.depth = max(0, m.depth-1)
}

// inString reads a byte of a string.
func (m *members) inString(c byte) {
	if m.near() && len(m.text) <= m.most+1 {
		m.text = append(m.text, c)
	}
	switch {
	case m.escaped:
		m.escaped = false
	case c == '\\':
		m.escaped = true
	case c == '"':
		m.quoted = false
		m.ended()
	}
}

// ended takes a string for what it is.
func (m *members) ended() {
	if !m.near() || !m.innermost().object || len(m.text) > m.most+2 {
		return
	}
	if m.innermost().isName {
		var name string
		_ = json.Unmarshal(m.text, &name) // then it is too long for any that is looked for
		m.innermost().name = name
		return
	}
	if member := m.at(); member >= 0 {
		m.found(member, m.text)
	}
}

// at says which member of those that are looked for a value is that begins or ends here;
// negative: none.
func (m *members) at() int { return slices.IndexFunc(m.names, m.is) }

// is reports whether a value that begins or ends here is a member.
func (m *members) is(names []string) bool {
	for _, l := range m.within[:m.depth] {
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
