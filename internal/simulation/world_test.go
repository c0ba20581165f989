package simulation

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const model = "gemini-2.5-flash"

// A world is an admission over a pool of projects, the callers that use it and the
// Gemini that counts what arrives. It belongs in a synctest bubble and to one
// goroutine: with a store in memory nothing in it ever waits, so callers
// are events on one agenda and not goroutines.
type world struct {
	t         *testing.T
	admission *admission.Controller
	store     *storage.Memory
	rules     *scheduler.Rules
	projects  []admission.Project
	upstream  *arrivals
	rnd       *rand.Rand
	begin     time.Time
	agenda    agenda
	requests  uint64 // so far
	admitted  int
	callers   int                                                                        // how many there are where there is demand; 0: 12
	answers   time.Duration                                                              // how long upstream takes to answer; 0: latency
	vary      bool                                                                       // no two answers take as long, nor ways to upstream
	instances []*admission.Controller                                                    // each request goes to one of them; none: to admission
	several   bool                                                                       // these are of several names
	punctual  bool                                                                       // callers say that they are
	said      func(now scheduler.Instant, over scheduler.Limits) scheduler.RecordRefusal // what upstream's refusals say; nil: limits by name
	real      *realTime                                                                  // nil: its time is virtual
}

// A realTime is for a world whose store isn't in memory: what happens there takes as long as
// it takes, by the clock on the wall, and callers come while others are being answered.
type realTime struct {
	sync.Mutex // of all else in the world
	over       bool
	underWay   sync.WaitGroup
}

// latency is how long upstream takes to answer.
const latency = 2 * time.Second

func newWorld(t *testing.T, projects int, limits scheduler.Limits) *world {
	rules := &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
	rules.Policy = scheduler.NewPolicy([]string{model}, map[string]scheduler.Override{
		model: {RPM: &limits.RPM, TPM: &limits.TPM, RPD: &limits.RPD},
	})
	store := storage.NewMemory(time.Now)
	g, err := admission.New(context.Background(), admission.Options{Store: store, Rules: func(storage.Control) *scheduler.Rules { return rules }})
	require.NoError(t, err)
	w := &world{
		t: t, admission: g, store: store, rules: rules, upstream: newArrivals(limits),
		rnd: rand.New(rand.NewPCG(1, uint64(projects))), begin: time.Now(),
	}
	for i := range projects {
		id := fmt.Sprintf("p%d", i+1)
		w.projects = append(w.projects, admission.Project{ID: id, Keys: []string{"key-of-" + id}})
	}
	return w
}

// instance returns the one that a request goes to.
func (w *world) instance() *admission.Controller {
	if len(w.instances) == 0 {
		return w.admission
	}
	return w.instances[w.rnd.IntN(len(w.instances))]
}

// answer returns how long upstream takes to answer.
func (w *world) answer() time.Duration {
	d := cmp.Or(w.answers, latency)
	if w.vary {
		d = d/10 + time.Duration(w.rnd.Int64N(int64(2*d)))
	}
	return d
}

// wire returns how long a request is on its way to upstream, or a refusal back.
func (w *world) wire() time.Duration {
	if w.vary {
		return wire + time.Duration(w.rnd.Int64N(int64(150*time.Millisecond)))
	}
	return wire
}

// elapsed is the virtual time since the world began.
func (w *world) elapsed() time.Duration { return time.Since(w.begin) }

// after puts f on the agenda.
func (w *world) after(d time.Duration, f func()) {
	if r := w.real; r != nil {
		time.AfterFunc(d, func() {
			r.Lock()
			defer r.Unlock()
			if !r.over {
				r.underWay.Add(1)
				defer r.underWay.Done()
				f()
			}
		})
		return
	}
	heap.Push(&w.agenda, event{at: w.elapsed() + d, order: w.agenda.next(), do: f})
}

// unlocked calls f, which may take a while in which others come.
func (w *world) unlocked(f func()) {
	if w.real != nil {
		w.real.Unlock()
		defer w.real.Lock()
	}
	f()
}

// run goes through the agenda until it is empty or the next event is not
// before the end.
func (w *world) run(end time.Duration) {
	if r := w.real; r != nil {
		r.Unlock()
		time.Sleep(end - w.elapsed())
		r.Lock()
		r.over = true
		r.Unlock()
		r.underWay.Wait()
		return
	}
	for len(w.agenda.events) > 0 && w.agenda.events[0].at < end {
		e := heap.Pop(&w.agenda).(event)
		time.Sleep(e.at - w.elapsed())
		e.do()
	}
}

type event struct {
	at    time.Duration
	order int // of two at one instant the one that was put first goes first
	do    func()
}

// An agenda is a heap of events.
type agenda struct {
	events []event
	put    int
}

func (a *agenda) next() int { a.put++; return a.put }

func (a *agenda) Len() int { return len(a.events) }
func (a *agenda) Less(i, j int) bool {
	x, y := a.events[i], a.events[j]
	return x.at < y.at || x.at == y.at && x.order < y.order
}
func (a *agenda) Swap(i, j int) { a.events[i], a.events[j] = a.events[j], a.events[i] }
func (a *agenda) Push(x any)    { a.events = append(a.events, x.(event)) }
func (a *agenda) Pop() any {
	last := len(a.events) - 1
	e := a.events[last]
	a.events[last] = event{} // so that what it refers to can go
	a.events = a.events[:last]
	return e
}

// A request is one on its way: from its first asking until it is admitted or
// given up.
type request struct {
	hash    uint64
	tokens  int64
	asked   time.Duration // when first
	refused int
	booked  bool          // its last refusal kept a slot
	late    time.Duration // how late its last return was
	envoy   bool          // it comes as Envoy does
	ticket  string        // that it was told
	books   bool          // at its first refusal, and it says that it is punctual
	waited  time.Duration // from the first asking to admission
	ahead   time.Duration // of mixed_test.go: what the work ahead of it took
}

// ask has a new or returning request try to get in.
func (w *world) ask(r *request) (*admission.Grant, *admission.Wait) {
	grant, wait, err := w.admission.Admit(context.Background(), admission.Request{
		Hash: r.hash, Models: w.rules.Policy.Chain(scheduler.Both),
		Demand: scheduler.Demand{Tokens: r.tokens}, Projects: w.projects, Punctual: w.punctual || r.books, Book: r.books,
	})
	require.NoError(w.t, err)
	if wait != nil {
		r.refused++
		return nil, wait
	}
	w.admitted++
	sentAt := time.Now()
	w.upstream.arrive(grant.Project, w.elapsed()+w.way(), r.tokens)
	w.after(latency, func() {
		require.NoError(w.t, w.admission.Settle(context.Background(), grant, r.tokens, sentAt))
	})
	return grant, nil
}

// way returns how long a request takes to arrive: anything within the skew, of which half may be over
// where a commit takes time.
func (w *world) way() time.Duration {
	most := w.rules.Skew
	if w.real != nil {
		most /= 2
	}
	return time.Duration(w.rnd.Int64N(int64(most)))
}

// request returns a new request, unlike every other.
func (w *world) request(tokens int64) *request {
	w.requests++
	return &request{hash: w.requests * 0x9e3779b97f4a7c15, tokens: tokens, asked: w.elapsed()}
}

// told is how long a caller waits that honours a refusal: one in two reads
// Retry-After, the others the milliseconds.
func (w *world) told(wait *admission.Wait, r *request) time.Duration {
	left := max(wait.Start.Sub(w.admission.Now()), time.Millisecond)
	if r.hash>>40%2 == 0 {
		return (left + time.Second - 1).Truncate(time.Second)
	}
	return left
}
