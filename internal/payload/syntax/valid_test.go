package syntax

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var texts = []string{
	``, ` `, `{}`, `[]`, ` { } `, `{"a":1}`, `{"a":1,}`, `{"a" : [ 1 , 2 ] } `, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{1:1}`, `[1,]`, `[,1]`, `[1 2]`, `[1`, `]`, `}`,
	`{"a":1]`, `[1}`, `{}{}`, `1 1`, `{"a":1}x`, "[1]\x00", "\x00", "\ufeff{}", "[1]\v", "[\u00a01]",
	`"a`, `"`, `""`, `"\"`, `"\\"`, `"\n\t\b\f\r\/\""`, `"\a"`, `"\u12"`, `"\u12`, `"\u12aF"`, `"\u12ag"`, `"\U0041"`, "\"\n\"", "\"\x1f\"", "\"\x7f\xff\"", "\"é\"", `'a'`, `"a\`,
	`0`, `-0`, `-`, `+1`, `01`, `1.`, `.5`, `1.5`, `1e5`, `1E+5`, `1e-05`, `1e`, `1e+`, `1.e5`, `0x1`, `1a`, `NaN`, `Infinity`, `-true`, `--1`, `1-`,
	`true`, `tru`, `truee`, `false`, `fals`, `null`, `nul`, `nulll`, `True`, `[true,false,null]`, `[truefalse]`, `{"a":null"b":1}`,
	`{"a":{"b":[{"c":"d"}]},"a":2}`, `/* */ 1`, `1 // x`,
	strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
	strings.Repeat(`{"a":`, maxDepth) + "1" + strings.Repeat("}", maxDepth), strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1),
}

func TestValid(t *testing.T) {
	for _, text := range texts {
		assert.Equal(t, json.Valid([]byte(text)), Valid([]byte(text)), "%.80q", text)
	}
}

// Whatever comes, it says what encoding/json says.
func FuzzValid(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		assert.Equal(t, json.Valid(text), Valid(text))
	})
}

func BenchmarkValid(b *testing.B) {
	body := []byte(`{"contents":[{"role":"user","parts":[{"text":"Translate to French: Good morning."}]}],"generationConfig":{"temperature":0.7,"maxOutputTokens":256}}`)
	for name, valid := range map[string]func([]byte) bool{"here": Valid, "encoding/json": json.Valid} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				valid(body)
			}
		})
		large := []byte(`["` + strings.Repeat("iVBORw0K", 1<<17) + `"]`)
		b.Run(name+" large", func(b *testing.B) {
			b.SetBytes(int64(len(large)))
			for b.Loop() {
				valid(large)
			}
		})
	}
}
