package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
)

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
		{"function call", `{"functionCall": {"name": "f"}}`, tokeniser.Count(`{"name":"f"}`)},
		{"function response", `{"function_response":{"name":"f","response":{}}}`, tokeniser.Count(`{"name":"f","response":{}}`)},
		{"a kind that isn't known", `{"executableCode":{}}`, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r GenerateRequest
			require.NoError(t, json.Unmarshal([]byte(`{"contents":[{"parts":[`+tc.part+`]}]}`), &r))
			require.Nil(t, r.Normalise())
			assert.Equal(t, tc.want, r.Tokens())
		})
	}

	var r GenerateRequest
	require.NoError(t, json.Unmarshal([]byte(`{
		"contents": [{"parts":[{"text":"word"}]}, {"role":"model","parts":[{"text":"word word"}]}],
		"system_instruction": {"parts":[{"text":"word word word"}]},
		"tools": [{"functionDeclarations": [{"name": "f"}]}]}`), &r))
	require.Nil(t, r.Normalise())
	assert.Equal(t, 1+2+3+tokeniser.Count(`{"functionDeclarations":[{"name":"f"}]}`), r.Tokens())
}
