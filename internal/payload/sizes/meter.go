package sizes

import (
	"bytes"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/escape"
)

// meter adds up what a request has.
type meter struct {
	images      imageRule
	thousandths int64 // of a token, that are likely
	most        int64
	characters  int64
	open        bool
	within      int // how many parts are around
}

func (m *meter) likely(thousandths int64) { m.thousandths += thousandths }

// tokens adds so many for certain.
func (m *meter) tokens(likely, most int64) {
	m.likely(likely * 1000)
	m.most += most
}

// Thousandths of a token that a byte is likely to be.
const (
	perASCII = 286 // 3.5 bytes
	perOther = 500
)

// text adds a JSON string as it stands in the body, with its quotes. What escapes stand for counts.
func (m *meter) text(quoted []byte) {
	if len(quoted) < 2 || quoted[0] != '"' {
		return
	}
	rest := quoted[1 : len(quoted)-1]
	for {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 || at+1 == len(rest) {
			m.bytes(rest)
			return
		}
		m.bytes(rest[:at])
		size := 2
		if !escape.IsCode(rest[at:]) {
			m.ascii(1)
		} else {
			size = escape.Size
			m.code(escape.HexCode(rest[at+2:]))
		}
		rest = rest[at+size:]
	}
}

// code adds a character by its number, or half of one that has two.
func (m *meter) code(code rune) {
	switch {
	case code < 0x80:
		m.ascii(1)
	case code < 0x800, code >= 0xd800 && code < 0xe000:
		m.other(2, 1)
	default:
		m.other(3, 1)
	}
}

// raw adds JSON that is read as it stands.
func (m *meter) raw(value []byte) { m.bytes(value) }

// bytes adds a text.
func (m *meter) bytes(text []byte) {
	ascii, characters := int64(0), int64(0)
	for _, c := range text {
		if c < 0x80 {
			ascii++
		} else if c >= 0xc0 { // the first of a character
			characters++
		}
	}
	m.ascii(ascii)
	m.other(int64(len(text))-ascii, characters)
}

func (m *meter) ascii(bytes int64) {
	m.likely(bytes * perASCII)
	m.most += bytes
	m.characters += bytes
}

func (m *meter) other(bytes, characters int64) {
	m.likely(bytes * perOther)
	m.most += bytes
	m.characters += characters
}

// dataOf returns the longest string within two levels of a part: its base64, its data: URL, or a
// name.
func dataOf(part []byte) (longest []byte) {
	for _, value := range payload.MembersOf(part) {
		longest = longerString(longest, value)
		for _, inner := range payload.MembersOf(value) {
			longest = longerString(longest, inner)
		}
	}
	return longest
}

// longerString returns a value if it is a string that is longer than another, or else that.
func longerString(than, value []byte) []byte {
	if len(value) > max(1, len(than)) && value[0] == '"' {
		return value
	}
	return than
}

// member returns the last member of that name of an object; nil: there is none.
func member(object []byte, name string) (found []byte) {
	for n, value := range payload.MembersOf(object) {
		if string(n) == name {
			found = value
		}
	}
	return found
}
