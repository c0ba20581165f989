package payload

import (
	"bytes"
	"encoding/json"

	"fluxgate.dev/fluxgate/internal/payload/escape"
)

// What Google takes for JSON is what its published parsers take: json_stream_parser.cc
// of protobuf up to 21, which the front end of its APIs was built on, and
// json/internal/lexer.cc after that, whose allow_legacy_syntax keeps some of it.
// Beyond the standard they take commas before ] and }, strings in single quotes, raw
// control characters in strings, names without quotes, nothing where a value should
// be, and any character behind a backslash. Neither takes comments.

// strictSize returns how large strictJSON of a text is. It fails with errTooDeep for what
// is too deep for Google, and with errNotJSON for what Google takes for none, and for what
// the two parsers read differently.
func strictSize(text []byte) (int64, error) {
	l := lenient{text: text, measure: true}
	switch whole := l.whole(); {
	case l.deep:
		return 0, errTooDeep
	case !whole:
		return 0, errNotJSON
	}
	return l.size, nil
}

// strictJSON returns an object that Google takes as JSON of the standard that means
// the same, in a text of that size, which is strictSize's.
func strictJSON(text []byte, size int64) []byte {
	l := lenient{text: text, out: make([]byte, 0, size)}
	l.whole()
	return l.out
}

// eachLenientMember is EachMember for what Google takes as JSON, of which it is known
// that it does.
func eachLenientMember(text []byte, f func(name []byte, from, to int) error) error {
	var err error
	l := lenient{text: text, measure: true, member: func(name []byte, from, to int) {
		if err == nil {
			err = f(name, from, to)
		}
	}}
	if !l.whole() {
		return errNotJSON
	}
	return err
}

// lenientString returns the string that a value which Google takes as JSON is; ""
// for any other, and for one that is too long to be known here.
func lenientString(value []byte) string {
	l := lenient{text: value}
	if len(value) > maxName || !l.value(1) || l.out[0] != '"' {
		return ""
	}
	return string(StringIn(l.out))
}

// StringIn returns the string that valid JSON is; it is part of that where it has no escapes.
func StringIn(json []byte) []byte {
	t := lexer{text: json}
	return t.next().meaning()
}

// lenient is a text on its way through strictJSON. Its methods read one thing each,
// write it as the standard has it, and report whether it was there.
type lenient struct {
	text   []byte
	at     int
	out    []byte
	member func(name []byte, from, to int) // nil: nobody is told of the object's own
	deep   bool                            // it nests deeper than maxDepth

	measure bool // nothing is written
	size    int64
}

// whole reads an object that is all of the text. A list is none, but may be too deep.
func (l *lenient) whole() bool {
	l.space()
	if l.next() == '[' {
		l.array(1)
		return false
	}
	if !l.object(1) {
		return false
	}
	l.space()
	return l.at == len(l.text)
}

// write writes some bytes, or measures them.
func (l *lenient) write(text ...byte) {
	if l.measure {
		l.size += int64(len(text))
		return
	}
	l.out = append(l.out, text...)
}

// next returns the byte that is to be read next, 0 at the end: no token begins so.
func (l *lenient) next() byte {
	if l.at == len(l.text) {
		return 0
	}
	return l.text[l.at]
}

// space passes over what C calls space, which is more than JSON does.
func (l *lenient) space() {
	for c := l.next(); c == ' ' || '\t' <= c && c <= '\r'; c = l.next() {
		l.at++
	}
}

// take reads one byte, which is written too.
func (l *lenient) take(c byte) bool {
	if l.next() != c {
		return false
	}
	l.at++
	l.write(c)
	return true
}

// comma reads what stands behind a member or an element: a comma, or what ends the
// list. A comma is written once it is known that something follows.
func (l *lenient) comma(end byte) (more, ok bool) {
	l.space()
	if l.next() == ',' {
		l.at++
		l.space()
		if l.next() != end {
			l.write(',')
			return true, true
		}
	}
	return false, l.next() == end
}

