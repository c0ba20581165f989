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

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// What the shares of TestFairShares can be compared with: the same callers, had all of them
// been there all the time, and been told nothing. At each instant at which room becomes free
// all that wait are gone through by turns, as package fair has them, and each goes to the
// first place that doesn't put off any before it. It knows every request, comes never late,
// and plans anew all the time; no gateway can, for who has been told to wait isn't there.
// What it loses is what order and sizes cost. It shares no code with the scheduler.
//
// The second row of each is the same, but that each slot stands idle until its holder comes:
// who had to wait was told whole seconds, and comes as late as its manner says. So a gateway
// that keeps what it promised is best compared with that; it is better only where somebody
// else is there in place of one that is late.
//
//	go test -v -run TestAllPresent ./internal/simulation -seeds 1001,1002,1003,1004,1005
func TestAllPresent(t *testing.T) {
	race.Skip(t)
	if testing.Short() {
		t.Skip("belongs to TestFairShares")
	}
	t.Parallel()
	limits := scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited}
	for text := range strings.SplitSeq(*seeds, ",") {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		for _, c := range []struct {
			callers int
			mixed   bool
		}{{20, false}, {2, true}, {5, true}, {20, true}} {
			for _, late := range []bool{false, true} {
				all := heavy(c.callers, c.mixed)
				p := &present{
					society: &society{world: &world{t: t, upstream: newArrivals(limits), rnd: rand.New(rand.NewPCG(seed, pool))}},
					callers: all, late: late, sent: make([][]lying, pool), served: make([]float64, c.callers),
				}
				p.run(*lasts)
				assert.Zero(t, p.upstream.violations())
				sums, total, largest := p.sums(all, *lasts)
				least, most, share, off, outside := anyTen(sums, total, float64(c.callers), largest)
				sizes, used := "equal", float64(len(p.services))/(pool*rpm*lasts.Minutes())
				if c.mixed {
					sizes, used = "mixed", float64(p.upstream.tokens(*lasts))/(tpm*pool*lasts.Minutes())
				}
				manner := "never late"
				if late {
					manner = "late"
				}
				t.Logf("%2d %s, %s, seed %d: shares %.2f..%.2f, differ from 1 by %.4f, and %d by more than 0.1, of %.1f largest requests, by turns alone within %.2f of 1, capacity %.1f%%, minutes full in requests or tokens %.1f%%",
					c.callers, sizes, manner, seed, least, most, off, outside, share, uneven(p.largest(), nil)/(share*largest), 100*used, 100*p.upstream.full(*lasts))
			}
		}
	}
}

// A present is a society whose callers are all there.
type present struct {
	*society
	callers []manner
	late    bool // each slot stands idle until its holder comes
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
	asked  time.Duration
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
	tokens := sizes[0]
	if sizes[1] > tokens {
		tokens = int64(float64(tokens) * math.Pow(float64(sizes[1])/float64(tokens), p.rnd.Float64()))
	}
	p.queue = append(p.queue, asking{caller: i, tokens: tokens, asked: p.now})
}

// lateness is how long a slot that is free stands idle until its holder comes. Who comes by
// its own clock is as good as there.
func (p *present) lateness(x asking) (late time.Duration) {
	m := p.callers[x.caller]
	if !p.late || m.every > 0 || x.asked == p.now {
		return 0
	}
	if m.late > 0 {
		late = time.Duration(p.rnd.Int64N(int64(m.late)))
	}
	return late + time.Duration(p.rnd.Int64N(int64(time.Second)))
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
		sent := p.now + p.lateness(x)
		slot.end += sent - p.now
		p.sent[best] = append(p.sent[best], slot)
		p.served[x.caller] += p.cost(x.tokens)
		project := fmt.Sprint(best)
		p.upstream.arrive(project, sent+time.Duration(p.rnd.Int64N(int64(scheduler.DefaultSkew))), x.tokens)
		p.services = append(p.services, service{caller: p.callers[x.caller].name, project: project, at: sent, tokens: x.tokens})
		p.at(slot.end, func() {})
		p.at(sent+latency, func() { p.ask(x.caller) })
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
