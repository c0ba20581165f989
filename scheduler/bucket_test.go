package scheduler_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/threadtime"
	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// refilling returns rules in which searches come out of a bucket.
func refilling(l Limits, full Burst, window time.Duration) *Rules {
	rules := searching(l, window)
	rules.Specs[search] = Spec{EffectiveLimits: EffectiveLimits{Limits: l}, Window: window, Refill: true, Burst: full}
	return rules
}

// TestBucket: of a bucket that holds five requests and is refilled with one a second, five
// may go at once, and then one a second, not five a minute later. What isn't refilled
// because it is full is lost.
func TestBucket(t *testing.T) {
	rules := refilling(Limits{RPM: 60, TPM: Unlimited, RPD: Unlimited}, Burst{Requests: 5}, 0)
	rules.Policy = NewPolicy([]string{"m"}, map[string]Override{"m": {RPM: ptr(Unlimited), TPM: ptr(Unlimited), RPD: ptr(Unlimited)}})
	var p *Project
	id := uint64(0)
	ask := func(at time.Duration) Result {
		t.Helper()
		id++
		var result Result
		p, result = apply(t, rules, p, noon.Add(at), Reserve{Model: "m", ID: id, Also: []Weight{{On: search}}})
		return result
	}
	for range 5 {
		require.Equal(t, Admitted, ask(0).Verdict)
	}
	next, cause := p.Earliest(rules, noon, "m", Demand{}, []Weight{{On: search}})
	assert.Equal(t, noon+1500, next, "refilling makes up for what has arrived, half a second later at the latest")
	assert.Equal(t, ByRPM, cause)
	told := ask(0)
	assert.Equal(t, noon+2000, told.Start, "in whole seconds")
	assert.Equal(t, search, told.On)
	assert.Equal(t, Refused, ask(1499*ms).Verdict)
	assert.Equal(t, Admitted, ask(1500*ms).Verdict)
	assert.Equal(t, Refused, ask(1501*ms).Verdict)
	used, _ := p.Calendar(search).InWindow(rules, noon.Add(1501*ms))
	assert.EqualValues(t, 5, used, "all of it is missing")
	assert.Equal(t, Admitted, ask(2500*ms).Verdict)
	for i := range 5 {
		assert.Equal(t, Admitted, ask(time.Hour).Verdict, "%d of no more than five that were refilled in an hour", i)
	}
	assert.Equal(t, Refused, ask(time.Hour).Verdict)

	// Day after day it is one a second, and the document doesn't grow by it.
	for i := range 500 {
		require.Equal(t, Admitted, ask(time.Hour+time.Duration(i+1)*1500*ms).Verdict)
	}
	assert.LessOrEqual(t, len(p.Calendar(search).Sent)+len(p.Calendar(search).Folded), 64)
	p, _ = apply(t, rules, p, noon.Add(3*time.Hour), Reserve{Model: "m", ID: 1 << 30})
	assert.True(t, p.Calendar(search).Quiet(rules, noon.Add(3*time.Hour)), "full again, it may give up its place")
}

// TestBucketSettles: what is settled is given back or taken in addition, even long after.
func TestBucketSettles(t *testing.T) {
	rules := refilling(Limits{RPM: Unlimited, TPM: 600, RPD: Unlimited}, Burst{Tokens: 1000}, 0) // 10 a second
	p, first := apply(t, rules, nil, noon, Reserve{Model: "m", ID: 1, Also: []Weight{{On: search, Demand: Demand{Tokens: 1000}}}})
	require.Equal(t, Admitted, first.Verdict)
	missing := func(p *Project, at Instant) int64 {
		_, tokens := p.Calendar(search).InWindow(rules, at)
		return tokens
	}
	assert.EqualValues(t, 1000, missing(p, noon+500))
	assert.EqualValues(t, 995, missing(p, noon+1000))
	settle := Settle{Model: "m", ID: 1, Reserved: first.Reservation, Tokens: -1, Also: first.Also, Counted: []int64{400}, SentAt: noon + 100}
	less, _ := apply(t, rules, p, noon+1000, settle)
	assert.EqualValues(t, 395, missing(less, noon+1000), "400, and 10 a second since 500 ms")
	settle.Counted[0] = 1300
	more, _ := apply(t, rules, p, noon+1000, settle)
	assert.EqualValues(t, 1295, missing(more, noon+1000), "it may be in debt")
	late, _ := apply(t, rules, p, noon.Add(110*time.Second), settle)
	assert.EqualValues(t, 1300, missing(late, noon.Add(110*time.Second)), "when it was taken isn't known any more")
	again, result := apply(t, rules, late, noon.Add(110*time.Second), settle)
	assert.False(t, result.Changed)
	assert.Equal(t, late, again)
	_, result = apply(t, rules, less, noon+1000, Reserve{Model: "m", ID: 2, Also: []Weight{{On: search, Demand: Demand{Tokens: 1001}}}})
	assert.Equal(t, TooLarge, result.Cause, "more than it ever holds")
}

