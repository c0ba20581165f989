package payload

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A lexer walks a JSON text that is known to be valid, token by token, at a
// fraction of what json.Decoder takes, which decodes each token by itself. It copies
// nothing: bodies may be large, and have many strings.
type lexer struct {
	text []byte
	at   int
}

// A token is a piece of a JSON text.
type token struct {
	// kind is its first byte, but '0' for any number; 0 at the end of the text.
	kind byte
	// text is as it stands; of a string, what is between the quotes.
	text []byte
	// escaped says that a string may mean something other than its text.
	escaped bool
}

var errNotJSON = errors.New("not JSON")

func newLexer(text []byte) (lexer, error) {
	if !json.Valid(text) {
		return lexer{}, errNotJSON
	}
	return lexer{text: text}, nil
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

// more reports whether the array or object that is being walked goes on.
func (t *lexer) more() bool {
	t.skip()
	return t.at < len(t.text) && t.text[t.at] != ']' && t.text[t.at] != '}'
}

// next returns the next token.
func (t *lexer) next() token {
	t.skip()
	if t.at == len(t.text) {
		return token{}
	}
	begin := t.at
	kind := t.text[begin]
	switch kind {
	case '{', '}', '[', ']':
		t.at++
	case '"':
		return t.quoted()
	case 't', 'n':
		t.at += len("true")
	case 'f':
		t.at += len("false")
	default:
		kind = '0'
		for t.at < len(t.text) && !endsNumber(t.text[t.at]) {
			t.at++
		}
	}
	return token{kind: kind, text: t.text[begin:t.at]}
}

func endsNumber(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ',', ']', '}':
		return true
	}
	return false
}

// leave passes over the rest of a value whose first token was read.
func (t *lexer) leave(first token) {
	depth := 0
	for x := first; ; x = t.next() {
		switch x.kind {
		case '{', '[':
			depth++
		case '}', ']':
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
	t.leave(t.next())
	return t.text[begin:t.at]
}

// eachMember calls f for every member of a JSON object, with where in the text
// its value is.
func eachMember(text []byte, f func(name string, from, to int) error) error {
	t, err := newLexer(text)
	if err != nil {
		return err
	}
	if t.next().kind != '{' {
		return errNotJSON
	}
	for t.more() {
		name := t.next()
		value := t.value()
		if err := f(string(name.meaning()), t.at-len(value), t.at); err != nil {
			return err
		}
	}
	return nil
}

func (t *lexer) quoted() token {
	begin, escaped, ascii := t.at+1, false, true
	for t.at++; t.text[t.at] != '"'; t.at++ {
		switch c := t.text[t.at]; {
		case c == '\\':
			escaped = true
			t.at++
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	inside := t.text[begin:t.at]
	t.at++
	return token{kind: '"', text: inside, escaped: escaped || !ascii && !utf8.Valid(inside)}
}

// meaning returns the string that a token stands for, as json.Unmarshal would: with
// escapes resolved, and what isn't UTF-8 replaced. It is part of the text where that
// is the same.
func (x token) meaning() []byte {
	if !x.escaped {
		return x.text
	}
	out := make([]byte, 0, len(x.text))
	for rest := x.text; len(rest) > 0; {
		var r rune
		r, rest = nextRune(rest)
		out = utf8.AppendRune(out, r)
	}
	return out
}

// size returns the length of what the token means, in bytes.
func (x token) size() int64 {
	if !x.escaped {
		return int64(len(x.text))
	}
	var n int
	for rest := x.text; len(rest) > 0; {
		var r rune
		r, rest = nextRune(rest)
		n += utf8.RuneLen(r)
	}
	return int64(n)
}

// nextRune returns the first character that a text within quotes means, and what
// follows it.
func nextRune(text []byte) (rune, []byte) {
	if text[0] != '\\' {
		r, size := utf8.DecodeRune(text)
		return r, text[size:]
	}
	c, rest := text[1], text[2:]
	switch c {
	case 'b':
		return '\b', rest
	case 'f':
		return '\f', rest
	case 'n':
		return '\n', rest
	case 'r':
		return '\r', rest
	case 't':
		return '\t', rest
	case 'u':
		return unicodeEscape(rest)
	}
	return rune(c), rest
}

// unicodeEscape returns the character whose code a text begins with, and what follows.
// Half a surrogate pair is none: it is replaced.
func unicodeEscape(text []byte) (rune, []byte) {
	r, rest := hexCode(text), text[4:]
	if !utf16.IsSurrogate(r) {
		return r, rest
	}
	if len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
		if pair := utf16.DecodeRune(r, hexCode(rest[2:])); pair != utf8.RuneError {
			return pair, rest[6:]
		}
	}
	return utf8.RuneError, rest
}

// hexCode returns the number of four hexadecimal digits.
func hexCode(text []byte) rune {
	code, _ := strconv.ParseUint(string(text[:4]), 16, 16) // the text is valid
	return rune(code)
}
