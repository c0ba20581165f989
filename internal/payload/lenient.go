package payload

import (
	"bytes"
	"encoding/json"
	"errors"
)

// What Google takes for JSON is what its published parsers take: json_stream_parser.cc
// of protobuf up to 21, which the front end of its APIs was built on, and
// json/internal/lexer.cc after that, whose allow_legacy_syntax keeps some of it.
// Beyond the standard they take commas before ] and }, strings in single quotes, raw
// control characters in strings, names without quotes, nothing where a value should
// be, and any character behind a backslash. Neither takes comments.

// strictJSON returns an object that Google takes as JSON of the standard that means
// the same. It fails with errTooDeep for what is too deep for Google, and with
// errNotJSON for what Google takes for none, and for what the two parsers read
// differently. It calls member, if that isn't nil, for every member of
// the object itself, with where in the text its value is.
func strictJSON(text []byte, member func(name string, from, to int)) ([]byte, error) {
	l := lenient{text: text, out: make([]byte, 0, len(text)+len(text)/16), member: member}
	l.space()
	switch whole := l.object(1); {
	case l.deep:
		return nil, errTooDeep
	case !whole:
		return nil, errNotJSON
	}
	if l.space(); l.at < len(text) {
		return nil, errNotJSON
	}
	return l.out, nil
}

// eachLenientMember is eachMember for what Google takes as JSON.
func eachLenientMember(text []byte, f func(name string, from, to int) error) error {
	if err := eachMember(text, f); !errors.Is(err, errNotJSON) {
		return err
	}
	type member struct {
		name     string
		from, to int
	}
	var all []member
	if _, err := strictJSON(text, func(name string, from, to int) { all = append(all, member{name, from, to}) }); err != nil {
		return errNotJSON
	}
	for _, m := range all {
		if err := f(m.name, m.from, m.to); err != nil {
			return err
		}
	}
	return nil
}

// lenientString returns the string that a value which Google takes as JSON is; ""
// for any other.
func lenientString(value []byte) string {
	l := lenient{text: value}
	var s string
	if !l.value(1) || json.Unmarshal(l.out, &s) != nil {
		return ""
	}
	return s
}

// lenient is a text on its way through strictJSON. Its methods read one thing each,
// write it as the standard has it, and report whether it was there.
type lenient struct {
	text   []byte
	at     int
	out    []byte
	member func(name string, from, to int)
	deep   bool // it nests deeper than maxDepth
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
	l.out = append(l.out, c)
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
			l.out = append(l.out, ',')
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
		begin := len(l.out)
		if !l.name() {
			return false
		}
		end := len(l.out)
		if l.space(); !l.take(':') {
			return false
		}
		l.space()
		from := l.at
		if !l.value(depth) {
			return false
		}
		if depth == 1 && l.member != nil {
			var name string
			if json.Unmarshal(l.out[begin:end], &name) != nil {
				return false
			}
			l.member(name, from, l.at)
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
		l.out = append(l.out, "null"...)
		return true
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(l.text[l.at:], []byte(word)) {
			l.at += len(word)
			l.out = append(l.out, word...)
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
		l.out = append(l.out, text...)
	} else {
		l.out = append(l.out, '0')
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
	l.out = append(l.out, '"')
	for _, c := range l.text[begin:l.at] {
		l.character(c)
	}
	l.out = append(l.out, '"')
	return true
}

// quoted reads a string.
func (l *lenient) quoted() bool {
	quote := l.next()
	l.at++
	l.out = append(l.out, '"')
	for l.at < len(l.text) {
		c := l.text[l.at]
		l.at++
		switch c {
		case quote:
			l.out = append(l.out, '"')
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
		if !isHex(l.text[l.at:]) {
			return false
		}
		l.out = append(append(l.out, `\u`...), l.text[l.at:l.at+4]...)
		l.at += 4
	case 'b', 'f', 'n', 'r', 't':
		l.out = append(l.out, '\\', c)
	case 'v':
		l.out = append(l.out, `\u000b`...)
	default:
		l.character(c)
	}
	return true
}

// isHex reports whether a text begins with four hexadecimal digits.
func isHex(text []byte) bool {
	if len(text) < 4 {
		return false
	}
	for _, c := range text[:4] {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

// character writes one byte of a string.
func (l *lenient) character(c byte) {
	const hex = "0123456789abcdef"
	switch {
	case c == '"', c == '\\':
		l.out = append(l.out, '\\', c)
	case c < ' ':
		l.out = append(l.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	default:
		l.out = append(l.out, c)
	}
}
