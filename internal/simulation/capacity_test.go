package simulation

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// Eight projects of ten requests a minute, as in the table "Why
// prove-then-promise" of the design.
const (
	pool = 8
	rpm  = 10
	hour = time.Hour
)

// siegeTime is how long a crowd asks: one hour, or with -short a quarter of it. Callers come in waves, one for every time that the
// limits are renewed, so what a quarter of an hour says about capacity is only
// good to one wave in fifteen.
func siegeTime() time.Duration {
	if testing.Short() {
		return hour / 4
	}
	return hour
}

// A crowd is one kind of callers.
type crowd struct {
	open    bool    // they come by themselves, 1.5 times what fits; else 200 that ask again when served
	returns float64 // the share of refusals after which the caller comes back
	late    time.Duration
	anyhow  bool // late by anything from 0 to late
	// envoy is the share of requests that come as Envoy's retries by the headers of an answer
	// do: at any time from the wait, in whole seconds, to one and a half times it (its source,
	// JitteredLowerBoundBackOffStrategy).
	envoy   float64
	callers int  // of a closed loop; 0: closedCallers
	books   bool // all that don't come like that book at once, as `wait` does
}

func (c crowd) String() string {
	kind, late := fmt.Sprintf("closed, %d", cmp.Or(c.callers, closedCallers)), c.late.String()
	if c.open {
		kind = "open"
	}
	if c.anyhow {
		late = "0 to " + late
	}
	if c.envoy > 0 {
		late = fmt.Sprintf("%s late, %.0f%% as Envoy does", late, 100*c.envoy)
		if c.books {
			late += ", the others book"
		}
		return fmt.Sprintf("%s, %.0f%% return %s", kind, 100*c.returns, late)
	}
	if c.returns == 0 {
		return kind + ", nobody returns"
	}
	return fmt.Sprintf("%s, %.0f%% return %s late", kind, 100*c.returns, late)
}

// closedCallers is how many callers there are in a closed loop, and
// thinks how long one of them that doesn't come back takes, on average, until
// it has another request. Both keep the pool saturated.
const (
	closedCallers = 200
	thinks        = 30 * time.Second
)

type outcome struct {
	used       float64       // of 8*10 requests a minute
	longest    time.Duration // from the first refusal to admission; those that gave up don't count
	writes     float64       // per admission
	violations int
	turnedAway int           // came within the hold to a booking and was refused
	claimed    int           // bookings that were returned to and admitted
	returned   int           // bookings that were returned to as Envoy does
	kept       int           // of these, that were admitted then
	envoys     time.Duration // the longest wait of one that comes as Envoy does; longest is of the others
}

func TestCapacity(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	var crowds []crowd
	for _, open := range []bool{false, true} {
		crowds = append(crowds, crowd{open: open})
		for _, returns := range []float64{0.5, 0.9, 1} {
			for _, late := range []time.Duration{0, 2 * time.Second, 4 * time.Second} {
				crowds = append(crowds, crowd{open: open, returns: returns, late: late})
			}
			crowds = append(crowds, crowd{open: open, returns: returns, late: 4 * time.Second, anyhow: true})
		}
		crowds = append(crowds, crowd{open: open, returns: 1, late: 100 * time.Millisecond})
		for _, envoy := range []float64{0.1, 0.5, 1} {
			crowds = append(crowds, crowd{open: open, returns: 1, late: 100 * time.Millisecond, envoy: envoy})
		}
	}
	crowds = append(crowds, crowd{returns: 0.5, late: 100 * time.Millisecond, envoy: 0.5}, crowd{returns: 1, late: 10 * time.Millisecond, envoy: 0.1, books: true})
	for _, envoy := range []float64{0.1, 1} { // who wait for five minutes
		crowds = append(crowds, crowd{returns: 1, late: 100 * time.Millisecond, envoy: envoy, callers: 400})
	}
	if testing.Short() { // two of each kind: those that come back for nothing, and all of them at once; and of Envoys one
		crowds = slices.DeleteFunc(crowds, func(c crowd) bool {
			return c.returns > 0 && c.late != 100*time.Millisecond || c.envoy > 0 && (c.open || c.callers > 0 || c.envoy != 0.5)
		})
	}
	outcomes := make([]outcome, len(crowds))
	t.Run("crowd", func(t *testing.T) {
		for i, c := range crowds {
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					o := c.simulate(t)
					outcomes[i] = o
					// A slot that is kept for one that comes half a minute late stands idle so long.
					// More do where all wait for longer.
					least := 0.9 - c.envoy/10
					if c.callers > closedCallers {
						least -= c.envoy / 20
					}
					assert.GreaterOrEqual(t, o.used, least)
					assert.Zero(t, o.violations, "more than the limit in 60 s")
					assert.Zero(t, o.turnedAway, "refused though they held a booking and came in time")
					if c.envoy > 0 {
						kept := o.returned * 3 / 4
						if c.books { // few are Envoys, and some of them come within the hold, and aren't known to
							kept = o.returned * 2 / 3
						}
						assert.GreaterOrEqual(t, o.kept, kept, "who came once as Envoy does is known to")
					}
					if c.envoy > 0 && !c.open && !c.books { // more than fits waits ever longer
						assert.LessOrEqual(t, o.envoys, siegeTime()*2/3, "and isn't starved by those that come in time")
					}
					if c.returns == 1 {
						assert.Positive(t, o.claimed, "or nothing was asserted about bookings")
					}
					// Where nobody returns nothing may be spent on promises.
					most := 1 + 1.1*c.returns
					if c.envoy > 0 {
						most += 0.2 // who has lost a booking gets another
					}
					assert.LessOrEqual(t, o.writes, most, "writes per admission")
				})
			})
		}
	})
	t.Logf("%v, %d projects, %d requests a minute each", siegeTime(), pool, rpm)
	t.Logf("%-62s %8s %14s %8s %16s %s", "callers", "used", "longest wait", "writes", "bookings claimed", "as Envoy does: in time")
	for i, c := range crowds {
		o := outcomes[i]
		longest := o.longest.Round(time.Second).String()
		if c.returns == 0 || c.envoy == 1 {
			longest = "-" // they are admitted at once or never, or there are no others
		}
		envoys := ""
		if c.envoy > 0 {
			envoys = fmt.Sprintf("%d of %d, longest wait %v", o.kept, o.returned, o.envoys.Round(time.Second))
		}
		t.Logf("%-62s %7.1f%% %14s %8.2f %16d %s", c, 100*o.used, longest, o.writes, o.claimed, envoys)
	}
}

