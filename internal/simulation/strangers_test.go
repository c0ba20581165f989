package simulation

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// A turn is what changes at an instant in an organisation that somebody else uses too.
type turn struct {
	at    time.Duration
	burst float64 // of a minute's limit: what the stranger sends at once
	rate  float64 // of the limit: what the stranger sends from then on, evenly
	limit float64 // of the limit in the beginning: what holds from then on
	least float64 // of what holds is used until the next turn, by both, on average of all worlds
}

// worlds is how many crowds ask, each for itself. What a crowd sends it sends at once, once a minute: whether a turn of
// five minutes has four or five of these is chance, a fifth of what could be used.
const worlds = 5

// besideStrangers are the limits of organisations that somebody else uses too.
var besideStrangers = []regime{regimes[0], regimes[2], regimes[3], {
	name: "requests within any minute", provider: "cerebras", dialect: openaisim.Cerebras, counting: openaisim.CountSum,
	limits: []simquota.Limit{sliding(simquota.Requests, 12, perMinute), simquota.PerMinute(simquota.Tokens, 1_000_000)},
	input:  50, output: 50, bound: simquota.PerMinute(simquota.Requests, 12),
}}

var turns = []turn{
	{at: 0, limit: 1, least: 0.9},
	{at: 5 * time.Minute, limit: 1, burst: 0.5, least: 0.9},
	{at: 10 * time.Minute, limit: 1, rate: 0.25, least: 0.9},
	{at: 15 * time.Minute, limit: 1, least: 0.85}, // the stranger's last requests weigh on for a minute
	{at: 20 * time.Minute, limit: 1, rate: 0.5, least: 0.8},
	{at: 25 * time.Minute, limit: 1, least: 0.6},
	{at: 30 * time.Minute, limit: 0.5, least: 0.5}, // and what was sent under the old limit weighs twice
	{at: 35 * time.Minute, limit: 1, least: 0.85},
	{at: 40 * time.Minute},
}

// TestSomebodyElse has a crowd ask for more than there is in an organisation that a stranger uses
// too, who comes and goes and never waits, and whose limits change. The provider refuses one request at
// most for each change, with those that are on their way until its answer is there, and what the stranger leaves is used.
// A stranger that is refused itself, for all is used, and sends all the same isn't in what any answer tells before it is
// served, and then it has the place that was ours by all that was told: that is a change each time, on average of all
// worlds, for while a crowd waits for its minute nothing is heard of several that it sends. Of a limit of tokens that
// falls it is told that nothing is left, not how much too much was sent under the old one: who comes when the first may,
// and is larger, may be refused once more. The log has for each refusal what the stranger had sent that no answer had told of.
// Nobody knows how fast a stranger that has just begun sends, while nothing is heard: a world may have a refusal more, if something
// had been sent that no answer had told of. On average of all worlds there is none more.
func TestSomebodyElse(t *testing.T) {
	race.Skip(t)
	if testing.Short() {
		t.Skip("what is asserted is the average of many worlds; TestBurstsBesideSomebodyElse has one")
	}
	for _, r := range besideStrangers {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.organisations = 1
			sum := make([]tally, len(turns)-1)
			for world := range worlds {
				synctest.Test(t, func(t *testing.T) {
					f := newForeign(t, r)
					f.world = uint64(world)
					for i, o := range f.beside(turns) {
						sum[i].used += o.used
						sum[i].beyond += o.beyond
					}
				})
			}
			for i, x := range turns[:len(turns)-1] {
				t.Logf("from %v on: %.1f%% used on average, %+d refusals beside the changes", x.at, 100*sum[i].used/worlds, sum[i].beyond)
				assert.LessOrEqual(t, sum[i].beyond, 0, "from %v on", x.at)
				assert.GreaterOrEqual(t, sum[i].used/worlds, x.least, "from %v on", x.at)
			}
		})
	}
}

// A tally is what came of a turn.
type tally struct {
	used   float64 // of what holds
	beyond int     // how much more often something was refused than anything changed; below 0: less often
}

