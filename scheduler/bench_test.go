package scheduler_test

import (
	"fmt"
	"testing"
	"time"

	"fluxgate.dev/fluxgate/internal/race"
	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
)

// saturate returns eight projects whose calendars are full, with callers
// waiting: the state in which planning has most to look at.
func saturate(b testing.TB, rules *Rules, bookings int) (Instant, []Candidate) {
	now := noon
	candidates := make([]Candidate, 8)
	id := uint64(0)
	for i := range candidates {
		var p *Project
		for _, model := range DefaultChain() {
			for range 20 {
				id++
				p, _ = apply(b, rules, p, now, Reserve{Model: model, Demand: Demand{Tokens: 10_000}, ID: id})
			}
			for range bookings {
				id++
				p, _ = apply(b, rules, p, now, Reserve{Model: model, Demand: Demand{Tokens: 10_000}, ID: id, Book: true})
			}
		}
		candidates[i] = Candidate{ID: fmt.Sprint(i), State: p}
	}
	return now, candidates
}

// nobody was told anything.
func nobody(string, string) []Booking { return nil }

// named returns rules in which an operator has named the limits, so that none is tried beyond: there
// were no such probes once, and so these benchmarks do what those of commit 4bd3115 do.
func named() *Rules {
	rules, overrides := defaultRules(), map[string]Override{}
	for _, family := range []Family{Pro, Flash, FlashLite} {
		l := DefaultLimits(family)
		overrides[string(family)] = Override{RPM: &l.RPM, TPM: &l.TPM, RPD: &l.RPD}
	}
	rules.Policy = NewPolicy(nil, overrides)
	return rules
}

func BenchmarkPlan(b *testing.B) {
	rules := named()
	for name, c := range map[string]struct {
		bookings int
		maxWait  *time.Duration
	}{
		"sent": {0, nil}, "booked": {10, nil}, "chain": {10, ptr(time.Duration(0))},
	} {
		b.Run(name, func(b *testing.B) {
			now, candidates := saturate(b, rules, c.bookings)
			req := Request{Chain: DefaultChain(), Demand: Demand{Tokens: 10_000}, MaxWait: c.maxWait, Waitlist: nobody}
			first := func(int) int { return 0 }
			b.ReportAllocs()
			for b.Loop() {
				if _, cause := Plan(rules, now+1000, candidates, req, first); cause != NoCause {
					b.Fatal(cause)
				}
			}
		})
	}
	b.Run("free", func(b *testing.B) {
		now, candidates := saturate(b, rules, 0)
		req := Request{Chain: DefaultChain(), Demand: Demand{Tokens: 10_000}, Waitlist: nobody}
		first := func(int) int { return 0 }
		b.ReportAllocs()
		for b.Loop() {
			if o, _ := Plan(rules, now+61_000, candidates, req, first); !o.Now() {
				b.Fatal(o)
			}
		}
	})
}

func BenchmarkApply(b *testing.B) {
	rules := named()
	now, candidates := saturate(b, rules, 10)
	p := candidates[0].State
	held := p.Calendar("gemini-2.5-flash").Bookings[0]
	sent, result := p.Apply(rules, now+300_000, Reserve{Model: "gemini-2.5-flash", Demand: Demand{Tokens: 10_000}, ID: 1 << 40})
	for name, c := range map[string]struct {
		p      *Project
		at     Instant
		change Change
		want   Verdict
	}{
		"settle":  {sent, now + 301_000, Settle{Model: "gemini-2.5-flash", ID: 1 << 40, Reserved: result.Reservation, Tokens: 9000, SentAt: now + 300_100}, ""},
		"admit":   {p, now + 300_000, Reserve{Model: "gemini-2.5-flash", Demand: Demand{Tokens: 10_000}, ID: 1 << 40}, Admitted},
		"refuse":  {p, now + 1000, Reserve{Model: "gemini-2.5-flash", Demand: Demand{Tokens: 10_000}, ID: 1 << 40}, Refused},
		"claim":   {p, held.Start, Reserve{Model: "gemini-2.5-flash", Demand: held.Demand, ID: 1 << 40, Booking: held.ID}, Admitted},
		"refusal": {p, now + 1000, RecordRefusal{Model: "gemini-2.5-flash", Block: Block{Cause: ByMinute, Until: now + 90_000}}, ""},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, result := c.p.Apply(rules, c.at, c.change); result.Verdict != c.want {
					b.Fatalf("%+v", result)
				}
			}
		})
	}
}

// Planning for projects that have room allocates nothing: it is done for each request, and a
// closure that keeps a calendar is enough to put those of all plans on the heap.
func TestPlanAllocatesNothing(t *testing.T) {
	race.Skip(t) // under it a sync.Pool loses some of what it is given
	rules := named()
	now, candidates := saturate(t, rules, 0)
	req := Request{Chain: DefaultChain(), Demand: Demand{Tokens: 10_000}, Waitlist: nobody}
	first := func(int) int { return 0 }
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if o, _ := Plan(rules, now+61_000, candidates, req, first); !o.Now() {
			t.Error("a project has room:", o)
		}
	}))
}

// TestOtherProvidersCostGeminiNothing: whatever is configured and measured of other providers, what is kept of Gemini's projects is the same, and
// so is its document; and planning and changing allocate as much, with room and without.
func TestOtherProvidersCostGeminiNothing(t *testing.T) {
	race.Skip(t) // under it a sync.Pool loses some of what it is given
	alone, beside := named(), named()
	some := EffectiveLimits{Limits: Limits{RPM: 10, TPM: 1000, RPD: Unlimited}, RPMFrom: FromOperator, TPMFrom: FromOperator, RPDFrom: FromOperator}
	beside.Specs = map[string]Spec{
		OfWindow("azure/*", sec): {Window: sec, EffectiveLimits: some}, OfBucket("openai/*", time.Minute): {Refill: true, EffectiveLimits: some},
		OfPlaces("anthropic/m"): {Window: PlaceFor, AtATime: true, AtAnswer: true, EffectiveLimits: some},
	}
	beside.Projects = map[string]*Rules{"org": named()}
	beside = beside.Nearer(map[string]time.Duration{"azure": 40 * ms, "openai": 50 * ms})
	for _, bookings := range []int{0, 10} {
		now, candidates := saturate(t, alone, bookings)
		_, same := saturate(t, beside, bookings)
		assert.Equal(t, candidates, same)
		req := Request{Chain: DefaultChain(), Demand: Demand{Tokens: 10_000}, Waitlist: nobody}
		first := func(int) int { return 0 }
		for _, at := range []Instant{now + 1000, now + 61_000} {
			cost := func(rules *Rules) [2]float64 {
				plan := testing.AllocsPerRun(100, func() { Plan(rules, at, candidates, req, first) })
				change := Reserve{Model: DefaultChain()[0], Demand: Demand{Tokens: 10_000}, ID: 1 << 40}
				return [2]float64{plan, testing.AllocsPerRun(100, func() { candidates[0].State.Apply(rules, at, change) })}
			}
			assert.Equal(t, cost(alone), cost(beside), "%d booked, %v later", bookings, at-now)
		}
	}
}
