package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the walker sees of a valid text is what json.Decoder shows: that is all
// that its own way of reading may not change.
func FuzzJSONTokens(f *testing.F) {
	for _, text := range []string{
		`{"contents":[{"role":"user","parts":[{"text":"Hello"}]}],"n":-1.5e+3}`, `[]`, `{}`, `""`, "null", "true", " false ", "-0",
		`{"a":{"b":[1,2,{"c":null}]},"d":[[],{}],"e":""}`, `[1 , 2]` + "\n", "\t[\r\n]\t", `"\"\\\/\b\f\n\r\té😀\ud800"`,
		"\"\xff\xc3\"", `"é,:{}[]"`, `{"a,":"b:"}`, `{"a":1,"a":2}`, `[1,]`, `{"a"}`, `[1 2]`, `{"a" "b"}`, `1 2`, `{`, `"`, ``, `nul`,
		`123456789012345678901234567890`, `"\u0041\u00e9\u0000\n\"\\\/\b\f\r\t\q"`, `"\n\u00ff\u2028\\u0041"`, `{"\u0061":"\ud83d\ude00\t"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, err := newLexer(text)
		if !json.Valid(text) {
			assert.Error(t, err)
			return
		}
		require.NoError(t, err)
		theirs := json.NewDecoder(bytes.NewReader(text))
		theirs.UseNumber()
		for {
			want, wantErr := theirs.Token()
			got, gotErr := ours.Token()
			require.Equal(t, want, got)
			require.Equal(t, wantErr, gotErr)
			if errors.Is(wantErr, io.EOF) {
				return
			}
			require.Equal(t, theirs.More(), ours.More())
		}
	})
}
