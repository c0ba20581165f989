package payload

import (
	"bytes"
	"encoding/json"
	"io"
)

// An Opening says how an answer begins.
type Opening int

// The ways in which an answer begins.
const (
	Undecided Opening = iota // more is needed to say
	Sound
	Spoiled // with an error
)

// sseFields are the fields of server-sent events that may stand before the data,
// and what begins a comment.
var sseFields = [][]byte{[]byte("event:"), []byte("id:"), []byte("retry:"), []byte(":")}

// OpeningOf says how an answer begins, be it an object, a list or a stream of
// events.
func OpeningOf(text []byte) Opening {
	for {
		text = bytes.TrimLeft(text, " \t\r\n[")
		if rest, ok := bytes.CutPrefix(text, []byte("data:")); ok {
			text = rest
			continue
		}
		if len(text) == 0 || len(text) < len("data:") && bytes.HasPrefix([]byte("data:"), text) {
			return Undecided
		}
		if text[0] == '{' {
			return member(bytes.TrimLeft(text[1:], " \t\r\n"))
		}
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !sseLine(line) {
			return Sound
		}
		if !whole {
			return Undecided
		}
		text = rest
	}
}

func sseLine(line []byte) bool {
	for _, field := range sseFields {
		if bytes.HasPrefix(line, field) || bytes.HasPrefix(field, line) {
			return true
		}
	}
	return false
}

// member says whether the first member of an object is an error.
func member(text []byte) Opening {
	const name = `"error"`
	if len(text) < len(name) {
		if bytes.HasPrefix([]byte(name), text) {
			return Undecided
		}
		return Sound
	}
	value, ok := bytes.CutPrefix(text, []byte(name))
	if !ok {
		return Sound
	}
	value = bytes.TrimLeft(value, " \t\r\n:")
	switch {
	case len(value) == 0:
		return Undecided
	case value[0] == 'n': // null
		return Sound
	}
	return Spoiled
}

// LastError returns the error that an answer ends with, or nil if it ends well:
// a stream that began may still end so.
func LastError(end []byte) []byte {
	const space = " \t\r\n"
	i := bytes.LastIndex(end, []byte(`"error"`))
	if i < 0 {
		return nil
	}
	before, ok := bytes.CutSuffix(bytes.TrimRight(end[:i], space), []byte("{"))
	if !ok || member(end[i:]) != Spoiled {
		return nil
	}
	var object json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(end[len(before):]))
	if dec.Decode(&object) != nil {
		return nil
	}
	// It is an error of the stream's own only if it is an event by itself.
	rest := bytes.Trim(end[int64(len(before))+dec.InputOffset():], space)
	before = bytes.TrimRight(before, space)
	switch {
	case bytes.HasSuffix(before, []byte("data:")):
		if len(rest) > 0 && !bytes.Equal(rest, []byte("data: [DONE]")) {
			return nil
		}
	case bytes.HasSuffix(before, []byte(",")), bytes.HasSuffix(before, []byte("[")):
		if !bytes.Equal(rest, []byte("]")) && len(rest) > 0 {
			return nil
		}
	default:
		return nil
	}
	return object
}

// FirstError returns the error that an answer begins with, whose opening is
// Spoiled: of what was held back and what follows, the object that the error
// stands in, or as much of it as there is.
func FirstError(held []byte, rest io.Reader) []byte {
	object := bytes.Clone(held[bytes.IndexByte(held, '{'):]) // what is held may be used again
	var whole json.RawMessage
	dec := json.NewDecoder(io.MultiReader(bytes.NewReader(object), rest))
	if dec.Decode(&whole) == nil {
		return whole
	}
	return object
}