func (l *lenient) object(depth int) bool {
	if l.deep = l.deep || depth > maxDepth; l.deep || !l.take('{') {
		return false
	}
	l.space()
	for more := l.next() != '}'; more; {
		begin := l.at
		if !l.name() {
			return false
		}
		name := l.text[begin:l.at]
		if len(name) > maxName {
			return false // what it spells isn't known here
		}
		if l.space(); !l.take(':') {
			return false
		}
		l.space()
		from := l.at
		if !l.value(depth) {
			return false
		}
		if depth == 1 && l.member != nil {
			l.member(lenientName(name), from, l.at)
		}
		var ok bool
		if more, ok = l.comma('}'); !ok {
			return false
		}
	}
	return l.take('}')
}

func (l *lenient) array(depth int) bool {
	if l.deep = l.deep || depth > maxDepth; l.deep || !l.take('[') {
		return false
	}
	l.space()
	for more := l.next() != ']'; more; {
		if !l.value(depth) {
			return false
		}
		var ok bool
		if more, ok = l.comma(']'); !ok {
			return false
		}
	}
	return l.take(']')
}

// value reads a value, or nothing before a comma or a brace, which is null.
func (l *lenient) value(depth int) bool {
	switch c := l.next(); {
	case c == '{':
		return l.object(depth + 1)
	case c == '[':
		return l.array(depth + 1)
	case c == '"', c == '\'':
		return l.quoted()
	case c == '-', '0' <= c && c <= '9':
		return l.number()
	case c == ',', c == '}':
		l.write([]byte("null")...)
		return true
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(l.text[l.at:], []byte(word)) {
			l.at += len(word)
			l.write([]byte(word)...)
			return true
		}
	}
	return false
}

// number reads a number. Which one matters to nothing here, so that of one which
// isn't JSON's it is left to Google what it is.
func (l *lenient) number() bool {
	begin := l.at
	for c := l.next(); '0' <= c && c <= '9' || bytes.IndexByte([]byte("+-.eEx"), c) >= 0; c = l.next() {
		l.at++
	}
	if text := l.text[begin:l.at]; json.Valid(text) {
		l.write(text...)
	} else {
		l.write('0')
	}
	return true
}

// name reads the name of a member, in quotes or not.
func (l *lenient) name() bool {
	c := l.next()
	if c == '"' || c == '\'' {
		return l.quoted()
	}
	if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '$') {
		return false
	}
	begin := l.at
	for l.at < len(l.text) && bytes.IndexByte([]byte("\"'{}[]:, \t\n\v\f\r"), l.text[l.at]) < 0 {
		l.at++
	}
	l.write('"')
	for _, c := range l.text[begin:l.at] {
		l.character(c)
	}
	l.write('"')
	return true
}

// lenientName returns what the name of a member means.
func lenientName(text []byte) []byte {
	l := lenient{text: text}
	l.name()
	return StringIn(l.out)
}

// quoted reads a string.
func (l *lenient) quoted() bool {
	quote := l.next()
	l.at++
	l.write('"')
	for l.at < len(l.text) {
		c := l.text[l.at]
		l.at++
		switch c {
		case quote:
			l.write('"')
			return true
		case '\\':
			if !l.escape() {
				return false
			}
		default:
			l.character(c)
		}
	}
	return false
}

// escape reads what follows a backslash. One that the standard doesn't know stands
// for the character itself; but \U is the character of that code to the newer
// parser.
func (l *lenient) escape() bool {
	if l.at == len(l.text) {
		return false
	}
	c := l.text[l.at]
	l.at++
	switch c {
	case 'U':
		return false
	case 'u':
		if !escape.IsHex(l.text[l.at:]) {
			return false
		}
		l.write(l.text[l.at-2 : l.at+4]...)
		l.at += 4
	case 'b', 'f', 'n', 'r', 't':
		l.write('\\', c)
	case 'v':
		l.write([]byte(`\u000b`)...)
	default:
		l.character(c)
	}
	return true
}

// character writes one byte of a string.
func (l *lenient) character(c byte) {
	const hex = "0123456789abcdef"
	switch {
	case c == '"', c == '\\':
		l.write('\\', c)
	case c < ' ':
		l.write('\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	default:
		l.write(c)
	}
}
