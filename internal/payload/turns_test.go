package payload

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestReadTurns: each turn of a conversation has the leading contents of the first, and
// the signatures that the answers so far brought.
func TestReadTurns(t *testing.T) {
	const one = `{"role":"user","parts":[{"text":"a [\"contents\"] in it, }"}]}`
	signed := func(s string) string { return `{"role":"model","parts":[{"text":"b","thoughtSignature":"` + s + `"}]}` }
	for name, c := range map[string]struct {
		body       string
		first      string
		more       bool
		signatures []string
	}{
		"first turn":          {`{"contents":[` + one + `]}`, one, false, nil},
		"second":              {`{"contents" : [` + one + ` ,` + signed("x") + `,` + one + `]}`, one, true, []string{`"x"`}},
		"latest first":        {`{"contents":[` + one + `,` + signed("x") + `,` + signed("y") + `]}`, one, true, []string{`"y"`, `"x"`}},
		"snake case":          {`{"contents":[` + one + `,{"parts":[{"thought_signature": "z"}]}]}`, one, true, []string{`"z"`}},
		"no more than four":   {`{"contents":[` + one + strings.Repeat(","+signed("x"), 9) + `]}`, one, true, []string{`"x"`, `"x"`, `"x"`, `"x"`}},
		"OpenAI":              {`{"model":"m","messages":[{"role":"system"},{"role":"user"}]}`, `{"role":"system"},{"role":"user"}`, false, nil},
		"OpenAI, second":      {`{"model":"m","messages":[{"role":"system"},{"role":"user"},{"role":"assistant"}]}`, `{"role":"system"},{"role":"user"}`, true, nil},
		"OpenAI, one message": {`{"messages":[{"role":"user"}]}`, `{"role":"user"}`, false, nil},
		"one object":          {`{"contents":{"parts":[{"text":"a"}]}}`, "", false, nil},
		"lenient":             {"{\"contents\":[{\"text\":\"line\nbreak\"},]}", "{\"text\":\"line\nbreak\"}", true, nil},
		"a name as a value":   {`{"contents":["contents"],"x":"thoughtSignature"}`, `"contents"`, false, nil},
		"cut off":             {`{"contents":[{"parts":[{"thoughtSignature":"x`, "", false, nil},
		"empty":               {``, "", false, nil},
		"too far":             {`{"contents":["` + strings.Repeat("x", maxFirst) + `",2]}`, "", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := ReadTurns([]byte(c.body))
			assert.Equal(t, c.first, string(got.First))
			assert.Equal(t, c.more, got.More)
			var signatures []string
			for _, s := range got.Signatures {
				signatures = append(signatures, string(s))
			}
			assert.Equal(t, c.signatures, signatures)
		})
	}
}

func FuzzReadTurns(f *testing.F) {
	f.Add(`{"contents":[{"parts":[{"thoughtSignature":"x"}]},2]}`)
	f.Fuzz(func(t *testing.T, body string) {
		got := ReadTurns([]byte(body))
		assert.LessOrEqual(t, len(got.Signatures), maxSignatures)
		assert.Contains(t, body, string(got.First))
	})
}