// TestBucketLearns: a rate that upstream names counts from then on, and as long as nothing is known
// of what it may hold, it holds no more.
func TestBucketLearns(t *testing.T) {
	rules := refilling(Limits{RPM: 60, TPM: Unlimited, RPD: Unlimited}, Burst{Requests: 50}, 0)
	p, _ := apply(t, rules, nil, noon, RecordRefusal{Model: search, Limits: Limits{RPM: 6}})
	for i := range 7 {
		var result Result
		p, result = apply(t, rules, p, noon, Reserve{Model: "m", ID: uint64(i) + 1, Also: []Weight{{On: search}}})
		assert.Equal(t, i < 6, result.Verdict == Admitted, i)
	}
	next, _ := p.Earliest(rules, noon, "m", Demand{}, []Weight{{On: search}})
	assert.Equal(t, noon+10_500, next)
}

// TestOtherTerms: rules in which a bucket becomes a window, or a window a bucket, let nobody in
// whom either would have kept out.
func TestOtherTerms(t *testing.T) {
	limits := Limits{RPM: 3, TPM: Unlimited, RPD: Unlimited}
	refills, slides := refilling(limits, Burst{}, 0), searching(limits, 0)
	for name, rules := range map[string][2]*Rules{"a window": {refills, slides}, "a bucket": {slides, refills}} {
		t.Run(name, func(t *testing.T) {
			var p *Project
			also := []Weight{{On: search}}
			for i := range 3 {
				var result Result
				p, result = apply(t, rules[0], p, noon+Instant(i)*1000, Reserve{Model: "m", ID: uint64(i) + 1, Also: also})
				require.Equal(t, Admitted, result.Verdict)
			}
			next, cause := p.Earliest(rules[1], noon+3000, "m", Demand{}, also)
			assert.Equal(t, ByRPM, cause)
			assert.GreaterOrEqual(t, next, noon+60_500, "when the first is over in a window")
			assert.LessOrEqual(t, next, noon+82_500, "when one is refilled after all have left it")
			p, result := apply(t, rules[1], p, next, Reserve{Model: "m", ID: 9, Also: also})
			require.Equal(t, Admitted, result.Verdict)
			p, _ = apply(t, rules[1], p, next.Add(3*time.Minute), Reserve{Model: "m", ID: 10, Also: also})
			assert.Equal(t, rules[1] == refills, p.Calendar(search).Debt.Per != 0, "then it is what the rules say")
		})
	}
}

