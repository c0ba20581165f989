package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const canary = "hunter2-canary"

// printed returns v in every way in which it may end up in a log.
func printed(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	out["error"] = fmt.Errorf("wrapped %v", v).Error()
	if text, err := json.Marshal(v); assert.NoError(t, err) {
		out["json"] = string(text)
	}
	if text, err := xml.Marshal(v); err == nil { // not every type has an XML form
		out["xml"] = string(text)
	}
	var text, js bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v, "in", []any{v})
	slog.New(slog.NewJSONHandler(&js, nil)).Info("m", "v", v, "in", []any{v})
	out["slog text"], out["slog json"] = text.String(), js.String()
	return out
}

func TestSecretNeverPrints(t *testing.T) {
	s := NewSecret(canary)
	type hidden struct{ inner Secret }
	type deep struct{ h hidden }
	for name, v := range map[string]any{
		"itself": s, "pointer": &s, "slice": []Secret{s}, "map value": map[string]Secret{"k": s}, "map key": map[Secret]int{s: 1},
		// fmt doesn't call methods of unexported fields: a string type prints here.
		"unexported": hidden{s}, "pointer to unexported": &hidden{s}, "deep": &deep{hidden{s}},
	} {
		for how, text := range printed(t, v) {
			assert.NotContains(t, text, "hunter2", "%s with %s", name, how)
			assert.NotContains(t, text, "68756e746572", "%s with %s, in hexadecimal", name, how)
			assert.NotContains(t, text, "68756E746572", "%s with %s, in hexadecimal", name, how)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		assert.Equal(t, "[redacted]", fmt.Sprintf(verb, s))
	}
	assert.Equal(t, "[redacted]", s.String())
	assert.Equal(t, "[redacted]", s.GoString())
}

func TestSecret(t *testing.T) {
	assert.Equal(t, canary, NewSecret(canary).Reveal())
	assert.Equal(t, NewSecret("a"), NewSecret("a"))
	again := NewSecret(string([]byte(canary)))
	assert.True(t, NewSecret(canary) == again, "equal by text, so it can be a map key")
	assert.False(t, NewSecret("a") == NewSecret("b"))
	var zero Secret
	assert.True(t, zero.Empty())
	assert.Empty(t, zero.Reveal())
	assert.True(t, zero == NewSecret(""))
	assert.False(t, NewSecret("a").Empty())
}

func TestConfigNeverPrintsKeys(t *testing.T) {
	c, err := load(t, "GEMINI_KEY_1="+canary, "GEMINI_PROJECT_1=team", "FLUXGATE_SKEW=1234ms",
		"FLUXGATE_TOKENS=alice:"+canary+"-token", "FLUXGATE_ADMIN_TOKENS=root:"+canary+"-admin")
	require.NoError(t, err)
	type wrapper struct{ c *Config }
	for name, v := range map[string]any{"value": *c, "pointer": c, "unexported": wrapper{c}, "unexported value": struct{ c Config }{*c}, "keys": c.Keys, "tokens": c.Tokens} {
		for how, text := range printed(t, v) {
			assert.NotContains(t, text, "hunter2", "%s with %s", name, how)
		}
	}
	// The check above would pass on empty output.
	assert.Contains(t, fmt.Sprintf("%+v", c), "team")
	logged := printed(t, c)["slog json"]
	assert.Contains(t, logged, `"skew":1234000000`)
	assert.Contains(t, logged, `"keys":1`)
	assert.Contains(t, logged, `"tokens":1`)
	assert.Contains(t, logged, `"admin_tokens":1`)
}
