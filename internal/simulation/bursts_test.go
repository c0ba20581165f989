package simulation

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// TestBurstsBesideSomebodyElse has up to ten requests come at once, now and then, in an organisation that a stranger uses
// too, steadily, and for all that anybody knows here it may have come or gone since the last of them. The provider refuses one
// group of them at most for each of its changes: those that go before anything was heard of it.
func TestBurstsBesideSomebodyElse(t *testing.T) {
	race.Skip(t)
	all := besideStrangers
	const half = 30 * time.Minute
	strangers := map[string][]turn{
		"nobody":                       {{}, {at: half}},
		"a half":                       {{rate: 0.5}, {at: half}},
		"three quarters":               {{rate: 0.75}, {at: half}},
		"three quarters, on and off":   {{rate: 0.75}, {at: half / 3}, {at: 2 * half / 3, rate: 0.75}, {at: half}},
		"none, and then three eighths": {{}, {at: half / 2, rate: 0.375}, {at: half}},
	}
	if testing.Short() {
		all, strangers = all[:1], map[string][]turn{"three quarters": strangers["three quarters"]}
	}
	for _, r := range all {
		r.organisations = 1
		for name, turns := range strangers {
			t.Run(fmt.Sprintf("%s, of which a stranger takes %s", r.name, name), func(t *testing.T) {
				t.Parallel()
				var sum burstTally
				for world := range worlds {
					synctest.Test(t, func(t *testing.T) {
						f := newForeign(t, r)
						f.world = uint64(world)
						o := f.bursts(turns)
						changes := len(turns) - 1
						if turns[0].rate == 0 {
							changes--
						}
						assert.LessOrEqual(t, o.groups, changes)
						sum.groups, sum.refused, sum.answered, sum.took, sum.evenly = sum.groups+o.groups, sum.refused+o.refused, sum.answered+o.answered, sum.took+o.took, sum.evenly+o.evenly
						sum.served, sum.turned = sum.served+o.served, sum.turned+o.turned
					})
				}
				each := func(d time.Duration) time.Duration { return (d / time.Duration(sum.answered)).Round(time.Second / 10) }
				price := ""
				if r.bound.Dimension == simquota.Requests {
					price = fmt.Sprintf(" (%v by what the stranger leaves, one after the other as it is refilled)", each(sum.evenly))
				}
				t.Logf("%d groups of refusals, %d in all; %d answered, after %v on average%s; of the stranger %d served, %d refused",
					sum.groups, sum.refused, sum.answered, each(sum.took), price, sum.served, sum.turned)
			})
		}
	}
}

// A burstTally is what came of bursts.
type burstTally struct {
	groups, refused, answered int
	took                      time.Duration // until they were answered, all together
	evenly                    time.Duration // the same, had each request gone once the stranger has left one for it, one after the other
	served, turned            int           // of the stranger's
}

// bursts has requests come together beside a stranger.
func (f *foreign) bursts(turns []turn) (o burstTally) {
	f.begin = time.Now()
	end := f.begin.Add(turns[len(turns)-1].at)
	who := &stranger{ledger: f.ledger, of: f.bound.Dimension, each: 1}
	if f.bound.Dimension != simquota.Requests {
		who.each = f.bound.Amount / 24
	}
	var all sync.WaitGroup
	all.Go(func() {
		for i, x := range turns[:len(turns)-1] {
			who.run(x, f.begin.Add(turns[i+1].at), f.bound)
		}
	})
	rnd := rand.New(rand.NewPCG(f.world, 11))
	var mu sync.Mutex
	free := f.begin // when the next would be left
	leaves := func() time.Duration {
		rate := 0.0
		for _, x := range turns[:len(turns)-1] {
			if !time.Now().Before(f.begin.Add(x.at)) {
				rate = x.rate
			}
		}
		return time.Duration(float64(f.bound.Per) / float64(f.bound.Amount) / (1 - rate))
	}
	for i := 0; ; i++ {
		time.Sleep(time.Duration(10+rnd.IntN(230)) * time.Second)
		if !time.Now().Before(end) {
			break
		}
		for j := range 1 + rnd.IntN(10) {
			body, begun := f.body(rnd, i, j), time.Now()
			if free.Before(begun) {
				free = begun
			}
			free = free.Add(leaves())
			o.evenly += free.Sub(begun) + f.latency
			all.Go(func() {
				f.ask(body, j%2 == 0, end.Add(time.Hour))
				mu.Lock()
				defer mu.Unlock()
				o.answered, o.took = o.answered+1, o.took+time.Since(begun)
			})
		}
	}
	all.Wait()
	assert.Empty(f.t, f.strays)
	last := -f.latency
	for _, request := range f.log() {
		at := request.At.Sub(f.begin)
		if request.Status != http.StatusTooManyRequests {
			continue
		}
		if o.refused++; at > last+f.latency {
			o.groups, last = o.groups+1, at
		}
	}
	o.served, o.turned = who.served, who.refused
	return o
}