// TestBucketEarliest compares Earliest with brute force on buckets with many bookings.
func TestBucketEarliest(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		l := Limits{
			RPM: rapid.SampledFrom([]int64{1, 7, 60, 1000, Unlimited}).Draw(t, "rpm"),
			TPM: rapid.SampledFrom([]int64{700, 4000, Unlimited}).Draw(t, "tpm"), RPD: Unlimited,
		}
		rules := refilling(l, Burst{
			Requests: rapid.SampledFrom([]int64{0, 2, 9}).Draw(t, "requests"), Tokens: rapid.SampledFrom([]int64{0, 1000, 3000}).Draw(t, "tokens"),
		}, rapid.SampledFrom([]time.Duration{sec, 10 * sec, time.Minute}).Draw(t, "window"))
		rules.Policy = NewPolicy([]string{"m"}, map[string]Override{"m": {RPM: ptr(Unlimited), TPM: ptr(Unlimited), RPD: ptr(Unlimited)}})
		demand := func() Demand {
			return Demand{
				Tokens: rapid.Int64Range(0, 700).Draw(t, "weight"), Requests: rapid.Int64Range(0, 2).Draw(t, "count"),
				Allowance: time.Duration(rapid.IntRange(0, 4000).Draw(t, "allowance")) * ms,
			}
		}
		var p *Project
		now := noon
		for i := range rapid.IntRange(5, 60).Draw(t, "asked") {
			now += Instant(rapid.IntRange(0, 900).Draw(t, "pause"))
			d := demand()
			p, _ = apply(t, rules, p, now, Reserve{
				Model: "m", ID: uint64(i) + 1, Book: rapid.Bool().Draw(t, "book"), Hold: drawHold(t), Demand: Demand{Allowance: d.Allowance}, Also: []Weight{{On: search, Demand: d}},
			})
		}
		for range 10 {
			d := demand()
			exact(t, rules, p, now, Demand{Allowance: d.Allowance}, []Weight{{On: search, Demand: d}})
			now += Instant(rapid.IntRange(0, 3000).Draw(t, "later"))
		}
	})
}

// TestMidnights: a day ends at the midnight of its zone. One that rolls is a window, and a
// day that isn't limited none.
func TestMidnights(t *testing.T) {
	kyiv, err := time.LoadLocation("Europe/Kyiv")
	require.NoError(t, err)
	day := func(zone *time.Location) Spec {
		return Spec{EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: Unlimited, TPM: Unlimited, RPD: 1}}, Zone: zone}
	}
	rules := rulesFor(map[string]Limits{"m": {RPM: Unlimited, TPM: Unlimited, RPD: Unlimited}})
	rules.Specs = map[string]Spec{
		"#pacific": day(nil), "#utc": day(time.UTC), "#kyiv": day(kyiv),
		"#rolling": {EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}}, Window: 24 * time.Hour},
	}
	now := At(time.Date(2026, 10, 24, 18, 0, 0, 0, time.UTC)) // 11:00 in California, 21:00 in Kyiv, where the next day has 25 hours
	for name, wait := range map[string]time.Duration{
		"#pacific": 13 * time.Hour, "#utc": 6 * time.Hour, "#kyiv": 3 * time.Hour, "#rolling": 24 * time.Hour, "#none": 0,
	} {
		t.Run(name, func(t *testing.T) {
			also := []Weight{{On: name}}
			p, _ := apply(t, rules, nil, now, Reserve{Model: "m", ID: 1, Also: also})
			next, cause := p.Earliest(rules, now, "m", Demand{}, also)
			if wait == 0 {
				assert.Equal(t, now, next)
				return
			}
			assert.Equal(t, now.Add(wait+rules.Skew), next)
			assert.Contains(t, []Cause{ByRPD, ByRPM}, cause)
			p, result := apply(t, rules, p, next, Reserve{Model: "m", ID: 2, Also: also})
			require.Equal(t, Admitted, result.Verdict)
			again, _ := p.Earliest(rules, next, "m", Demand{}, also)
			if name == "#kyiv" {
				assert.Equal(t, now.Add(wait+25*time.Hour+rules.Skew), again)
			} else {
				assert.Equal(t, now.Add(wait+24*time.Hour+rules.Skew).Time().Hour(), again.Time().Hour())
			}
			p, refused := apply(t, rules, p, next, RecordRefusal{Model: name, Block: Block{Cause: ByDay}})
			require.True(t, refused.Changed)
			if name != "#rolling" {
				assert.Equal(t, again, p.Calendar(name).Block.Until, "a refusal for the day lasts until then")
			}
		})
	}
}

// bucket returns what a bucket holds when it is full.
func bucket(s Spec) Burst {
	if s.Burst.Requests == 0 {
		s.Burst.Requests = s.RPM
	}
	if s.Burst.Tokens == 0 {
		s.Burst.Tokens = s.TPM
	}
	return s.Burst
}

