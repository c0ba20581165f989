package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
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
			want, err := theirs.Token()
			got := ours.next()
			if errors.Is(err, io.EOF) {
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, decoded(t, got))
			require.Equal(t, theirs.More(), ours.more())
		}
	})
}

// decoded is the token that json.Decoder shows for one of ours.
func decoded(t *testing.T, x token) json.Token {
	switch x.kind {
	case '"':
		require.EqualValues(t, len(x.meaning()), x.size())
		return string(x.meaning())
	case 't', 'f':
		return x.kind == 't'
	case 'n':
		return nil
	case '0':
		return json.Number(x.text)
	}
	return json.Delim(x.kind)
}

// Reading a body copies none of it, however many strings it has.
func TestReadingCopiesNothing(t *testing.T) {
	body := []byte(`{"contents":[` + strings.Repeat(`{"role":"user","parts":[{"text":"Grüße,\n\u00e9"},{"functionCall":{"args":{"a":"b"}}}]},`, 500) + `{}]}`)
	allocs := testing.AllocsPerRun(10, func() {
		_, err := ReadReferences(body)
		require.NoError(t, err)
	})
	assert.Less(t, allocs, 10.0, "of 4,000 strings")
}
