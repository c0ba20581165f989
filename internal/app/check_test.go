package app

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

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
		{name: "a warning", env: []string{"FLUXGATE_HODL=5s"}, says: []string{`warning: "FLUXGATE_HODL" is not a variable of Fluxgate`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, sim := withKeys(t, 2, append(c.env, "FLUXGATE_CHAIN=gemini-2.5-pro", `FLUXGATE_LIMITS={"gemini-2.5-pro":{"rpm":7}}`)...)
				for _, n := range c.revoked {
					sim.SetKeyState(simulatedKey(n), credentials.Invalid)
				}
				var store storage.Store = storage.NewMemory(nil)
				if c.down {
					store = down{store}
				}
				var out bytes.Buffer
				check := func() error {
					out.Reset()
					return Check(t.Context(), cfg, Options{Logger: discard, Report: &out, Store: store, Transport: sim.Transport()})
				}
				err := check()
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
