package app

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/storage"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		revoked []int // keys of the two
		down    bool
		env     []string
		want    []error
		says    []string
	}{
		{name: "all is well", env: []string{`FLUXGATE_CALLERS={"alice":{"rpm":5}}`, "FLUXGATE_TOKENS=alice:0123456789abcdef", "FLUXGATE_ADMIN_TOKENS=root:fedcba9876543210"}, says: []string{
			"upstream: https://generativelanguage.googleapis.com/", "callers: alice, root (administrator)", "rpm=5 (FLUXGATE_CALLERS)", "store: it answers",
			"key 1   project team-1             healthy", "keys: 2 healthy, 0 exhausted, 0 invalid", "chain: gemini-2.5-pro\n", "7 requests/minute (FLUXGATE_LIMITS)",
		}},
		{name: "a revoked key", revoked: []int{2}, want: []error{ErrSomeKeys}, says: []string{"healthy", "key 2   project team-2             invalid (API_KEY_INVALID)", "callers: whoever is on this machine"}},
		{name: "no key works", revoked: []int{1, 2}, want: []error{ErrNoneWork}, says: []string{"keys: 0 healthy, 0 exhausted, 2 invalid"}},
		{
			name: "no store: the keys are tried all the same", revoked: []int{2}, down: true, want: []error{ErrStore, storage.ErrUnavailable, ErrSomeKeys},
			says: []string{"store: WRONG: reach the store", "keys: 1 healthy, 0 exhausted, 1 invalid"},
		},
		{
			name: "keys that are one, or of one project",
			env:  []string{"GEMINI_KEY_3=" + simulatedKey(1), "GEMINI_PROJECT_3=team-1", "GEMINI_KEY_4=" + simulatedKey(2) + "0", "GEMINI_PROJECT_4=team-2"},
			want: []error{ErrSomeKeys},
			says: []string{"warning: key 3 is the same as key 1: dropped", "; it shares the limits of key 2, whose project is the same"},
		},
		{
			name: "limits of nobody",
			env:  []string{`FLUXGATE_LIMITS={"gemini-2.5-pro":{"rpm":7},"gemini-2.5-por":{"rpm":5},"image_output":{"rpm":1},"projects":{"taem-1":{"flash":{"rpm":5}}}}`},
			says: []string{"WARNING: FLUXGATE_LIMITS names gemini-2.5-por, which Gemini doesn't list. Did you mean gemini-2.5-pro?\n", "WARNING: FLUXGATE_LIMITS names the project taem-1, which is no key's. Did you mean team-1?\n"},
		},
		{name: "a warning", env: []string{"FLUXGATE_HOLDS=5s"}, says: []string{`warning: "FLUXGATE_HOLDS" is not a variable of Fluxgate: did you mean FLUXGATE_HOLD?`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, sim := withKeys(t, 2, append([]string{"FLUXGATE_CHAIN=gemini-2.5-pro", `FLUXGATE_LIMITS={"gemini-2.5-pro":{"rpm":7}}`}, c.env...)...)
				for _, n := range c.revoked {
					sim.SetKeyState(simulatedKey(n), credentials.Invalid)
				}
				var store storage.Store = storage.NewMemory(nil)
				_, err := store.UpdateControl(t.Context(), func(c *storage.Control) error { // as it was found earlier
					c.Windows = map[string]int64{"gemini-2.5-pro": 1_048_576, "gemini-2.5-flash": 1_048_576}
					return nil
				})
				require.NoError(t, err)
				if c.down {
					store = down{store}
				}
				var out bytes.Buffer
				check := func() error {
					out.Reset()
					return Check(t.Context(), cfg, Options{Logger: discard, Report: &out, Store: store, Transport: sim.Transport()})
				}
				err = check()
				if len(c.want) == 0 {
					assert.NoError(t, err)
				}
				for _, want := range c.want {
					assert.ErrorIs(t, err, want)
				}
				for _, text := range c.says {
					assert.Contains(t, out.String(), text)
				}
				assert.NotContains(t, out.String(), "simulated-key", "values of keys")
				assert.NotContains(t, out.String(), "0123456789abcdef", "a token")

				// What was found before doesn't count.
				for n := range 2 {
					sim.SetKeyState(simulatedKey(n+1), credentials.Healthy)
				}
				_ = check()
				assert.Contains(t, out.String(), "keys: 2 healthy")
			})
		})
	}
}

// Limits of models that embed, have sessions or make videos are nothing to warn of: what is known of
// Gemini's list are the models that generate text.
func TestLimitsOfOtherKinds(t *testing.T) {
	cfg := load(t, `FLUXGATE_LIMITS={"gemini-embedding-001":{"rpm":100},"gemini-live-2.5-flash":{"rpm":3},"veo-3.1-generate-preview":{"rpm":2},"openai/gpt-5.5":{"rpm":500}}`)
	assert.Empty(t, unknownLimits(cfg, []string{"gemini-2.5-pro", "gemini-2.5-flash"}, nil, nil))
	cfg = load(t, `FLUXGATE_LIMITS={"gemini-9-pro":{"rpm":5},"flahs":{"rpm":5}}`)
	assert.Equal(t, []string{
		"FLUXGATE_LIMITS names flahs, which Gemini doesn't list.", "FLUXGATE_LIMITS names gemini-9-pro, which Gemini doesn't list. Did you mean gemini-2.5-pro?",
	}, unknownLimits(cfg, []string{"gemini-2.5-pro", "gemini-2.5-flash"}, nil, nil))
}
