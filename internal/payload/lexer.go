package payload

import (
	"bytes"
	"errors"
	"iter"
	"unicode"
	"unicode/utf8"

	"fluxgate.dev/fluxgate/internal/payload/escape"
	"fluxgate.dev/fluxgate/internal/payload/syntax"
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
	if !syntax.Valid(text) {
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

// value passes over the next value and returns it as it stands in the text. What is in it is
// nobody's concern: bodies may have millions of parts, and each is passed over a few times.
func (t *lexer) value() []byte {
	t.skip()
	begin := t.at
	for depth := 0; t.at < len(t.text); {
		switch t.text[t.at] {
		case '"':
			t.at = escape.StringEnd(t.text, t.at)
		case '{', '[':
			depth++
			t.at++
		case '}', ']':
			depth--
			t.at++
		default:
			if depth > 0 {
				t.at++
				continue
			}
			t.next()
		}
		if depth == 0 {
			break
		}
	}
	return t.text[begin:t.at]
}

// leaves passes over the end of the object or list that is being walked, if nothing comes
// before it.
func (t *lexer) leaves() bool {
	if t.more() {
		return false
	}
	t.next()
	return true
}

// MembersOf yields the members of an object in valid JSON, each with its value as it stands in
// the text. Anything else has none.
func MembersOf(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		t := lexer{text: object}
		if t.next().kind != '{' {
			return
		}
		for t.more() {
			name := t.next().name()
			if !yield(name, t.value()) {
				return
			}
		}
	}
}

// ElementsOf yields the elements of a list in valid JSON as they stand in the text.
// Anything else has none.
func ElementsOf(list []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		t := lexer{text: list}
		if t.next().kind != '[' {
			return
		}
		for t.more() {
			if !yield(t.value()) {
				return
			}
		}
	}
}

// EachMember calls f for every member of a JSON object, which is valid, with where in the
// text its value is.
func EachMember(text []byte, f func(name []byte, from, to int) error) error {
	t := lexer{text: text}
	if t.next().kind != '{' {
		return errNotJSON
	}
	for t.more() {
		name := t.next().name()
		value := t.value()
		if err := f(name, t.at-len(value), t.at); err != nil {
			return err
		}
	}
	return nil
}

func (t *lexer) quoted() token {
	begin := t.at + 1
	t.at = escape.StringEnd(t.text, t.at)
	inside := t.text[begin : t.at-1]
	return token{kind: '"', text: inside, escaped: bytes.IndexByte(inside, '\\') >= 0 || !utf8.Valid(inside)}
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

// maxName bounds the names and short values that are known here, in bytes as they stand in
// a text: no longer string is one of them.
const maxName = 6 * 256

// name is meaning for what names something. Of a text that is too long for a name of ours it
// is what [Spells] may find in it, without most of its underscores.
func (x token) name() []byte {
	if len(x.text) <= maxName || !x.escaped {
		return x.meaning()
	}
	var out []byte
	for rest := x.text; len(rest) > 0; {
		var r rune
		r, rest = nextRune(rest)
		switch {
		case r == '_' && bytes.HasSuffix(out, []byte("__")):
		case len(out) > maxName:
			return x.text
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// Spells reports whether a member's name is that word, which is in small letters, as protobuf's
// parsers have taken names: whatever its case, and with underscores or without. What is looked
// for in a body is looked for by this wherever upstream might read more than is found.
func Spells(name []byte, word string) bool {
	rest, ok := cutWord(name, word)
	return ok && len(bytes.TrimLeft(rest, "_")) == 0
}

// spellsPart is Spells for a word that is a part of the name.
func spellsPart(name []byte, word string) bool {
	for at, c := range name {
		if c|0x20 != word[0] && c < utf8.RuneSelf {
			continue // so it mostly is
		}
		if _, ok := cutWord(name[at:], word); ok {
			return true
		}
	}
	return false
}

// cutWord returns what follows a word at the beginning of a name.
func cutWord(name []byte, word string) (rest []byte, ok bool) {
	for word != "" {
		r, size := utf8.DecodeRune(name)
		name = name[size:]
		switch {
		case r == '_':
		case unicode.ToLower(unicode.ToUpper(r)) == rune(word[0]): // there are letters with two small ones
			word = word[1:]
		default:
			return nil, false
		}
	}
	return name, true
}

// start returns what the token means, as far as its first bytes go.
func (x token) start() []byte {
	text := x.text[:min(len(x.text), maxName)]
	if !x.escaped {
		return text
	}
	out, _ := escape.Escapes{Controls: true}.Resolve(nil, text, len(text) == len(x.text))
	return out
}

// nameless reports whether a string is too short to name a resource: none of their kinds has
// fewer letters, and an ID follows.
func (x token) nameless() bool { return len(x.text) < len("files/x") }

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
		return escape.Unicode(rest)
	}
	return rune(c), rest
}

// FirstValue returns the JSON value that text begins with, or nothing if it
// isn't whole. It only looks for the end: whether that is JSON is for the
// decoder. (json.Decoder does both, at several times the cost.)
func FirstValue(text []byte) []byte {
	text = bytes.TrimLeft(text, " \t\r\n")
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted:
			switch c {
			case '\\':
				i++
				continue
			case '"':
				quoted = false
			default:
				continue
			}
		case c == '"':
			quoted = true
			continue
		case c == '{', c == '[':
			depth++
			continue
		case c == '}', c == ']':
			if depth--; depth < 0 {
				return text[:i] // of a number or a literal that stood last
			}
		case depth > 0:
			continue
		case c == ',', c == ' ', c == '\t', c == '\r', c == '\n':
			return text[:i]
		default:
			continue
		}
		if depth == 0 {
			return text[:i+1]
		}
	}
	return nil
}
