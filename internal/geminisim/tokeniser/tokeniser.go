package tokeniser

import (
	"bytes"
	"encoding/json"
	"math"
	"unicode"
	"unicode/utf8"
)

// Count returns the tokens of a text. It is zero only for an empty text or a little white space.
func Count(text string) int64 {
	t := Walker{Text: text}
	t.Advance(math.MaxInt64)
	return t.Tokens
}

// A Walker walks over a text and counts. Its count never decreases, so it can
// stop at a number of tokens and go on later.
type Walker struct {
	Text   string
	Pos    int       // in Text, in bytes
	Tokens int64     // of what is before it
	class  runeClass // of the run that Pos is in
	run    int64     // its length so far, in quarter tokens
}

type runeClass byte

const (
	symbol runeClass = iota // costs a token by itself
	word
	space
)

var asciiClass = func() (table [utf8.RuneSelf]runeClass) {
	for c := range table {
		switch r := rune(c); {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			table[c] = word
		case unicode.IsSpace(r):
			table[c] = space
		}
	}
	return table
}()

// Advance moves on until the text ends or one more rune would make the count
// exceed limit, and tells whether the text ended.
func (t *Walker) Advance(limit int64) bool {
	for t.Pos < len(t.Text) {
		class, quarters, size := word, int64(1), 1
		if c := t.Text[t.Pos]; c < utf8.RuneSelf {
			class = asciiClass[c] // nearly all of most texts
		} else {
			class, quarters, size = classify(t.Text[t.Pos:])
		}
		if class != t.class {
			t.class, t.run = class, 0
		}
		run, cost := t.run+quarters, int64(1)
		switch class {
		case word: // rounded up; shifts because this is the hottest line of all
			cost = (run+3)>>2 - (t.run+3)>>2
		case space: // rounded down
			cost = run>>2 - t.run>>2
		}
		if t.Tokens+cost > limit {
			return false
		}
		t.Tokens += cost
		t.Pos += size
		t.run = run
	}
	return true
}

// classify returns the class of the first rune, which isn't ASCII, its weight
// in a run, in quarter tokens, and its size in bytes.
func classify(text string) (class runeClass, quarters int64, size int) {
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
		return symbol, 4, size
	case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
		return word, 2, size
	case unicode.IsSpace(r):
		return space, 1, size
	default:
		return symbol, 4, size
	}
}

// Cut returns the longest prefix of at most limit tokens.
func Cut(text string, limit int64) (prefix string, tokens int64, cut bool) {
	t := Walker{Text: text}
	whole := t.Advance(limit)
	return text[:t.Pos], t.Tokens, !whole
}

// JSON counts a JSON value regardless of its layout.
func JSON(raw json.RawMessage) int64 {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) == nil {
		raw = compact.Bytes()
	}
	return max(1, Count(string(raw)))
}
