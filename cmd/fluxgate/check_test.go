package main

import (
	"bytes"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
)

// What each end of fluxgate check prints, and its exit code.
func TestCheckCommand(t *testing.T) {
	sim := httptest.NewServer(geminisim.New(geminisim.Config{Keys: []geminisim.Key{
		{Value: "good-key", Project: "team-a"}, {Value: "revoked-key", Project: "team-b", State: credentials.Invalid},
	}}))
	defer sim.Close()
	base := []string{"FLUXGATE_STORE=memory", "GOOGLE_GEMINI_BASE_URL=" + sim.URL}
	for _, c := range []struct {
		name string
		env  []string
		code int
		says []string
	}{
		{"one good key", []string{"GEMINI_KEY_1=good-key"}, 0, []string{"FLUXGATE_STORE                memory (environment)", "GEMINI_KEY_1                  (set) (.env)", "(default)", "upstream: " + sim.URL, "1 healthy"}},
		{"one of them revoked", []string{"GEMINI_KEY_1=good-key", "GEMINI_KEY_2=revoked-key"}, exitPartial, []string{"invalid (API_KEY_INVALID)", "1 healthy"}},
		{"the only one revoked", []string{"GEMINI_KEY_1=revoked-key"}, exitFailed, []string{"0 healthy"}},
		{"a wrong setting", []string{"GEMINI_KEY_1=good-key", "FLUXGATE_HOLD=2h"}, exitUsage, []string{"FLUXGATE_HOLD                 (not shown while a setting is wrong) (.env)"}},
		{"no key", nil, exitUsage, []string{"store: it answers"}},
		{"a store that can't be had", []string{"GEMINI_KEY_1=good-key", "FLUXGATE_STORE=firestore", "K_SERVICE=", "FIRESTORE_EMULATOR_HOST=127.0.0.1:1"}, exitUnreachable, []string{"store: WRONG", "1 healthy"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.code == exitUnreachable {
				if testing.Short() {
					t.Skip("Firestore's client takes its seconds to give up; TestCheck of internal/app has the rest")
				}
				t.Setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1") // Google's client reads that alone
			}
			var out, stderr bytes.Buffer
			err := check(t.Context(), &out, base, append(base[:len(base):len(base)], c.env...))
			assert.Equal(t, c.code, end(err, &stderr), stderr.String())
			for _, text := range c.says {
				assert.Contains(t, out.String(), text)
			}
			assert.NotContains(t, out.String()+stderr.String(), "-key\n", "the value of a key")
			assert.NotContains(t, out.String()+stderr.String(), "good-key")
			assert.NotContains(t, out.String()+stderr.String(), "revoked-key")
		})
	}
}
