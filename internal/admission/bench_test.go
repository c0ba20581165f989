package admission_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const (
	first  = "first-pro"    // model of the chain
	second = "second-flash" // the next
)

// A bench is a controller over a store in memory, in virtual time. Every model has
// one request a minute and 1000 tokens a minute, so that whoever goes is in
// everybody's way for the 60.5 s that it counts.
type bench struct {
	*testing.T
	*admission.Controller
	shared storage.Store
	rules  *scheduler.Rules
	pool   []admission.Project
	hash   uint64
}

// inBubble runs a test in a bubble of virtual time, with one project for each
// of the names.
func inBubble(t *testing.T, projects []string, test func(b *bench)) {
	synctest.Test(t, func(t *testing.T) { test(newBench(t, storage.NewMemory(time.Now), projects)) })
}

func newBench(t *testing.T, store storage.Store, projects []string) *bench {
	one, thousand, unlimited := int64(1), int64(1000), scheduler.Unlimited
	limits := scheduler.Override{RPM: &one, TPM: &thousand, RPD: &unlimited}
	rules := &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
	rules.Policy = scheduler.NewPolicy([]string{first, second}, map[string]scheduler.Override{first: limits, second: limits})
	g, err := admission.New(t.Context(), admission.Options{Store: store, Rules: func(storage.Control) *scheduler.Rules { return rules }})
	require.NoError(t, err)
	b := &bench{T: t, Controller: g, shared: store, rules: rules}
	for _, id := range projects {
		b.pool = append(b.pool, admission.Project{ID: id, Keys: []string{"key-of-" + id}})
	}
	return b
}

// another returns a second controller over the same store: another instance.
func (b *bench) another() *bench {
	g, err := admission.New(b.Context(), admission.Options{Store: b.shared, Rules: func(storage.Control) *scheduler.Rules { return b.rules }})
	require.NoError(b, err)
	next := *b
	next.Controller = g
	return &next
}

// request returns a request that is unlike every other, for the first model.
func (b *bench) request() admission.Request {
	b.hash++
	return admission.Request{
		Caller: "alice", Hash: b.hash * 0x9e3779b97f4a7c15, Models: []string{first},
		Demand: scheduler.Demand{Tokens: 10}, Projects: b.pool,
	}
}

func (b *bench) admit(req admission.Request) (*admission.Grant, *admission.Wait) {
	b.Helper()
	grant, wait, err := b.Admit(b.Context(), req)
	require.NoError(b, err)
	require.NotEqual(b, grant == nil, wait == nil, "exactly one of the results")
	return grant, wait
}

// granted admits a request that must get in.
func (b *bench) granted(req admission.Request) *admission.Grant {
	b.Helper()
	grant, wait := b.admit(req)
	require.NotNil(b, grant, "refused: %+v", wait)
	return grant
}

// refused admits a request that must not get in, and asserts that its wait is a
// whole number of seconds.
func (b *bench) refused(req admission.Request) *admission.Wait {
	b.Helper()
	grant, wait := b.admit(req)
	require.NotNil(b, wait, "admitted: %+v", grant)
	require.Positive(b, b.left(wait))
	require.Zero(b, b.left(wait)%time.Second, "a caller is told whole seconds")
	return wait
}

// left is how long a caller is told to wait.
func (b *bench) left(wait *admission.Wait) time.Duration { return wait.Start.Sub(b.Now()) }

// until sleeps to an instant of the store.
func (b *bench) until(i scheduler.Instant) { time.Sleep(i.Sub(b.Now())) }

// booked has a request refused and booked at once, as it asks for.
func (b *bench) booked(req admission.Request) *admission.Wait {
	b.Helper()
	req.Book = true
	wait := b.refused(req)
	require.True(b, wait.Booked)
	return wait
}

// ticket parses the ticket of a wait.
func (b *bench) ticket(wait *admission.Wait) *admission.Ticket {
	b.Helper()
	t, err := b.ParseTicket(wait.Ticket, "alice")
	require.NoError(b, err)
	return t
}

func (b *bench) writes() int64 { return b.shared.Stats().Writes }

// bookings returns how many slots are kept on a project.
func (b *bench) bookings(project string) (n int) {
	b.Helper()
	states, err := b.shared.View(b.Context(), []string{project})
	require.NoError(b, err)
	if states[0] == nil {
		return 0
	}
	for _, c := range states[0].Calendars {
		n += len(c.Bookings)
	}
	return n
}

func (b *bench) apply(project string, change scheduler.Change) {
	b.Helper()
	_, err := b.Apply(b.Context(), project, change)
	require.NoError(b, err)
}

// A slowStore takes its time to say that a change is durable, as a database
// does: the change counts from when it was applied.
type slowStore struct {
	storage.Store
	commit atomic.Int64 // nanoseconds
	fail   error
}

func (s *slowStore) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if s.fail != nil {
		return scheduler.Result{}, s.fail
	}
	result, err := s.Store.Apply(ctx, rules, id, change)
	select {
	case <-time.After(time.Duration(s.commit.Load())):
		return result, err
	case <-ctx.Done():
		return scheduler.Result{}, ctx.Err()
	}
}
