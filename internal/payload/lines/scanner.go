package lines

import (
	"bytes"
	"cmp"
	"slices"
)

// maxText bounds how much is held of a string, in bytes as they stand in the file. Longer ones are
// data: what they refer to, if anything, is at their ends, which have maxEnd each.
const (
	maxText = 16 << 10
	maxEnd  = 1 << 10
)

// A mode is what a scanner is in the midst of.
type mode byte

const (
	between    mode = iota // two strings
	within                 // a string
	loose                  // what isn't JSON of the standard, to the end of the file
	foreign                // a line, or a part of one, that the provider takes for no JSON
	unreadable             // what is no JSON
)

// A Scanner reads a file that is written to it. Its zero value is at the beginning of one.
type Scanner struct {
	// Rule is what counts as a reference, and Found is told of each, perhaps several times.
	Rule  Rule
	Found func(name string)

	mode    mode
	escaped bool   // the byte before began an escape
	hex     int    // how many digits of an escape follow
	text    []byte // of the string so far, or the last one; or of what is loose, that isn't looked through yet
	long    bool   // text is how the string begins, and how it ends so far
	ended   bool   // the end of a long one is there: a query or a fragment follows
	key     byte   // of the member that values belong to, or of the list that they stand in
	own     byte   // of what the object is that a value is the ID of
	in      bracket
	open    []byte // the brackets around it, the outermost first
	over    bool   // the string has ended, and names a member if a colon follows
}

// A bracket is a list or an object that is open: the key of the member that it is a value of, and its lowest bit says
// that it is a list.
type bracket byte

const list bracket = 1

// inside returns the key of the next value in it.
func (b bracket) inside() byte {
	if b&list != 0 {
		return byte(b >> 1)
	}
	return 0 // its member says it
}

// maxDepth bounds how deep a line is: no provider's parser goes that far.
const maxDepth = 1024

// Unreadable reports whether the file is nothing that a provider could read as lines of JSON.
func (s *Scanner) Unreadable() bool { return s.mode == unreadable }

// Write reads a piece of the file. It never fails.
func (s *Scanner) Write(piece []byte) (int, error) {
	for rest := piece; len(rest) > 0; {
		switch s.mode {
		case between:
			rest = s.structure(rest)
		case within:
			rest = s.string(rest)
		case loose:
			rest = s.loosely(rest)
		case foreign:
			rest = s.pass(rest)
		case unreadable:
			rest = nil
		}
	}
	return len(piece), nil
}

// End reads what is left where the file ends.
func (s *Scanner) End() {
	switch s.mode {
	case between, within:
		s.value()
	case loose:
		s.look(len(s.text), 0)
	case foreign, unreadable:
	}
}

// structure reads what is between two strings, and returns what follows.
func (s *Scanner) structure(text []byte) []byte {
	for at, c := range text {
		switch {
		case c == '"':
			s.value()
			s.mode = within
			return text[at+1:]
		case c == ' ', c == '\t', c == '\r', c == '\n':
		case bytes.IndexByte([]byte(structural), c) < 0 && (s.Rule.Loose != nil || bytes.IndexByte([]byte(notNumbers), c) < 0):
			s.value()
			s.loosen()
			return text[at:]
		case c == ':' && s.over:
			s.member()
		default:
			if s.over {
				s.value()
			}
			if s.bracket(c); s.mode == unreadable {
				return nil
			}
		}
	}
	return nil
}

// bracket reads a byte that may open or end a list or an object, or what is in it.
func (s *Scanner) bracket(c byte) {
	switch c {
	case '{', '[':
		if len(s.open) == maxDepth {
			s.mode, s.text, s.open = unreadable, nil, nil
			return
		}
		s.open = append(s.open, byte(s.in))
		if s.in = bracket(cmp.Or(s.own, s.key) << 1); c == '[' {
			s.in |= list
		}
	case '}', ']':
		last := len(s.open) - 1
		if s.in = 0; last >= 0 {
			s.in, s.open = bracket(s.open[last]), s.open[:last]
		}
	case ',':
	default:
		return
	}
	s.key, s.own = s.in.inside(), 0
}

// structural are the bytes between the strings of JSON but white space: with those of numbers, true,
// false and null.
const structural = "{}[]:,0123456789+-.eEtrufalsn"

// notNumbers are those that NaN and Infinity have besides. Python's parser takes these (docs.python.org/3/library/json.html), so a
// provider may that refuses whatever else isn't JSON.
const notNumbers = "NIiy"

// string reads a string to its end, or as much as there is of it, and returns what follows.
func (s *Scanner) string(text []byte) []byte {
	from := 0
	for at, c := range text {
		switch {
		case c == '\n', c == '\r', never(c), s.hex > 0 && !isHex(c), s.Rule.Loose != nil && s.strange(c):
			s.hold(text[from:at])
			s.loosen()
			return text[at:]
		case s.hex > 0:
			s.hex--
		case s.escaped:
			if s.escaped = false; c == 'u' {
				s.hex = len("0000")
			}
		case c == '\\':
			s.escaped = true
		case c == '"':
			s.hold(text[from:at])
			s.mode, s.over = between, true
			return text[at+1:]
		}
		if at-from == maxEnd {
			s.hold(text[from:at])
			from = at
		}
	}
	s.hold(text[from:])
	return nil
}

