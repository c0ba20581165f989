package tokeniser

import (
	"strings"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCount(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64
	}{
		{"", 0},
		{"a", 1},
		{"word", 1},
		{"words", 2},
		{"word word", 2},                      // a single space is free
		{"Hello, world!", 6},                  // He-llo , wor-ld !
		{"    indented", 3},                   // four spaces cost one
		{"naïve", 2},                          // 4 quarters + 2
		{"Привет", 3},                         // two letters to a token
		{"日本語", 3},                            // one each
		{"cafe\u0301", 2},                     // a combining mark belongs to its word
		{"\xff\xfe", 2},                       // not UTF-8: one per byte
		{"👍", 1},                              // a symbol
		{strings.Repeat("word ", 1000), 1000}, // what tests build prompts from
		{strings.Repeat("x", 4), 1},           // four letters to a token
	} {
		assert.Equal(t, tc.want, Count(tc.text), "%q", tc.text)
	}
}

// The product skips countTokens where one token per byte is known to fit.
func TestNeverMoreTokensThanBytes(t *testing.T) {
	atMost := func(text string) bool { return Count(text) <= int64(len(text)) }
	require.NoError(t, quick.Check(atMost, nil))
	raw := func(b []byte) bool { return atMost(string(b)) }
	require.NoError(t, quick.Check(raw, nil))
}

func TestCut(t *testing.T) {
	prefix, tokens, cut := Cut("one two three four", 2)
	assert.Equal(t, "one two ", prefix)
	assert.EqualValues(t, 2, tokens)
	assert.True(t, cut)

	whole, tokens, cut := Cut("one two", 2)
	assert.Equal(t, "one two", whole)
	assert.EqualValues(t, 2, tokens)
	assert.False(t, cut)

	// A prefix's count is what Count says of it, and no rune is split.
	err := quick.Check(func(text string, limit uint8) bool {
		prefix, tokens, _ := Cut(text, int64(limit))
		return tokens == Count(prefix) && tokens <= int64(limit) && strings.HasPrefix(text, prefix)
	}, nil)
	require.NoError(t, err)
}
