package payload

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A lexer walks a JSON text that is known to be valid, token by token, at a
// fraction of what json.Decoder takes, which decodes each token by itself.
type lexer struct {
	text []byte
	at   int
}

var errNotJSON = errors.New("not JSON")

func newLexer(text []byte) (*lexer, error) {
	if !json.Valid(text) {
		return nil, errNotJSON
	}
	return &lexer{text: text}, nil
}

// skip passes over white space and what separates tokens.
func (t *lexer) skip() {
	for t.at < len(t.text) {
		switch t.text[t.at] {
		case ' ', '\t', '\r', '\n', ',', ':':
			t.at++
		default:
			return
		}
	}
}

// More reports whether the array or object that is being walked goes on.
func (t *lexer) More() bool {
	t.skip()
	return t.at < len(t.text) && t.text[t.at] != ']' && t.text[t.at] != '}'
}

// Token returns the next token as json.Decoder does with UseNumber, and io.EOF
// at the end.
func (t *lexer) Token() (json.Token, error) {
	t.skip()
	if t.at == len(t.text) {
		return nil, io.EOF
	}
	begin := t.at
	switch c := t.text[begin]; c {
	case '{', '}', '[', ']':
		t.at++
		return json.Delim(c), nil
	case '"':
		return t.quoted()
	case 't':
		t.at += len("true")
		return true, nil
	case 'f':
		t.at += len("false")
		return false, nil
	case 'n':
		t.at += len("null")
		return nil, nil
	}
	for t.at < len(t.text) {
		switch t.text[t.at] {
		case ' ', '\t', '\r', '\n', ',', ']', '}':
			return json.Number(t.text[begin:t.at]), nil
		}
		t.at++
	}
	return json.Number(t.text[begin:]), nil
}

// leave passes over the rest of a value whose first token was read.
func (t *lexer) leave(first json.Token) {
	depth := 0
	for token := first; ; token, _ = t.Token() {
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth <= 0 {
			return
		}
	}
}

// value passes over the next value and returns it as it stands in the text.
func (t *lexer) value() []byte {
	t.skip()
	begin := t.at
	first, err := t.Token()
	if err != nil {
		return t.text[begin:t.at]
	}
	t.leave(first)
	return t.text[begin:t.at]
}

// eachMember calls f for every member of a JSON object, with where in the text
// its value is.
func eachMember(text []byte, f func(name string, from, to int) error) error {
	t, err := newLexer(text)
	if err != nil {
		return err
	}
	if first, _ := t.Token(); first != json.Delim('{') {
		return errNotJSON
	}
	for t.More() {
		token, err := t.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		value := t.value()
		if err := f(name, t.at-len(value), t.at); err != nil {
			return err
		}
	}
	return nil
}

func (t *lexer) quoted() (json.Token, error) {
	begin, plain, ascii := t.at, true, true
	for t.at++; t.text[t.at] != '"'; t.at++ {
		switch c := t.text[t.at]; {
		case c == '\\':
			plain = false
			t.at++
		case c >= 0x80:
			ascii = false // it may not be UTF-8
		}
	}
	t.at++
	inside := t.text[begin+1 : t.at-1]
	if plain && ascii {
		return string(inside), nil
	}
	if ascii {
		if s, ok := resolved(inside); ok {
			return s, nil
		}
	}
	var s string
	err := json.Unmarshal(t.text[begin:t.at], &s)
	return s, err
}

// resolved returns the string that an ASCII text within quotes means, at a fraction of
// what json.Unmarshal takes. It reports false for what may have surrogates.
func resolved(text []byte) (string, bool) {
	out := make([]byte, 0, len(text))
	for at := 0; at < len(text); at++ {
		c := text[at]
		if c != '\\' {
			out = append(out, c)
			continue
		}
		at++
		switch c = text[at]; c {
		case 'u':
			code, err := strconv.ParseUint(string(text[at+1:at+5]), 16, 16)
			if err != nil || 0xd800 <= code && code < 0xe000 {
				return "", false
			}
			out = utf8.AppendRune(out, rune(code))
			at += 4
		case 'b', 'f', 'n', 'r', 't':
			out = append(out, "\b\f\n\r\t"[strings.IndexByte("bfnrt", c)])
		default:
			out = append(out, c)
		}
	}
	return string(out), true
}