// simulate has the crowd ask for admission.
func (c crowd) simulate(t *testing.T) outcome {
	w := newWorld(t, pool, scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited})
	s := &siege{world: w, crowd: c, waiting: make(map[*request]bool)}
	if c.open {
		s.arrive()
	} else {
		for range cmp.Or(c.callers, closedCallers) {
			w.after(time.Duration(w.rnd.Int64N(int64(time.Minute))), s.next)
		}
	}
	w.run(siegeTime())
	// Those who are waiting still have waited as well.
	for r := range s.waiting {
		s.waited(r)
	}
	s.used = float64(w.admitted) / (pool * rpm * siegeTime().Minutes())
	s.writes = float64(w.store.Stats().Writes) / float64(w.admitted)
	s.violations = w.upstream.violations()
	return s.outcome
}

// A siege is a crowd that asks for admission.
type siege struct {
	*world
	crowd
	outcome
	waiting map[*request]bool
}

// arrive has callers of an open loop come at random.
func (s *siege) arrive() {
	s.try(s.new())
	mean := float64(time.Minute) / (1.5 * pool * rpm)
	s.after(time.Duration(s.rnd.ExpFloat64()*mean), s.arrive)
}

// next has a caller of a closed loop make its next request.
func (s *siege) next() { s.try(s.new()) }

// new returns the next request.
func (s *siege) new() *request {
	r := s.request(1000)
	r.envoy = s.envoy > 0 && s.rnd.Float64() < s.envoy
	r.books = s.books && !r.envoy
	return r
}

func (s *siege) try(r *request) {
	held := r.booked
	grant, wait := s.ask(r)
	if held && grant != nil {
		s.claimed++
	}
	if held && r.envoy {
		if s.returned++; grant != nil {
			s.kept++
		}
	}
	if wait == nil {
		s.waited(r)
		delete(s.waiting, r)
		if !s.open {
			s.after(latency, s.next)
		}
		return
	}
	if held && r.late <= s.rules.Hold {
		s.turnedAway++
	}
	r.booked = wait.Booked
	if s.rnd.Float64() >= s.returns {
		delete(s.waiting, r)
		if !s.open {
			s.after(time.Duration(s.rnd.ExpFloat64()*float64(thinks)), s.next)
		}
		return
	}
	s.waiting[r] = true
	if r.late = s.late; s.anyhow {
		r.late = time.Duration(s.rnd.Int64N(int64(s.late)))
	}
	told := s.told(wait, r)
	if r.envoy {
		told = (told + time.Second - 1).Truncate(time.Second)
		r.late = time.Duration(s.rnd.Int64N(int64(told / 2)))
	}
	s.after(told+r.late, func() { s.try(r) })
}

// waited notes how long a request has waited by now.
func (s *siege) waited(r *request) {
	longest := &s.longest
	if r.envoy {
		longest = &s.envoys
	}
	*longest = max(*longest, s.elapsed()-r.asked)
}