// strange reports whether the standard doesn't have a byte in a string, or not as an escape. A provider that otherwise
// refuses what isn't JSON may take it all the same.
func (s *Scanner) strange(c byte) bool {
	return c < ' ' || s.escaped && bytes.IndexByte([]byte(`"\/bfnrtu`), c) < 0
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// never reports whether a byte is in no text in UTF-8, or in no JSON that anybody writes: a control
// character that is no white space. So whatever isn't text is unreadable within a few bytes.
func never(c byte) bool {
	return c < ' ' && (c < '\t' || c > '\r') || c == 0xc0 || c == 0xc1 || c >= 0xf5
}

// hold keeps a piece of a string, of maxEnd bytes at most, as far as it may matter.
func (s *Scanner) hold(piece []byte) {
	if s.ended {
		return
	}
	if s.long || len(s.text)+len(piece) > maxText {
		s.shorten()
		if cut := bytes.IndexAny(piece, "?#"); cut >= 0 {
			piece, s.ended = piece[:cut], true
		}
	}
	s.text = append(s.text, piece...)
	if s.long && len(s.text) > maxText {
		s.shorten()
	}
}

// shorten leaves of a string how it begins and how it ends. What it refers to between is looked for
// before that.
func (s *Scanner) shorten() {
	if !s.long {
		s.tell(s.Rule.Names(s.key, plain(s.text)))
		s.long, s.ended = true, bytes.ContainsAny(s.text, "?#")
	}
	if len(s.text) > 2*maxEnd {
		s.text = append(s.text[:maxEnd], s.text[len(s.text)-maxEnd:]...)
	}
}

// value takes the string that was read for a value, and tells what it refers to.
func (s *Scanner) value() {
	key := s.key
	if s.long {
		key = 0 // a name at its end is one, and what was before was looked through
	}
	s.tell(s.Rule.Names(key, plain(s.text)))
	if s.own != 0 && !s.long {
		s.tell(s.Rule.Names(s.own, plain(s.text)))
	}
	s.text, s.long, s.ended, s.over = s.text[:0], false, false, false
}

// member takes the string that was read for the name of a member.
func (s *Scanner) member() {
	name := plain(s.text)
	if s.long {
		name = nil
	}
	s.own = 0
	if s.key = s.Rule.Key(name); s.key == itself {
		s.own = byte(s.in >> 1)
	}
	s.text, s.long, s.ended, s.over = s.text[:0], false, false, false
}

func (s *Scanner) tell(names []string) {
	for _, name := range names {
		s.Found(name)
	}
}

// loosen has everything count that looks like a name, from the string on in which JSON of the
// standard has come to its end; or, where the provider knows no other, nothing to the end of the line.
func (s *Scanner) loosen() {
	begun := s.text
	s.escaped, s.hex, s.text, s.long, s.ended = false, 0, nil, false, false
	switch {
	case s.Rule.Loose == nil:
		s.mode = foreign
		return
	case s.mode == within:
		s.text = append([]byte{'"'}, begun...)
	}
	s.mode = loose
}

// pass passes over what is no JSON, such as the headers of a form, and returns what follows: the
// next line, or an object that begins in this one.
func (s *Scanner) pass(text []byte) []byte {
	end := bytes.IndexAny(text, "\r\n{")
	line := text
	if end >= 0 {
		line = text[:end]
	}
	s.text = append(s.text, line[:min(len(line), maxEnd-min(len(s.text), maxEnd))]...)
	switch {
	case slices.ContainsFunc(line, never), end >= 0 && encodes(s.text):
		s.mode, s.text = unreadable, nil
		return nil
	case end < 0:
		return nil
	}
	s.mode, s.text, s.key, s.own, s.in, s.open = between, s.text[:0], 0, 0, 0, nil
	return text[end:]
}

// encodes reports whether a text may be a header that says that what follows is encoded.
func encodes(text []byte) bool {
	const header = "-transfer-encoding"
	for at := bytes.IndexByte(text, '-'); at >= 0; {
		if text = text[at:]; len(text) >= len(header) && bytes.EqualFold(text[:len(header)], []byte(header)) {
			return true
		}
		text = text[1:]
		at = bytes.IndexByte(text, '-')
	}
	return false
}

// loosely reads of a text what isn't JSON of the standard.
func (s *Scanner) loosely(text []byte) []byte {
	text, rest := text[:min(len(text), maxText)], text[min(len(text), maxText):]
	if slices.ContainsFunc(text, never) {
		s.mode, s.text = unreadable, nil
		return nil
	}
	if s.text = append(s.text, text...); len(s.text) >= maxText {
		s.look(s.settled())
	}
	return rest
}

// settled returns how much of what is held can be looked through without what follows, up to where a
// name may begin that goes on; and how much is held on, with what that stands behind.
func (s *Scanner) settled() (looked, held int) {
	for at := len(s.text); at > len(s.text)-maxEnd && at > 0; at-- {
		if !inName(s.text[at-1]) {
			return at - 1, len(s.text) - (at - 1)
		}
	}
	return len(s.text), min(len(s.text), maxEnd)
}

// inName reports whether a byte may be in the URL of a resource, or in an escape within one, or is left out there by
// readers of URLs.
func inName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("-_/\\.:%\t\n\v\f\r\x7f"), c) >= 0
}

// look looks through the first bytes of what is held, and holds some of the last ones on.
func (s *Scanner) look(looked, held int) {
	if encodes(s.text[:looked]) {
		s.mode, s.text = unreadable, nil
		return
	}
	s.tell(s.Rule.Loose(s.text[:looked]))
	s.text = append(s.text[:0], s.text[len(s.text)-held:]...)
}
