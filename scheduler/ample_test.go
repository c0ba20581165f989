package scheduler_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
)

// Planning doesn't look at when things end where they all fit at once. What was
// told counts among them: here a block is all that is in the way, and whoever
// is told its end must not all be told the same.
func TestPromisedBehindABlock(t *testing.T) {
	now := At(time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC))
	p := newPool(t, 1, map[string]Limits{"m-flash": {RPM: 1, TPM: 1000, RPD: 100}})
	p.refuse(now, 0, RecordRefusal{Model: "m-flash", Block: Block{Cause: ByMinute, Until: now.Add(10 * time.Second)}})
	req := Request{Chain: []string{"m-flash"}, Demand: Demand{Tokens: 10}}
	first, _ := p.plan(now, req)
	assert.Equal(t, 10*time.Second, first.Wait)
	p.waitlist[0]["m-flash"] = []Booking{{ID: 1, Rank: 1, Start: first.Start, Demand: req.Demand}}
	second, _ := p.plan(now, req)
	assert.Greater(t, second.Wait, 70*time.Second, "after the minute of the one before it")
}

// BenchmarkPlanUnlimited plans for projects that are busy without coming near
// their limits.
func BenchmarkPlanUnlimited(b *testing.B) {
	rules := rulesFor(map[string]Limits{"m-flash": {RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}})
	now := At(time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC))
	candidates := make([]Candidate, 8)
	for i := range candidates {
		var p *Project
		for n := range 6000 {
			p, _ = p.Apply(rules, now.Add(time.Duration(n)*10*time.Millisecond), Reserve{Model: "m-flash", Demand: Demand{Tokens: 50}, ID: uint64(n + 1)})
		}
		candidates[i] = Candidate{ID: fmt.Sprint(i), State: p}
	}
	req := Request{Chain: []string{"m-flash"}, Demand: Demand{Tokens: 50}}
	b.ReportAllocs()
	for b.Loop() {
		if o, _ := Plan(rules, now.Add(time.Minute), candidates, req, func(int) int { return 0 }); !o.Now() {
			b.Fatal(o)
		}
	}
}

// In whichever order those are given that were told times, and however long each of them lasts, the same is planned.
func TestOrderOfPromisesDoesNotMatter(t *testing.T) {
	now := At(time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC))
	p := newPool(t, 1, map[string]Limits{"m-flash": {RPM: 4, TPM: 1000, RPD: Unlimited}})
	rnd := rand.New(rand.NewPCG(1, 4))
	for range 300 {
		told := make([]Booking, 1+rnd.IntN(12))
		for i := range told {
			told[i] = Booking{ID: uint64(i + 1), Rank: uint64(i + 1), Start: now + Instant(rnd.IntN(200_000)), Demand: Demand{Tokens: rnd.Int64N(3000)}}
		}
		req := Request{Chain: []string{"m-flash"}, Demand: Demand{Tokens: 600}, Queue: true}
		slices.SortFunc(told, func(a, b Booking) int { return cmp.Compare(a.Start, b.Start) })
		p.waitlist[0]["m-flash"] = told
		sorted, _ := p.plan(now, req)
		told = slices.Clone(told)
		rnd.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
		p.waitlist[0]["m-flash"] = told
		shuffled, _ := p.plan(now, req)
		assert.Equal(t, sorted.Start, shuffled.Start)
	}
}
