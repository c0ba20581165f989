package syntax

import "strings"

// maxDepth is how many objects and lists may be within one another: as many as
// encoding/json takes.
const maxDepth = 10000

// Valid reports whether a text is one JSON value, with nothing but white space around it.
// Strings may have any bytes but control characters: UTF-8 isn't checked.
func Valid(text []byte) bool {
	s := scanner{text: text}
	return s.value(0) && s.next() == 0 && s.at == len(text)
}

// A scanner passes over a text. What its methods pass over is reported not to be JSON as
// soon as that shows.
type scanner struct {
	text []byte
	at   int
}

// next passes over white space and returns the byte behind it; 0 at the end.
func (s *scanner) next() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// value passes over a value that is within so many objects and lists.
func (s *scanner) value(depth int) bool {
	switch s.next() {
	case '{':
		return depth < maxDepth && s.object(depth+1)
	case '[':
		return depth < maxDepth && s.list(depth+1)
	case '"':
		return s.quoted()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

// object passes over an object.
func (s *scanner) object(depth int) bool {
	s.at++
	c := s.next()
	if c == '}' {
		s.at++
		return true
	}
	for c == '"' && s.quoted() && s.next() == ':' {
		s.at++
		if !s.value(depth) {
			return false
		}
		switch s.next() {
		case ',':
			s.at++
			c = s.next()
		case '}':
			s.at++
			return true
		default:
			return false
		}
	}
	return false
}

// list passes over a list.
func (s *scanner) list(depth int) bool {
	s.at++
	if s.next() == ']' {
		s.at++
		return true
	}
	for s.value(depth) {
		switch s.next() {
		case ',':
			s.at++
		case ']':
			s.at++
			return true
		default:
			return false
		}
	}
	return false
}

// plain are the bytes of strings that stand for themselves and don't end them.
var plain = func() (is [256]bool) {
	for c := range is {
		is[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return is
}()

// quoted passes over a string.
func (s *scanner) quoted() bool {
	text := s.text
	for at := s.at + 1; at < len(text); at++ {
		switch c := text[at]; {
		case plain[c]:
		case c == '"':
			s.at = at + 1
			return true
		case c == '\\' && at+1 < len(text) && strings.IndexByte(`"\/bfnrt`, text[at+1]) >= 0:
			at++
		case c == '\\' && at+5 < len(text) && text[at+1] == 'u' && isHex(text[at+2:at+6]):
			at += 5
		default:
			return false
		}
	}
	return false
}

func isHex(digits []byte) bool {
	for _, c := range digits {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

// word passes over true, false or null.
func (s *scanner) word(word string) bool {
	if len(s.text)-s.at < len(word) || string(s.text[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

// number passes over a number.
func (s *scanner) number() bool {
	s.is('-')
	if !s.is('0') && !s.digits() || s.is('.') && !s.digits() {
		return false
	}
	if s.is('e') || s.is('E') {
		_ = s.is('+') || s.is('-')
		return s.digits()
	}
	return true
}

// is passes over a byte, if it is the next.
func (s *scanner) is(c byte) bool {
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// digits passes over one digit or more.
func (s *scanner) digits() bool {
	begin := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > begin
}
