package geminisim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCountTokens(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64
	}{
		{"", 0},
		{"a", 1},
		{"word", 1},
		{"words", 2},
		{"word word", 2},            // a single space is free
		{"Hello, world!", 6},        // He-llo , wor-ld !
		{"    indented", 3},         // four spaces cost one
		{"naïve", 2},                // 4 quarters + 2
		{"Привет", 3},               // two letters to a token
		{"日本語", 3},                  // one each
		{"cafe\u0301", 2},           // a combining mark belongs to its word
		{"\xff\xfe", 2},             // not UTF-8: one per byte
		{"👍", 1},                    // a symbol
		{words(1000), 1000},         // what tests build prompts from
		{strings.Repeat("x", 4), 1}, // four letters to a token
	} {
		assert.Equal(t, tc.want, CountTokens(tc.text), "%q", tc.text)
	}
}

// The product skips countTokens where one token per byte is known to fit.
func TestNeverMoreTokensThanBytes(t *testing.T) {
	atMost := func(text string) bool { return CountTokens(text) <= int64(len(text)) }
	require.NoError(t, quick.Check(atMost, nil))
	raw := func(b []byte) bool { return atMost(string(b)) }
	require.NoError(t, quick.Check(raw, nil))
}

func TestCutTokens(t *testing.T) {
	prefix, tokens, cut := cutTokens("one two three four", 2)
	assert.Equal(t, "one two ", prefix)
	assert.EqualValues(t, 2, tokens)
	assert.True(t, cut)

	whole, tokens, cut := cutTokens("one two", 2)
	assert.Equal(t, "one two", whole)
	assert.EqualValues(t, 2, tokens)
	assert.False(t, cut)

	// A prefix's count is what CountTokens says of it, and no rune is split.
	err := quick.Check(func(text string, limit uint8) bool {
		prefix, tokens, _ := cutTokens(text, int64(limit))
		return tokens == CountTokens(prefix) && tokens <= int64(limit) && strings.HasPrefix(text, prefix)
	}, nil)
	require.NoError(t, err)
}

func TestTranslateIsReversible(t *testing.T) {
	assert.Equal(t, "Hillu, wurld!", Translate("Hello, world!"))
	require.NoError(t, quick.Check(func(text string) bool {
		there := Translate(text)
		return untranslate(there) == text && CountTokens(there) == CountTokens(text)
	}, nil))
}

// Every kind of part has its price, and all of a request counts.
func TestRequestTokens(t *testing.T) {
	data := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	inline := func(mime string, n int) string {
		return fmt.Sprintf(`{"inlineData":{"mimeType":%q,"data":%q}}`, mime, data(n))
	}
	for _, tc := range []struct {
		name, part string
		want       int64
	}{
		{"text", `{"text":"word word"}`, 2},
		{"empty text", `{"text":""}`, 1},
		{"image, whatever its size", inline("image/png", 100_000), 258},
		{"document of one page", inline("application/pdf", 1), 258},
		{"document of two pages", inline("application/pdf", 32<<10+1), 516},
		{"audio", inline("audio/mp3", 16_001), 64},
		{"video", inline("video/mp4", 128<<10), 263},
		{"inline text", `{"inlineData":{"mimeType":"text/plain","data":"` + base64.StdEncoding.EncodeToString([]byte("word word word")) + `"}}`, 3},
		{"empty inline data", inline("text/plain", 0), 1},
		{"snake case, URL alphabet, no padding", `{"inline_data":{"mime_type":"text/plain","data":"` + base64.RawURLEncoding.EncodeToString([]byte("日本語?>")) + `"}}`, 5},
		{"file", `{"fileData":{"fileUri":"https://example.com/f"}}`, 258},
		{"function call", `{"functionCall": {"name": "f"}}`, CountTokens(`{"name":"f"}`)},
		{"function response", `{"function_response":{"name":"f","response":{}}}`, CountTokens(`{"name":"f","response":{}}`)},
		{"a kind that isn't known", `{"executableCode":{}}`, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r generateRequest
			require.NoError(t, json.Unmarshal([]byte(`{"contents":[{"parts":[`+tc.part+`]}]}`), &r))
			require.Nil(t, r.normalise())
			assert.Equal(t, tc.want, r.tokens())
		})
	}

	var r generateRequest
	require.NoError(t, json.Unmarshal([]byte(`{
		"contents": [{"parts":[{"text":"word"}]}, {"role":"model","parts":[{"text":"word word"}]}],
		"system_instruction": {"parts":[{"text":"word word word"}]},
		"tools": [{"functionDeclarations": [{"name": "f"}]}]}`), &r))
	require.Nil(t, r.normalise())
	assert.Equal(t, 1+2+3+CountTokens(`{"functionDeclarations":[{"name":"f"}]}`), r.tokens())
}
