package simulation

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// What the shares of TestFairShares can be compared with: the same callers, had all of them
// been there all the time, and been told nothing. At each instant at which room becomes free
// all that wait are gone through by turns, as package fair has them, and each goes to the
// first place that doesn't put off any before it. It knows every request, comes never late,
// and plans anew all the time; no gateway can, for who has been told to wait isn't there.
// What it loses is what order and sizes cost. It shares no code with the scheduler.
//
//	go test -v -run TestAllPresent ./internal/simulation -seeds 1001,1002,1003,1004,1005
func TestAllPresent(t *testing.T) {
	if testing.Short() {
		t.Skip("belongs to TestFairShares")
	}
	t.Parallel()
	limits := scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited}
	for text := range strings.SplitSeq(*seeds, ",") {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		for _, callers := range []int{2, 5, 20} {
			all := heavy(callers, true)
			p := &present{
				society: &society{world: &world{t: t, upstream: newArrivals(limits), rnd: rand.New(rand.NewPCG(seed, pool))}},
				callers: all, sent: make([][]lying, pool), served: make([]float64, callers),
			}
			p.run(*lasts)
			assert.Zero(t, p.upstream.violations())
			sums, total, largest := p.sums(all, *lasts)
			least, most, share := anyTen(sums, total, float64(callers), largest)
			t.Logf("%2d mixed, seed %d: shares %.2f..%.2f of %.1f largest requests, capacity %.1f%%, minutes full in requests or tokens %.1f%%",
				callers, seed, least, most, share, 100*float64(p.upstream.tokens(*lasts))/(tpm*pool*lasts.Minutes()), 100*p.upstream.full(*lasts))
		}
	}
}

// A present is a society whose callers are all there.
type present struct {
	*society
	callers []manner
	now     time.Duration
	queue   []asking
	served  []float64 // by caller
	sent    [][]lying // by project, what counts or is to
}

// An asking is a request that waits, of the i-th caller. They lie in the order in which they
// came.
type asking struct {
	caller int
	tokens int64
	turn   float64
}

// A lying is a request where it counts.
type lying struct {
	start, end time.Duration
	tokens     int64
}

// planned is how many of those that wait are gone through: the next two minutes' or so.
const planned = 60

func (p *present) run(length time.Duration) {
	for i, m := range p.callers {
		for range m.requests {
			p.at(time.Duration(p.rnd.Int64N(int64(5*time.Second))), func() { p.ask(i) })
		}
	}
	for len(p.agenda.events) > 0 && p.agenda.events[0].at < length {
		p.now = p.agenda.events[0].at
		for len(p.agenda.events) > 0 && p.agenda.events[0].at == p.now {
			heap.Pop(&p.agenda).(event).do()
		}
		for p.send() {
		}
	}
}

func (p *present) at(at time.Duration, do func()) {
	heap.Push(&p.agenda, event{at: at, order: p.agenda.next(), do: do})
}

func (p *present) ask(i int) {
	sizes := p.callers[i].tokens
	tokens := int64(float64(sizes[0]) * math.Pow(float64(sizes[1])/float64(sizes[0]), p.rnd.Float64()))
	p.queue = append(p.queue, asking{caller: i, tokens: tokens})
}

// send sends the first that may go now, and reports whether there was one.
func (p *present) send() bool {
	plan := make([][]lying, len(p.sent))
	for i := range p.sent {
		p.sent[i] = slices.DeleteFunc(p.sent[i], func(x lying) bool { return x.end <= p.now })
		plan[i] = slices.Clone(p.sent[i])
	}
	had := slices.Clone(p.served)
	for i := range p.queue {
		x := &p.queue[i]
		x.turn = had[x.caller]
		had[x.caller] += p.cost(x.tokens)
	}
	order := slices.SortedStableFunc(slices.Values(p.queue), func(a, b asking) int { return cmp.Compare(a.turn, b.turn) })
	for _, x := range order[:min(planned, len(order))] {
		best, start := 0, time.Duration(math.MaxInt64)
		for i := range plan {
			if s := p.first(plan[i], x.tokens); s < start {
				best, start = i, s
			}
		}
		slot := lying{start, start + scheduler.Window + scheduler.DefaultSkew, x.tokens}
		if start > p.now {
			plan[best] = append(plan[best], slot)
			continue
		}
		p.queue = slices.Delete(p.queue, slices.Index(p.queue, x), slices.Index(p.queue, x)+1)
		p.sent[best] = append(p.sent[best], slot)
		p.served[x.caller] += p.cost(x.tokens)
		project := fmt.Sprint(best)
		p.upstream.arrive(project, p.now+time.Duration(p.rnd.Int64N(int64(scheduler.DefaultSkew))), x.tokens)
		p.services = append(p.services, service{caller: p.callers[x.caller].name, project: project, at: p.now, tokens: x.tokens})
		p.at(slot.end, func() {})
		p.at(p.now+latency, func() { p.ask(x.caller) })
		return true
	}
	return false
}

// first returns the first start of so many tokens beside what lies there.
func (p *present) first(all []lying, tokens int64) time.Duration {
	starts := []time.Duration{p.now}
	for _, x := range all {
		starts = append(starts, x.end)
	}
	slices.Sort(starts)
	for _, s := range starts {
		fits := true
		for _, at := range all {
			if at := max(at.start, s); at < s+scheduler.Window+scheduler.DefaultSkew {
				fits = fits && p.room(all, at, tokens)
			}
		}
		if fits {
			return s
		}
	}
	panic("it is larger than a minute's")
}

// room reports whether so many tokens are free at an instant, and a request.
func (p *present) room(all []lying, at time.Duration, tokens int64) bool {
	n := int64(1)
	for _, x := range all {
		if x.start <= at && at < x.end {
			n, tokens = n+1, tokens+x.tokens
		}
	}
	return n <= p.upstream.limits.RPM && tokens <= p.upstream.limits.TPM
}
