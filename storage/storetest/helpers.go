package storetest

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const (
	project = "suite"
	model   = "suite-pro"
)

// eager is how most cases open a Store: as it comes, but not paced, so that on a
// real database they take no longer than they must.
func eager() Config { return Config{Options: storage.Options{Pace: -1}} }

func troubled(t Trouble) Config {
	c := eager()
	c.Trouble = t
	return c
}

// rulesOf returns rules under which every model has the given limits.
func rulesOf(l scheduler.Limits) *scheduler.Rules {
	o := scheduler.Override{RPM: &l.RPM, TPM: &l.TPM, RPD: &l.RPD}
	return &scheduler.Rules{
		Policy: scheduler.NewPolicy(nil, map[string]scheduler.Override{"pro": o, "flash": o, "flash_lite": o}),
		Skew:   scheduler.DefaultSkew, Hold: scheduler.DefaultHold,
	}
}

// plenty counts against no limit.
var plenty = rulesOf(scheduler.Limits{RPM: scheduler.Unlimited, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited})

// ask returns a request for one slot, of some tokens.
func ask(tokens int64) scheduler.Reserve {
	return scheduler.Reserve{Model: model, Demand: scheduler.Demand{Tokens: tokens}, ID: rand.Uint64()}
}

// admit has a request admitted.
func admit(t testing.TB, s storage.Store, rules *scheduler.Rules, r scheduler.Reserve) scheduler.Result {
	t.Helper()
	result, err := s.Apply(t.Context(), rules, project, r)
	require.NoError(t, err)
	require.Equal(t, scheduler.Admitted, result.Verdict)
	return result
}

// view returns one project as a Store knows it.
func view(t testing.TB, s storage.Store, id string) *scheduler.Project {
	t.Helper()
	states, err := s.View(t.Context(), []string{id})
	require.NoError(t, err)
	require.Len(t, states, 1)
	return states[0]
}

// requests counts what weighs on a project, over all its models.
func requests(p *scheduler.Project) (n int64) {
	if p == nil {
		return 0
	}
	for _, c := range p.Calendars {
		for _, r := range c.Sent {
			n += r.Requests
		}
		for _, x := range c.Folded {
			n += x.Requests
		}
	}
	return n
}

// sent returns a copy of what a calendar keeps of the requests that were sent.
func sent(c *scheduler.Calendar) []scheduler.Reservation {
	var all []scheduler.Reservation
	for _, r := range c.Sent {
		all = append(all, *r)
	}
	return all
}

// reservations counts the reservations with an ID, over all models.
func reservations(p *scheduler.Project, id uint64) (n int) {
	if p == nil {
		return 0
	}
	for _, c := range p.Calendars {
		for _, r := range c.Sent {
			if r.ID == id {
				n++
			}
		}
	}
	return n
}

// stored returns a project as the database has it, which a new instance tells.
func stored(t testing.TB, h Harness) *scheduler.Project {
	t.Helper()
	return view(t, h.Open(t, eager()), project)
}

// until waits for something that other goroutines bring about.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		require.True(t, time.Now().Before(deadline), "waited in vain: %s", what)
		time.Sleep(time.Millisecond)
	}
}

// together runs f in n goroutines and waits for all.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
