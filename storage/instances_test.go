package storage_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Instances of the whole admission over one database, in virtual time. Answers
// take as long as they like, each way, so no two of the clocks agree, commits
// race and requests leave late. Callers come back to any instance, at the
// millisecond that they were told: every booking is honoured, and no limit is
// exceeded by what arrives.
func TestInstancesKeepTheirPromises(t *testing.T) {
	type network struct {
		name            string
		latency, jitter time.Duration // of the database; up to the jitter is added before and after each call
	}
	for _, network := range race.First(1,
		network{"far", 40 * time.Millisecond, 60 * time.Millisecond},
		network{"near", 4 * time.Millisecond, 10 * time.Millisecond},
	) {
		t.Run(network.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, network.latency, network.jitter)
				c.run(150, 20*time.Minute)
				t.Logf("%d admitted, %d of them by a booking, %d holders turned away", c.admitted, c.claimed, c.turnedAway)
				assert.Zero(t, c.turnedAway, "a booking was not honoured")
				assert.Greater(t, c.claimed, 1000, "without bookings this shows nothing")
				c.requireWithinLimits()
			})
		})
	}
}

// The database is emptied under instances that are busy, each with reservations that no
// other has seen, and once more. Nothing is sent beyond a limit, and afterwards all is
// as before.
func TestEmptiedUnderInstances(t *testing.T) {
	for _, seed := range race.First(1, 0, 1, 2, 3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, 40*time.Millisecond, 60*time.Millisecond)
				c.rnd = rand.New(rand.NewPCG(2, uint64(seed)))
				for _, after := range []time.Duration{3 * time.Minute, 7 * time.Minute} {
					time.AfterFunc(after+c.upTo(time.Minute), c.db.Empty)
				}
				c.run(150, 12*time.Minute)
				t.Logf("%d admitted, %d holders turned away", c.admitted, c.turnedAway)
				assert.Greater(t, c.admitted, 8*crowdRPM*8, "in twelve minutes, of which some are lost")
				c.requireWithinLimits()
			})
		})
	}
}

// The database is emptied under an instance that knows as many records as are in use, some of
// them for days that are over: it writes back every one that it has used lately.
func TestRecordsAreWrittenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, db := t.Context(), storage.NewFake(time.Millisecond)
		g := (&storage.Line{DB: db}).Open(t, storage.Options{})
		put := func(name string) {
			_, err := g.UpdateRecord(ctx, name, func([]byte) ([]byte, error) { return []byte(name), nil })
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		for day := range 60 {
			put(fmt.Sprint("day-", day))
		}
		var names []string
		for i := range 40 {
			names = append(names, fmt.Sprintf("resources-%x", i))
			put(names[i])
		}
		db.Empty()
		for _, name := range names {
			data, err := g.Record(ctx, name)
			require.NoError(t, err)
			assert.Equal(t, name, string(data))
		}
		other := (&storage.Line{DB: db}).Open(t, storage.Options{})
		for _, name := range names {
			data, err := other.Record(ctx, name)
			require.NoError(t, err)
			assert.Equal(t, name, string(data), "others find it too")
		}
		assert.Empty(t, dataOf(t, g, "day-0"), "there is a bound")
	})
}

func dataOf(t *testing.T, g *storage.Grouped, name string) []byte {
	data, err := g.Record(t.Context(), name)
	require.NoError(t, err)
	return data
}

const (
	crowdModel     = "gemini-2.5-flash"
	crowdInstances = 3
	crowdProjects  = 8
	crowdRPM       = 10
	// crowdHop is the most that a call takes from a caller to an instance, or an
	// answer back: little, so that hardly anybody is late.
	crowdHop = 500 * time.Microsecond
)

// A crowd is callers in a closed loop, and what became of them.
type crowd struct {
	t           *testing.T
	db          *storage.Fake
	controllers []*admission.Controller
	projects    []admission.Project
	end         time.Time

	mu                            sync.Mutex
	rnd                           *rand.Rand
	admitted, claimed, turnedAway int
	arrived                       map[string][]time.Time
}

