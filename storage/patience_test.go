package storage_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// However slow the store is and whatever is lost, replanned and read again,
// nobody is kept waiting for longer than GiveUp: a caller is granted a slot, told a
// wait, or told that the store can't be reached. What became of nothing holds no
// room afterwards.
func TestNobodyWaitsLongerThanGiveUp(t *testing.T) {
	for _, test := range []struct {
		name    string
		latency time.Duration // of the database
		callers int           // at once, on all instances
		models  int           // of the chain, each with one request a minute and project
	}{
		{"store that answers in a second", time.Second, 60, 4},
		{"store that answers in two and a half", 2500 * time.Millisecond, 60, 1},
		{"two thousand callers", time.Second, 2000, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one, ten, unlimited := int64(1), int64(10), scheduler.Unlimited
				var chain []string
				limits := make(map[string]scheduler.Override)
				for i := range test.models {
					chain = append(chain, fmt.Sprintf("model-%d", i))
					limits[chain[i]] = scheduler.Override{RPM: &one, TPM: &unlimited, RPD: &unlimited}
				}
				rules := defaultRules()
				rules.Policy = scheduler.NewPolicy(chain, limits)
				db := storage.NewFake(test.latency)
				var controllers []*admission.Controller
				for range 3 {
					g, err := admission.New(t.Context(), admission.Options{
						Store: (&storage.Line{DB: db}).Open(t, storage.Options{}), Rules: func(storage.Control) *scheduler.Rules { return rules },
						Callers: map[string]scheduler.Override{"alice": {RPM: &ten}},
					})
					require.NoError(t, err)
					controllers = append(controllers, g)
				}
				var projects []admission.Project
				for i := range 8 {
					id := fmt.Sprintf("p%d", i+1)
					projects = append(projects, admission.Project{ID: id, Keys: []string{"key-of-" + id}})
				}
				var mu sync.Mutex
				var longest time.Duration
				granted, waits, outages := 0, 0, 0
				var wg sync.WaitGroup
				for i := range test.callers {
					wg.Go(func() {
						g := controllers[i%len(controllers)]
						demand := scheduler.Demand{Tokens: 10}
						req := admission.Request{
							Caller: "bob", Hash: uint64(i + 1), Models: chain, Demand: demand, Projects: projects, Book: i%2 == 0,
						}
						if i%3 == 0 {
							req.Caller, req.Limit = "alice", g.CallerLimit("alice", demand)
						}
						begun := time.Now()
						grant, wait, err := g.Admit(t.Context(), req)
						mu.Lock()
						defer mu.Unlock()
						longest = max(longest, time.Since(begun))
						switch {
						case grant != nil:
							granted++
						case wait != nil:
							waits++
						case assert.ErrorIs(t, err, storage.ErrUnavailable):
							assert.False(t, errors.Is(err, context.DeadlineExceeded), "which would be the caller's own")
							outages++
						}
					})
				}
				wg.Wait()
				t.Logf("%d granted, %d waits, %d outages; the longest took %v", granted, waits, outages, longest)
				assert.LessOrEqual(t, longest, 10*time.Second)
				assert.Positive(t, waits+granted)
			})
		})
	}
}
