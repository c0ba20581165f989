package payload

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A value is found to end where json.Decoder finds its end. Only what the end of
// the text may have cut, such as a number that stands last, is left alone.
func FuzzFirstValue(f *testing.F) {
	for _, text := range []string{
		`{"promptTokenCount":14}`, ` {"a":{"b":[1,{"c":"}"}]}},"next":1`, `"gemini-2.5-pro","x":"y"`, `"a\"b\\" `, `"a\\"b"`, `null,`, `12}`, `12]`,
		`12 `, `12`, `tru`, `{"a":"\u007d"`, `[`, `}`, `]`, ``, `"`, `"\`, `{"a":[}`, "-1.5e3\r\n", `"x"y`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := firstValue(text)
		var want json.RawMessage
		dec := json.NewDecoder(bytes.NewReader(text))
		switch err := dec.Decode(&want); {
		case err != nil:
			// Then it is for the decoder to refuse it, unless what is wrong comes after.
			assert.True(t, len(got) == 0 || !json.Valid(got) || len(got) < len(text), "%q", got)
		case !json.Valid(got) && len(got) > 0: // two that touch, such as 00: refused by the decoder
		case len(got) > 0:
			assert.Equal(t, string(want), string(got))
		default:
			// Cut off, or followed by what can't follow a value.
			rest := text[dec.InputOffset():]
			assert.False(t, len(rest) > 0 && bytes.ContainsAny(rest[:1], ",]} \t\r\n"), "%q isn't cut", want)
		}
	})
}

// Numbers are read as encoding/json reads them, but for names in other letters.
func FuzzNumbers(f *testing.F) {
	for _, text := range []string{
		`{"a":14,"b":2}`, `{"b":{"a":1},"a":3}`, `{"a":null}`, `{"a":1,"a":null}`, `{"a":1.5}`, `{"a":1e2}`, `{"a":"1"}`, `{"a":[{}],"b":1}`, `{"a":99999999999999999999}`,
		`{}`, `[]`, `{"x":[1,{"a":2}]}`, `{"a":-3}`, `null`, `"a"`, `{"a":true}`, `{"a":1,"a":2}`, `{"\u0061":7}`, ` {"a":1} x`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want struct {
			A int64 `json:"a"`
			B int64 `json:"b"`
		}
		err := json.Unmarshal(text, &want)
		var object map[string]json.RawMessage
		isObject := json.Unmarshal(text, &object) == nil && object != nil
		for name := range object {
			if strings.EqualFold(name, "a") && name != "a" || strings.EqualFold(name, "b") && name != "b" {
				return
			}
		}
		all := []count{{name: "a"}, {name: "b"}}
		assert.Equal(t, isObject && err == nil, readCounts(text, all))
		if isObject && err == nil {
			assert.Equal(t, want.A, all[0].n)
			assert.Equal(t, want.B, all[1].n)
		}
	})
}
