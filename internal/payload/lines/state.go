package lines

import (
	"encoding/json"
	"fmt"
)

// kept is a scanner's state as it is kept: a byte is a number in it.
type kept struct {
	Mode    mode   `json:"m"`
	Escaped bool   `json:"e,omitempty"`
	Hex     int    `json:"h,omitempty"`
	Text    []byte `json:"t,omitempty"`
	Long    bool   `json:"l,omitempty"`
	Ended   bool   `json:"d,omitempty"`
	Key     byte   `json:"k,omitempty"`
	Over    bool   `json:"o,omitempty"`
	Own     byte   `json:"i,omitempty"`
	In      byte   `json:"n,omitempty"`
	Open    []byte `json:"p,omitempty"` // not known to builds from before
}

// State returns where the scanner is, in at most some KiB: of the file it has nothing but the string
// in which a piece has ended, or behind which, if that may still name a resource.
func (s *Scanner) State() []byte {
	switch s.mode {
	case between, within:
		if len(s.text) > 2*maxEnd {
			s.shorten()
		}
		if s.key == 0 && prose(s.text) {
			s.text, s.long, s.ended = []byte{' '}, true, true
		}
	case loose:
		s.look(s.settled())
	case foreign, unreadable:
	}
	out, err := json.Marshal(kept{s.mode, s.escaped, s.hex, s.text, s.long, s.ended, s.key, s.over, s.own, byte(s.in), s.open})
	if err != nil {
		panic(err) // there is nothing in it that could fail
	}
	return out
}

// prose reports whether a string has something in it, before a query, that no name of a resource has.
func prose(text []byte) bool {
	for _, c := range plain(text) {
		switch {
		case c == '?', c == '#':
			return false
		case c <= ' ':
			return true
		}
	}
	return false
}

// Resume sets the scanner to a state that was returned.
func (s *Scanner) Resume(state []byte) error {
	var k kept
	if err := json.Unmarshal(state, &k); err != nil {
		return fmt.Errorf("lines: %w", err)
	}
	s.mode, s.escaped, s.hex, s.text, s.long, s.ended, s.key, s.over = k.Mode, k.Escaped, k.Hex, k.Text, k.Long, k.Ended, k.Key, k.Over
	s.own, s.in, s.open = k.Own, bracket(k.In), k.Open
	return nil
}
