package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A manner is how one caller of a shared pool behaves.
type manner struct {
	name     string
	requests int           // that it has at the same time; each is followed by the next
	thinks   time.Duration // between a request's answer, or giving up, and the next
	returns  float64       // the share of waits after which it comes back
	late     time.Duration // it comes back late by up to that
	every    time.Duration // it comes back by that clock, whatever it is told; 0: as told
	book     bool          // it asks for bookings
	tokens   [2]int64      // the sizes of its requests, log-uniform
	weight   int64         // 0 is 1
}

// A society is callers of different manners that share a pool, and what became of them.
type society struct {
	*world
	instances   []*admission.Controller
	stores      []storage.Store // of each instance
	weights     map[string]int64
	told        []told
	services    []service
	calls       int
	broken      int  // bookings whose holders came in time and in vain
	unavailable int  // decisions that the store couldn't make in time
	tickets     bool // who comes back brings the last
	apart       bool // all that a caller sends comes to one instance, and the next caller's to the next
	joined      map[string]int
	waiting     map[*request]bool
	took        []time.Duration // decisions to send
	processor   func() time.Duration
	denied      []time.Duration // what a processor took for the others, if it is asked for that
}

// A told is a wait for which nothing was kept.
type told struct {
	caller       string
	hash         uint64
	asked, start time.Duration
	tokens       int64
	again        bool // it came before its time
	left         bool // it wasn't returned to
}

// A service is a request that was sent.
type service struct {
	caller  string
	hash    uint64
	project string
	at      time.Duration
	waited  time.Duration // since it was first asked for
	tokens  int64
	booked  bool
}

// weightsOf returns the weights of callers that have one.
func weightsOf(callers []manner) map[string]int64 {
	weights := make(map[string]int64)
	for _, m := range callers {
		if m.weight > 0 {
			weights[m.name] = m.weight
		}
	}
	return weights
}

// Several is a store in memory that so many instances share.
type several struct {
	*storage.Memory
	instances int
}

func (s several) Instances() int { return s.instances }

// newSociety returns a society over so many instances, in virtual time.
func newSociety(t *testing.T, projects, instances int, seed uint64, weights map[string]int64, limits scheduler.Limits) *society {
	return newSocietyOn(t, projects, instances, seed, weights, limits, nil)
}

// newSocietyOn returns one whose instances have their own ways to a store that isn't in
// memory; nil: they share one that is.
func newSocietyOn(t *testing.T, projects, instances int, seed uint64, weights map[string]int64, limits scheduler.Limits, open func() storage.Store) *society {
	w := newWorld(t, projects, limits)
	w.rnd = rand.New(rand.NewPCG(seed, uint64(projects)))
	s := &society{world: w, weights: weights, waiting: make(map[*request]bool), joined: make(map[string]int)}
	if open != nil {
		w.real = new(realTime)
		w.real.Lock() // until it runs
	}
	for i := range instances {
		var store storage.Store = several{w.store, instances}
		if open != nil {
			store = open()
		}
		s.stores, s.instances = append(s.stores, store), append(s.instances, nil)
		s.renew(i)
	}
	return s
}

// renew replaces an instance by a new one, which remembers nothing.
func (s *society) renew(i int) {
	c, err := admission.New(context.Background(), admission.Options{
		Store: s.stores[i], Shared: true, Weights: s.weights, Rules: func(storage.Control) *scheduler.Rules { return s.rules },
	})
	require.NoError(s.t, err)
	s.instances[i] = c
}

// join has a caller begin, at random within the first seconds.
func (s *society) join(m manner) {
	for range m.requests {
		s.after(time.Duration(s.rnd.Int64N(int64(5*time.Second))), func() { s.next(m) })
	}
}

// next has a caller ask for something new.
func (s *society) next(m manner) {
	tokens := m.tokens[0]
	if m.tokens[1] > tokens {
		tokens = int64(float64(tokens) * math.Pow(float64(m.tokens[1])/float64(tokens), s.rnd.Float64()))
	}
	s.try(m, s.request(max(tokens, 1)), 0)
}

// at returns the instance to which a request of a caller comes.
func (s *society) at(caller string) int {
	if !s.apart {
		return s.rnd.IntN(len(s.instances))
	}
	i, ok := s.joined[caller]
	if !ok {
		i = len(s.joined) % len(s.instances)
		s.joined[caller] = i
	}
	return i
}

// think is how long a caller takes to its next request.
func (s *society) think(m manner) time.Duration {
	if m.thinks == 0 {
		return latency
	}
	return latency + time.Duration(s.rnd.ExpFloat64()*float64(m.thinks))
}

