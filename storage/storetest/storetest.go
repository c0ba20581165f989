// Package storetest is the conformance suite of package storage: what every
// Store must do, whatever database is behind it.
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, storetest.Kind{Shared: true}, func(t *testing.T, body func(*testing.T, storetest.Harness)) {
//			body(t, newHarness(t))
//		})
//	}
//
// Every case gets a database of its own. A maker over a simulated database runs
// the body in a testing/synctest bubble, so that the cases that wait cost
// nothing; over a real one those cases are left out.
package storetest

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A Harness is one database.
type Harness interface {
	// Open returns one more Store over the database, as another instance of
	// the service would have it, or the one Store there is if the database
	// isn't shared. It is closed when the test ends.
	Open(t testing.TB, c Config) storage.Store
	// Asked returns how many project documents were read and how many commits
	// of one arrived, counted outside the Stores.
	Asked() (reads, writes int64)
}

// A Kind says which cases a database can have. The others are not run.
type Kind struct {
	// Shared: Stores over the database are instances of their own, whose
	// commits can be given Trouble.
	Shared bool
	// Virtual: time is simulated.
	Virtual bool
}

// A Maker makes a harness for one case and runs its body.
type Maker func(t *testing.T, body func(t *testing.T, h Harness))

// A Config is how a Store is opened.
type Config struct {
	storage.Options
	Trouble
}

// Trouble is what happens to the commits of one instance, which are counted
// from 1. Nil functions do nothing.
type Trouble struct {
	// Before runs before a commit is passed on to the database.
	Before func(ctx context.Context, n int)
	// Refuse returns an error instead of passing the commit on.
	Refuse func(n int) error
	// Lose returns an error in place of the reply to a commit that was carried
	// out.
	Lose func(ctx context.Context, n int) error
}

type testCase struct {
	name    string
	body    func(t *testing.T, h Harness)
	shared  bool // needs instances of their own
	virtual bool // waits
}

// Run runs the suite.
func Run(t *testing.T, k Kind, maker Maker) {
	var all []testCase
	all = append(all, basicCases...)
	all = append(all, controlCases...)
	all = append(all, recordCases...)
	all = append(all, concurrentCases...)
	all = append(all, raceCases...)
	all = append(all, faultCases...)
	all = append(all, cancelCases...)
	for _, c := range all {
		if c.shared && !k.Shared || c.virtual && !k.Virtual {
			continue
		}
		t.Run(c.name, func(t *testing.T) { maker(t, c.body) })
	}
}

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
