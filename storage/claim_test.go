package storage_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// The holder of a booking that comes in its time, and is told that the store gave no answer
// or doesn't wait for one, has its booking when it comes again within the hold, whatever
// became of the commit; nobody else gets it meanwhile, and nothing counts twice.
func TestHolderComesAgain(t *testing.T) {
	silent := func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
	lost := func(context.Context, int) error { return errors.New("lost") }
	slow := func(context.Context, int) error { time.Sleep(1800 * time.Millisecond); return nil }
	claims := 0
	for name, c := range map[string]struct {
		onPut, afterPut, onGet func(context.Context, int) error
		waits                  time.Duration // the caller, at most
		punctual               bool
	}{
		"the reply is lost":       {afterPut: lost, onGet: silent, waits: time.Minute},
		"the claim never arrives": {onPut: silent, onGet: silent, waits: time.Minute},
		"its caller leaves":       {onPut: slow, waits: 500 * time.Millisecond},
		"the claim is late and can't be lengthened": {afterPut: func(ctx context.Context, n int) error {
			if claims++; claims == 1 {
				time.Sleep(time.Second)
				return nil
			}
			return lost(ctx, n)
		}, onGet: silent, waits: time.Minute, punctual: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one, unlimited := int64(1), scheduler.Unlimited
				rules := defaultRules()
				rules.Policy = scheduler.NewPolicy([]string{"m"}, map[string]scheduler.Override{"m": {RPM: &one, TPM: &unlimited, RPD: &unlimited}})
				var troubled atomic.Bool
				inTrouble := func(f func(context.Context, int) error) func(context.Context, int) error {
					return func(ctx context.Context, n int) error {
						if f == nil || !troubled.Load() {
							return nil
						}
						return f(ctx, n)
					}
				}
				line := &storage.Line{DB: storage.NewFake(0), OnPut: inTrouble(c.onPut), AfterPut: inTrouble(c.afterPut), OnGet: inTrouble(c.onGet)}
				g, err := admission.New(t.Context(), admission.Options{
					Store: line.Open(t, storage.Options{Pace: -1, GiveUp: 2 * time.Second}), Rules: func(storage.Control) *scheduler.Rules { return rules },
				})
				require.NoError(t, err)
				ask := func(hash uint64, waits time.Duration) (*admission.Grant, *admission.Wait, error) {
					ctx, cancel := context.WithTimeout(t.Context(), waits)
					defer cancel()
					return g.Admit(ctx, admission.Request{
						Caller: "alice", Hash: hash, Models: []string{"m"}, Demand: scheduler.Demand{Tokens: 1}, Punctual: c.punctual,
						Projects: []admission.Project{{ID: "p", Keys: []string{"key"}}}, Book: hash == 2,
					})
				}
				grant, _, err := ask(1, time.Minute)
				require.NoError(t, err)
				require.NotNil(t, grant)
				_, wait, err := ask(2, time.Minute)
				require.NoError(t, err)
				require.True(t, wait.Booked)
				time.Sleep(g.Left(wait))

				troubled.Store(true)
				grant, wait, err = ask(2, c.waits)
				require.Error(t, err)
				require.Nil(t, grant)
				require.Nil(t, wait)
				time.Sleep(time.Second)
				troubled.Store(false)
				grant, _, err = ask(3, time.Minute)
				require.NoError(t, err)
				assert.Nil(t, grant, "it isn't somebody else's")
				grant, _, err = ask(2, time.Minute)
				require.NoError(t, err)
				require.NotNil(t, grant)
				assert.True(t, grant.Booked)

				states, err := (&storage.Line{DB: line.DB}).Open(t, storage.Options{}).View(t.Context(), []string{"p"})
				require.NoError(t, err)
				requests, _ := states[0].Calendar("m").InWindow(rules, g.Now())
				assert.EqualValues(t, 1, requests)
				assert.Empty(t, states[0].Calendar("m").Bookings)
				require.Len(t, states[0].Totals.Callers, 1)
				assert.EqualValues(t, 2, states[0].Totals.Callers[0].Requests, "with the first")
			})
		})
	}
}
