package calendar

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler/limits"
)

const search = "#search"

// bucketRules has one bucket that is refilled with so much a minute, and when it is full holds a part of that.
func bucketRules(l limits.Limits, holds float64) *Rules {
	part := func(n int64) int64 { return max(1, int64(float64(n)*holds)) }
	return &Rules{
		Policy: limits.NewPolicy([]string{"m"}, nil), Skew: limits.DefaultSkew, Hold: limits.DefaultHold,
		Specs: map[string]limits.Spec{search: {
			EffectiveLimits: limits.EffectiveLimits{Limits: l}, Refill: true, Burst: limits.Burst{Requests: part(l.RPM), Tokens: part(l.TPM)},
		}},
	}
}

// earliestLooked is EarliestWhole, and how often it looked at one of those that take something out of the bucket.
func earliestLooked(c *Calendar, t *Terms, now Instant, d Demand, extra []Booking) (s Instant, looked int) {
	l := c.load(t, now, d, Everyone, extra, 1)
	defer l.free()
	from := now
	s, _ = l.earliest(from)
	for s != from && s != Never {
		from += (s - from).Ceil(t.Step)
		s, _ = l.earliest(from)
	}
	return s, l.looked
}

// Who is told a time behind hundreds of others that wait for a bucket costs a few looks at each of them, and a few
// more for each booking whose holder may come late: whatever they weigh.
func TestPlansBehindABucketAreLinear(t *testing.T) {
	race.Skip(t)
	const now, most = Instant(1_790_000_000_000), 400
	for name, sizes := range map[string][]int64{"equal": {1000}, "mixed": {1000, 30_000, 7000, 90_000}, "large and small": {100_000, 1, 1, 1, 1}} {
		for _, booked := range []int{0, 8} {
			t.Run(fmt.Sprintf("%s, %d booked", name, booked), func(t *testing.T) {
				rules := bucketRules(limits.Limits{RPM: 60, TPM: 400_000, RPD: limits.Unlimited}, .5)
				rng := rand.New(rand.NewPCG(1, 2))
				c := &Calendar{Model: search}
				terms := c.Terms(rules, now)
				c.Debt = Debt{At: now, Per: terms.every, Tokens: 200_000 * int64(terms.every)}
				var told []Booking
				for n := range most + 1 {
					d := Demand{Tokens: sizes[n%len(sizes)], Allowance: time.Duration(rng.IntN(3000)) * time.Millisecond}
					start, looked := earliestLooked(c, &terms, now+Instant(37*n), d, told)
					require.NotEqual(t, Never, start)
					require.LessOrEqual(t, looked, (6+4*booked)*n, n)
					b := Booking{ID: uint64(n), Start: start, Demand: d, Rank: uint64(n)}
					if len(c.Bookings) < booked {
						c.Bookings = append(c.Bookings, b)
					} else {
						told = append(told, b)
					}
				}
			})
		}
	}
}

// fitsPlainly reports whether a demand fits into a bucket at s, by looking at all that is taken out of it
// anew for each instant at which there must be enough.
func fitsPlainly(l *load, s Instant) bool {
	t := &l.Terms
	own := taking{start: s, end: l.end(s), late: before, tokens: l.demand.Tokens, requests: l.demand.Count()}
	missing := func(at Instant, all []taking) Debt {
		var came []taking
		flying := taking{}
		for _, x := range all {
			switch x.end = x.arrived(s); {
			case x.end <= at:
				came = append(came, x)
			case x.start <= at:
				flying.tokens, flying.requests = flying.tokens+x.tokens, flying.requests+x.requests
			}
		}
		return l.owed.after(t, came).refilled(t, at).with(t, flying.tokens, flying.requests)
	}
	for _, x := range append([]taking{own}, l.takings...) {
		if x.start < s {
			continue
		}
		with, without := missing(x.start, append([]taking{own}, l.takings...)), missing(x.start, l.takings)
		if _, kept := with.over(t); kept != NoCause && (x.start == s || with.Tokens > without.Tokens || with.Requests > without.Requests) {
			return false
		}
	}
	return true
}

// The first start at a bucket is the first at which there is enough in it, by whatever way it is found: beside holders of
// bookings that may come late, and others that were told times.
func TestFilledIsPlain(t *testing.T) {
	race.Skip(t)
	rapid.Check(t, func(t *rapid.T) {
		const now = Instant(1_790_000_000_000)
		rules := bucketRules(limits.Limits{
			RPM: rapid.SampledFrom([]int64{6, 60, 600}).Draw(t, "rpm"), TPM: rapid.SampledFrom([]int64{6000, 60_000}).Draw(t, "tpm"), RPD: limits.Unlimited,
		}, rapid.SampledFrom([]float64{.1, .5, 1, 3}).Draw(t, "holds"))
		c := &Calendar{Model: search}
		terms := c.Terms(rules, now)
		demand := func() Demand {
			return Demand{
				Tokens: rapid.Int64Range(0, terms.TPM).Draw(t, "tokens"), Requests: rapid.Int64Range(1, min(3, terms.RPM)).Draw(t, "requests"),
				Allowance: time.Duration(rapid.IntRange(0, 9000).Draw(t, "allowance")) * time.Millisecond,
			}
		}
		c.Debt = Debt{At: now - 500, Per: terms.every, Tokens: rapid.Int64Range(0, terms.TPM).Draw(t, "owed") * int64(terms.every)}
		for i := range rapid.IntRange(0, 4).Draw(t, "sent") {
			d := demand()
			c.Sent = append(c.Sent, &Reservation{ID: uint64(i) + 1, Start: now, End: now + terms.span(d) - 500, Tokens: d.Tokens, Requests: d.Count()})
		}
		booking := func(id int) Booking {
			return Booking{
				ID: uint64(id) + 10, Rank: uint64(id), Demand: demand(), Start: now + Instant(rapid.IntRange(-3000, 40_000).Draw(t, "start")),
				Hold: time.Duration(rapid.IntRange(0, 30).Draw(t, "hold")) * time.Second,
			}
		}
		var told []Booking
		for i := range rapid.IntRange(0, 4).Draw(t, "booked") {
			c.Bookings = append(c.Bookings, booking(i))
		}
		for i := range rapid.SampledFrom([]int{0, 1, 3, 10, 30}).Draw(t, "told") {
			told = append(told, booking(i+20))
		}
		d, from := demand(), now
		if c.ample(&terms, d, told) {
			return // nothing is in its way
		}
		l := c.load(&terms, now, d, Everyone, told, 1)
		defer l.free()
		for range 5 { // each later than the one before, as EarliestWhole asks
			found, _ := l.earliest(from)
			require.NotEqual(t, Never, found)
			require.True(t, fitsPlainly(l, found), found-now)
			tries := make([]Instant, 0, 100)
			for range 10 {
				tries = append(tries, from+Instant(rapid.Int64Range(0, 100_000).Draw(t, "try")))
			}
			for _, x := range l.takings {
				for _, at := range []Instant{x.start, x.end, x.end + x.late - x.start, x.late} {
					tries = append(tries, at-1, at, at+1)
				}
			}
			for _, at := range append(tries, from, found-1) {
				if at >= from && at < found {
					require.False(t, fitsPlainly(l, at), at-now)
				}
			}
			from = found + Instant(rapid.IntRange(1, 20_000).Draw(t, "next"))
		}
	})
}