// fitsBucket is fitsMinute for a bucket: for no instant before may more have been taken since
// than was refilled since and fits into it, at s, and at the start of every later booking
// for which it makes a difference.
func fitsBucket(rules *Rules, c *Calendar, now, s Instant, d Demand, below uint64) bool {
	spec := rules.Specs[c.Model]
	full, per := bucket(spec), int64(spec.Window/ms)
	if per == 0 {
		per = Window.Milliseconds()
	}
	type taken struct {
		from, arrived    Instant
		tokens, requests int64
	}
	var all []taken
	for _, r := range c.Sent {
		all = append(all, taken{0, r.End, r.Tokens, r.Requests})
	}
	for _, r := range c.Folded {
		all = append(all, taken{0, r.End, r.Tokens, r.Requests})
	}
	at := []Instant{s}
	for _, b := range c.Bookings {
		hold := heldUntil(rules, b)
		if b.Rank >= below || hold < now {
			continue
		}
		x := taken{b.Start, b.Start.Add(rules.Late(c.Model) + b.Demand.Allowance), b.Demand.Tokens, requests(b.Demand)}
		if s <= hold {
			x.arrived += hold - b.Start
		}
		if all = append(all, x); b.Start > s {
			at = append(at, b.Start)
		}
	}
	own := taken{s, s.Add(rules.Late(c.Model) + d.Allowance), d.Tokens, requests(d)}
	// missing is the most that may be missing at x.
	missing := func(x Instant, all []taken) (tokens, count int64) {
		since := []Instant{x, c.Debt.At}
		for _, a := range all {
			since = append(since, max(a.arrived, c.Debt.At))
		}
		for _, from := range since {
			if from > x {
				continue
			}
			var t, n int64
			for _, a := range all {
				if a.from <= x && max(a.arrived, c.Debt.At) >= from {
					t, n = t+a.tokens*per, n+a.requests*per
				}
			}
			if from <= c.Debt.At {
				t, n = t+c.Debt.Tokens, n+c.Debt.Requests
			}
			tokens, count = max(tokens, t-int64(x-from)*spec.TPM), max(count, n-int64(x-from)*spec.RPM)
		}
		return tokens, count
	}
	for _, x := range at {
		tokens, count := missing(x, append(slices.Clip(all), own))
		if (spec.TPM == Unlimited || tokens <= full.Tokens*per) && (spec.RPM == Unlimited || count <= full.Requests*per) {
			continue
		}
		t, n := missing(x, all)
		if x == s || spec.TPM != Unlimited && tokens > t || spec.RPM != Unlimited && count > n {
			return false
		}
	}
	return true
}

// Who is told a time behind a thousand others that wait for a bucket takes a processor a few milliseconds.
func TestThousandToldOfABucket(t *testing.T) {
	race.Skip(t)
	runtime.LockOSThread() // whose time is taken: others use the machine too
	defer runtime.UnlockOSThread()
	rules := refilling(Limits{RPM: 10, TPM: Unlimited, RPD: Unlimited}, Burst{Requests: 10}, 0)
	rules.Policy = NewPolicy([]string{"m"}, map[string]Override{"m": {RPM: ptr(Unlimited), TPM: ptr(Unlimited), RPD: ptr(Unlimited)}})
	also := []Weight{{On: search}}
	var p *Project
	for i := range uint64(10) {
		p, _ = apply(t, rules, p, noon, Reserve{Model: "m", ID: i + 1, Also: also})
	}
	var told []Booking // one for each that is refilled
	for i := range uint64(1024) {
		told = append(told, Booking{ID: 100 + i, Start: noon + 7000 + Instant(i)*6000})
	}
	req := Request{
		Chain: []string{"m"}, Queue: true, Also: func(string) []Weight { return also },
		Waitlist: func(_, calendar string) []Booking {
			if calendar == search {
				return told
			}
			return nil
		},
	}
	least := time.Hour
	for range 10 {
		began := threadtime.Of(t)
		offer, cause := Plan(rules, noon, []Candidate{{ID: "p", State: p}}, req, func(int) int { return 0 })
		least = min(least, threadtime.Of(t)-began)
		require.Equal(t, NoCause, cause)
		require.Equal(t, told[1023].Start+6000, offer.Start)
	}
	assert.Less(t, least, 25*ms)
}