// try has a request ask to be admitted; due is when it was told to come, 0: not yet.
func (s *society) try(m manner, r *request, due time.Duration) {
	c := s.instances[s.at(m.name)]
	came := s.elapsed()
	before := came < due
	var grant *admission.Grant
	var wait *admission.Wait
	var ticket *admission.Ticket
	var err error
	if s.tickets && r.ticket != "" {
		ticket, err = c.ParseTicket(r.ticket, m.name)
		assert.NoError(s.t, err)
	}
	var began time.Duration
	if s.processor != nil {
		began = s.processor()
	}
	s.unlocked(func() {
		grant, wait, err = c.Admit(context.Background(), admission.Request{
			Caller: m.name, Hash: r.hash, Models: s.rules.Policy.Chain(scheduler.Both),
			Demand: scheduler.Demand{Tokens: r.tokens}, Projects: s.projects, Book: m.book, Ticket: ticket,
		})
	})
	if errors.Is(err, storage.ErrUnavailable) { // never in memory
		s.unavailable++
		s.after(time.Second, func() { s.try(m, r, due) })
		return
	}
	if !assert.NoError(s.t, err) {
		return
	}
	s.calls++
	if s.processor != nil && wait != nil {
		s.denied = append(s.denied, s.processor()-began)
	}
	delete(s.waiting, r)
	if r.booked && grant == nil && !before && came-due <= s.rules.Hold {
		s.broken++
	}
	r.booked = wait != nil && wait.Booked
	if grant != nil {
		s.took = append(s.took, s.elapsed()-came)
		s.admitted++
		sentAt := time.Now()
		s.upstream.arrive(grant.Project, s.elapsed()+s.way(), r.tokens)
		s.services = append(s.services, service{m.name, r.hash, grant.Project, s.elapsed(), s.elapsed() - r.asked, r.tokens, grant.Booked})
		s.after(latency, func() {
			s.unlocked(func() { err = c.Settle(context.Background(), grant, r.tokens, sentAt) })
			if errors.Is(err, storage.ErrUnavailable) {
				s.unavailable++
				return
			}
			assert.NoError(s.t, err)
		})
		s.after(s.think(m), func() { s.next(m) })
		return
	}
	r.refused, r.ticket = r.refused+1, wait.Ticket
	left := c.Left(wait)
	leaves := s.rnd.Float64() >= m.returns
	if !wait.Booked {
		s.told = append(s.told, told{m.name, r.hash, came, s.elapsed() + left, r.tokens, before, leaves})
	}
	if leaves {
		s.after(s.think(m), func() { s.next(m) })
		return
	}
	s.waiting[r] = true
	due = s.elapsed() + left
	pause := left
	if m.late > 0 {
		pause += time.Duration(s.rnd.Int64N(int64(m.late)))
	}
	if m.every > 0 {
		pause = m.every/2 + time.Duration(s.rnd.Int64N(int64(m.every)))
	}
	s.after(pause, func() { s.try(m, r, due) })
}

// by returns the services of callers whose names match, after an instant.
func (s *society) by(from time.Duration, match func(string) bool) (out []service) {
	for _, x := range s.services {
		if x.at >= from && match(x.caller) {
			out = append(out, x)
		}
	}
	return out
}

// used is the share of the requests per minute that were sent.
func (s *society) used(elapsed time.Duration) float64 {
	return float64(s.admitted) / (float64(int64(len(s.projects))*s.upstream.limits.RPM) * elapsed.Minutes())
}

// A check is what was told beside the truth.
type check struct {
	told
	late time.Duration // how much later that is; negative: earlier
}

// truth returns what was told, and how much later that is than the first instant at which
// the request would have fitted beside all that was really sent, itself excepted: the
// truth as it is known afterwards. Of what was told at the end it isn't known, nor how much
// too early it was for those that left: what would have been theirs others were sent.
func (s *society) truth(until time.Duration, some int) (checks []check) {
	length := scheduler.Window + s.rules.Skew
	by := make(map[string][]service)
	for _, x := range s.services {
		by[x.project] = append(by[x.project], x)
	}
	every := max(1, len(s.told)/some)
	for i := 0; i < len(s.told); i += every {
		t := s.told[i]
		if t.start > until {
			continue
		}
		first := time.Duration(math.MaxInt64)
		for _, p := range s.projects {
			first = min(first, s.fits(by[p.ID], t, length, first))
		}
		checks = append(checks, check{t, t.start - first})
	}
	return checks
}

// sides returns how much too late and how much too early it was, where that is known.
func sides(checks []check) (late, early []time.Duration) {
	for _, c := range checks {
		late = append(late, max(c.late, 0))
		if !c.left {
			early = append(early, max(-c.late, 0))
		}
	}
	return late, early
}

// fits returns the first instant from that of the asking on at which what was told would
// have fitted on a project, if it is before most.
func (s *society) fits(sent []service, t told, length, most time.Duration) time.Duration {
	// Only what begins within two lengths of a start can weigh beside it.
	i, _ := slices.BinarySearchFunc(sent, t.asked-length, func(x service, at time.Duration) int { return cmp.Compare(x.at, at) })
	sent = sent[i:]
	candidates := []time.Duration{t.asked}
	for _, x := range sent {
		if end := x.at + length; end > t.asked && end < most {
			candidates = append(candidates, end)
		}
	}
	for _, at := range candidates {
		if at >= most {
			break
		}
		if s.fitsAt(sent, t, at, length) {
			return at
		}
	}
	return most
}

func (s *society) fitsAt(sent []service, t told, at, length time.Duration) bool {
	limits := s.upstream.limits
	free := func(x time.Duration) bool { // what weighs at x
		n, tokens := int64(1), t.tokens
		for _, o := range sent {
			if o.at > x {
				break
			}
			if o.at > x-length && o.hash != t.hash {
				n, tokens = n+1, tokens+o.tokens
			}
		}
		return n <= limits.RPM && tokens <= limits.TPM
	}
	if !free(at) {
		return false
	}
	for _, o := range sent {
		if o.at >= at+length {
			break
		}
		if o.at > at && !free(o.at) {
			return false
		}
	}
	return true
}

// quantiles returns the median, the p90, the p99 and the largest.
func quantiles(d []time.Duration) (out [4]time.Duration) {
	if len(d) == 0 {
		return out
	}
	d = slices.Sorted(slices.Values(d))
	for i, q := range []float64{0.5, 0.9, 0.99, 1} {
		out[i] = d[min(len(d)-1, int(q*float64(len(d))))]
	}
	return out
}

func seconds(q [4]time.Duration) string {
	return fmt.Sprintf("p50 %.1f p90 %.1f p99 %.1f most %.1f s", q[0].Seconds(), q[1].Seconds(), q[2].Seconds(), q[3].Seconds())
}