// beside has the crowd ask beside a stranger, and returns what came of each turn.
func (f *foreign) beside(turns []turn) (all []tally) {
	f.begin = time.Now()
	end := f.begin.Add(turns[len(turns)-1].at)
	who := &stranger{ledger: f.ledger, of: f.bound.Dimension, each: 1}
	if f.bound.Dimension != simquota.Requests {
		who.each = f.bound.Amount / 24
	}
	used := []int64{0} // until the end of each turn
	was := []stranger{{}}
	var group sync.WaitGroup
	group.Go(func() {
		for i, x := range turns[:len(turns)-1] {
			f.limit(x.limit)
			who.run(x, f.begin.Add(turns[i+1].at), f.bound)
			used, was = append(used, f.ledger.Used(org(0), "m")[f.bound.Dimension]), append(was, *who)
		}
	})
	f.unleash(&group, end)
	group.Wait()
	assert.Empty(f.t, f.strays)
	untold := f.untold(turns, who)
	before := 1.0 // the limit
	for i, x := range turns[:len(turns)-1] {
		next, most := turns[i+1].at, 1
		if x.limit < before && f.bound.Dimension != simquota.Requests {
			most++
		}
		before = x.limit
		var refused []time.Duration // the first of those that were on their way together
		for _, request := range f.log() {
			at := request.At.Sub(f.begin)
			if request.Status != http.StatusTooManyRequests || at < x.at || next <= at || at <= f.latency {
				continue
			}
			if n := len(refused); n == 0 || at > refused[n-1]+f.latency {
				refused = append(refused, at)
			}
		}
		part := float64(used[i+1]-used[i]) / (float64(f.bound.Amount) * x.limit * float64(next-x.at) / float64(f.bound.Per))
		served, turned := was[i+1].served-was[i].served, was[i+1].refused-was[i].refused
		f.t.Logf("from %v on: requests refused at %v, %.1f%% used; of the stranger %d served, %d refused", x.at, refused, 100*part, served, turned)
		for _, at := range refused[min(most, len(refused)):] {
			assert.True(f.t, turned > 0 || untold[at] > 0, "from %v on, all was told when one was refused after %v", x.at, at)
		}
		all = append(all, tally{used: part, beyond: len(refused) - most - turned})
	}
	return all
}

// untold logs of each refusal what no answer had told by then: what the stranger sent, or a change of the limit, since
// the last request arrived of which there was an answer. It returns how much that was, by when it was refused.
func (f *foreign) untold(turns []turn, who *stranger) map[time.Duration]int {
	all := make(map[time.Duration]int)
	changes := slices.Clone(who.at)
	for _, x := range turns {
		changes = append(changes, f.begin.Add(x.at))
	}
	log := f.log()
	for _, request := range log {
		if request.Status != http.StatusTooManyRequests || request.At.Sub(f.begin) <= f.latency {
			continue
		}
		var known time.Time
		for _, x := range log {
			answered := x.At
			if x.Status == http.StatusOK {
				answered = answered.Add(f.latency)
			}
			if answered.Before(request.At) && x.At.After(known) {
				known = x.At
			}
		}
		unseen := slices.DeleteFunc(slices.Clone(changes), func(at time.Time) bool { return !at.After(known) || at.After(request.At) })
		since := []time.Duration{}
		for _, at := range unseen {
			since = append(since, at.Sub(f.begin))
		}
		f.t.Logf("refused after %v, answers had told what was until %v; not told: %v", request.At.Sub(f.begin), known.Sub(f.begin), since)
		all[request.At.Sub(f.begin)] = len(since)
	}
	return all
}

// limit changes the limits to a part of what they were in the beginning.
func (f *foreign) limit(part float64) {
	var limits []simquota.Limit
	for _, l := range f.limits {
		l.Amount = int64(float64(l.Amount) * part)
		limits = append(limits, l)
	}
	f.ledger.SetLimits(org(0), "m", limits)
}

// A stranger uses an organisation by itself, and doesn't care for what it is told.
type stranger struct {
	ledger *simquota.Ledger
	of     simquota.Dimension
	each   int64 // what a request counts of that

	served, refused int
	at              []time.Time // when it was served
}

// run sends what a turn says until it ends.
func (s *stranger) run(x turn, end time.Time, bound simquota.Limit) {
	whole := float64(bound.Amount) / float64(s.each)
	for range int(x.burst * whole) {
		s.send()
	}
	for x.rate > 0 && time.Now().Before(end) {
		s.send()
		time.Sleep(time.Duration(float64(bound.Per) / (whole * x.rate)))
	}
	time.Sleep(time.Until(end))
}

func (s *stranger) send() {
	one := simquota.Amounts{simquota.Requests: 1}
	one[s.of] = s.each
	if _, refused := s.ledger.Try(time.Now(), org(0), "m", one); refused != nil {
		s.refused++
		return
	}
	s.served, s.at = s.served+1, append(s.at, time.Now())
}