func newCrowd(t *testing.T, latency, jitter time.Duration) *crowd {
	c := &crowd{t: t, rnd: rand.New(rand.NewPCG(1, uint64(latency))), arrived: make(map[string][]time.Time)}
	rpm, unlimited := int64(crowdRPM), scheduler.Unlimited
	rules := defaultRules()
	rules.Policy = scheduler.NewPolicy([]string{crowdModel}, map[string]scheduler.Override{
		crowdModel: {RPM: &rpm, TPM: &unlimited, RPD: &unlimited},
	})
	slow := func(ctx context.Context, _ int) error {
		time.Sleep(c.upTo(jitter))
		return ctx.Err()
	}
	c.db = storage.NewFake(latency)
	for range crowdInstances {
		line := &storage.Line{DB: c.db, OnPut: slow, AfterPut: slow, OnGet: slow, AfterGet: slow}
		g, err := admission.New(t.Context(), admission.Options{Store: line.Open(t, storage.Options{}), Rules: func(storage.Control) *scheduler.Rules { return rules }})
		require.NoError(t, err)
		c.controllers = append(c.controllers, g)
	}
	for i := range crowdProjects {
		id := fmt.Sprintf("p%d", i+1)
		c.projects = append(c.projects, admission.Project{ID: id, Keys: []string{"key-of-" + id}})
	}
	return c
}

// upTo returns a random duration below the limit.
func (c *crowd) upTo(limit time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.rnd.Int64N(int64(limit)))
}

// run has callers ask, each for one thing after another.
func (c *crowd) run(callers int, d time.Duration) {
	c.end = time.Now().Add(d)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			time.Sleep(c.upTo(time.Minute))
			for n := 1; time.Now().Before(c.end); n++ {
				c.request(admission.Request{
					Caller: "alice", Hash: uint64(i<<20+n) * 0x9e3779b97f4a7c15, Models: []string{crowdModel},
					Demand: scheduler.Demand{Tokens: 1000}, Projects: c.projects,
					Book: i%4 == 0,
				}, i%2 == 0)
			}
		})
	}
	wg.Wait()
}

// request asks until it is admitted or the end has come. The caller sends its
// ticket back, or is to be recognised by its hash.
func (c *crowd) request(req admission.Request, tickets bool) {
	held := false
	for time.Now().Before(c.end) {
		g := c.controllers[c.upTo(crowdInstances)]
		time.Sleep(c.upTo(crowdHop))
		grant, wait, err := g.Admit(c.t.Context(), req)
		if !assert.NoError(c.t, err) {
			return
		}
		c.count(held, grant != nil)
		if grant != nil {
			c.send(g, grant)
			return
		}
		held = wait.Booked
		if tickets {
			req.Ticket, err = g.ParseTicket(wait.Ticket, req.Caller)
			assert.NoError(c.t, err)
		}
		left := g.Left(wait)
		time.Sleep(c.upTo(crowdHop))
		time.Sleep(left)
	}
}

func (c *crowd) count(held, granted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case granted && held:
		c.claimed++
	case held:
		c.turnedAway++
	}
	if granted {
		c.admitted++
	}
}

// send has a request arrive within half of the skew, and settles it when it is
// answered.
func (c *crowd) send(g *admission.Controller, grant *admission.Grant) {
	sent := time.Now()
	time.Sleep(c.upTo(scheduler.DefaultSkew / 2))
	c.mu.Lock()
	c.arrived[grant.Project] = append(c.arrived[grant.Project], time.Now())
	c.mu.Unlock()
	time.Sleep(c.upTo(4 * time.Second))
	assert.NoError(c.t, g.Settle(c.t.Context(), grant, 1000, sent))
}

// requireWithinLimits asserts that no arrival finds RPM others in the 60 s
// before it.
func (c *crowd) requireWithinLimits() {
	for project, at := range c.arrived {
		slices.SortFunc(at, time.Time.Compare)
		for i := crowdRPM; i < len(at); i++ {
			require.GreaterOrEqual(c.t, at[i].Sub(at[i-crowdRPM]), scheduler.Window, "%s, arrival %d", project, i)
		}
	}
}

// defaultRules returns the built-in policy with the default skew and hold.
func defaultRules() *scheduler.Rules {
	return &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
}
