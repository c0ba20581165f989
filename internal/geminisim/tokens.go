package geminisim

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Costs of parts that aren't text, in tokens. 258 is what the real service
// charges for a small image or a page of a PDF, 32 and 263 what it charges for
// a second of audio and video; the sizes that stand in for a page or a second
// are this simulator's own.
const (
	imageTokens = 258
	pageTokens  = 258
	audioTokens = 32
	videoTokens = 263

	pageBytes  = 32 << 10
	audioBytes = 16_000
	videoBytes = 128 << 10
)

// CountTokens returns the tokens of a text by the rule in the package
// documentation. It is zero only for an empty text or a little white space.
func CountTokens(text string) int64 {
	t := tokeniser{text: text}
	t.advance(math.MaxInt64)
	return t.tokens
}

// tokeniser walks over a text and counts. Its count never decreases, so it can
// stop at a number of tokens and go on later.
type tokeniser struct {
	text   string
	pos    int
	tokens int64
	class  runeClass // of the run that pos is in
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

// advance moves on until the text ends or one more rune would make the count
// exceed limit, and tells whether the text ended.
func (t *tokeniser) advance(limit int64) bool {
	for t.pos < len(t.text) {
		class, quarters, size := word, int64(1), 1
		if c := t.text[t.pos]; c < utf8.RuneSelf {
			class = asciiClass[c] // nearly all of most texts
		} else {
			class, quarters, size = classify(t.text[t.pos:])
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
		if t.tokens+cost > limit {
			return false
		}
		t.tokens += cost
		t.pos += size
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

// cutTokens returns the longest prefix of at most limit tokens.
func cutTokens(text string, limit int64) (prefix string, tokens int64, cut bool) {
	t := tokeniser{text: text}
	whole := t.advance(limit)
	return text[:t.pos], t.tokens, !whole
}

// jsonTokens counts a JSON value regardless of its layout.
func jsonTokens(raw json.RawMessage) int64 {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) == nil {
		raw = compact.Bytes()
	}
	return max(1, CountTokens(string(raw)))
}

// tokens returns what the part costs; at least 1.
func (p *part) tokens() int64 {
	switch {
	case p.Text != nil:
		return max(1, CountTokens(*p.Text))
	case p.InlineData != nil:
		return max(1, p.InlineData.tokens())
	case p.FileData != nil:
		return max(pageTokens, p.fileTokens)
	case p.FunctionCall != nil:
		return jsonTokens(p.FunctionCall)
	case p.FunctionResponse != nil:
		return jsonTokens(p.FunctionResponse)
	default:
		return 1
	}
}

func (b *blob) tokens() int64 {
	size := int64(len(b.bytes))
	kind, _, _ := strings.Cut(strings.ToLower(b.MIMEType), "/")
	switch kind {
	case "image":
		return imageTokens
	case "text":
		return CountTokens(string(b.bytes))
	case "audio":
		return audioTokens * ceilDiv(size, audioBytes)
	case "video":
		return videoTokens * ceilDiv(size, videoBytes)
	default:
		return pageTokens * ceilDiv(size, pageBytes)
	}
}

// tokens returns the input tokens of the request.
func (r *generateRequest) tokens() int64 {
	var n int64
	for i := range r.Contents {
		n += r.Contents[i].tokens()
	}
	if r.SystemInstruction != nil {
		n += r.SystemInstruction.tokens()
	}
	for _, t := range r.Tools {
		n += jsonTokens(t)
	}
	return n
}

func (c *content) tokens() int64 {
	var n int64
	for i := range c.Parts {
		n += c.Parts[i].tokens()
	}
	return n
}
