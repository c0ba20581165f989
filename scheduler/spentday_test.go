package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// When the day is spent, instances tell times of the next without knowing of one another's: together hardly more a minute
// than there is room for, and no later than it takes. Of a minute that is full it is as if each were alone: there others write,
// and who comes in vain is booked.
func TestInstancesTellOfTheNextDay(t *testing.T) {
	const rpm, all = 10, 320
	for _, tokens := range []int64{1, 60, 150} { // of a thousand a minute
		for _, instances := range []int{1, 2, 4, 8} {
			p := newPool(t, 2, map[string]Limits{"a": {RPM: rpm, TPM: 1000, RPD: rpm}})
			now := pacific("2026-06-15 20:00:00")
			for i := range 2 {
				p.send(now, i, "a", rpm, 1)
			}
			now += 61_000
			midnight := DayOf(now).End()
			minutes := make(map[time.Duration]int64)
			last := time.Duration(0)
			for range instances {
				for i := range p.waitlist {
					clear(p.waitlist[i])
				}
				for range all / instances {
					req := ask(tokens)
					req.Chain, req.Instances = []string{"a"}, instances
					got, cause := p.plan(now, req)
					require.Equal(t, NoCause, cause)
					assert.Equal(t, ByRPD, got.Cause)
					i := int(got.Project[0] - '0')
					p.waitlist[i]["a"] = append(p.waitlist[i]["a"], Booking{Start: got.Start, Demand: req.Demand})
					after := got.Start.Sub(midnight)
					minutes[after/(61*time.Second)]++
					last = max(last, after)
				}
			}
			room := 2 * min(rpm, 1000/tokens)
			most := int64(0)
			for _, n := range minutes {
				most = max(most, n)
			}
			t.Logf("%d tokens, %d instances: %d a minute at most, room for %d, the last after %v", tokens, instances, most, room, last)
			assert.LessOrEqual(t, most, room+2*int64(instances-1))
			assert.LessOrEqual(t, last, time.Duration(1+all/room)*61*time.Second*5/4)
		}
	}
}

// So it is where the day is spent of what a request weighs beside its model, whose minutes are what is told by, and where there
// are more instances once a minute is full of those that one told.
func TestInstancesTellOfTheNextDayOfAFeature(t *testing.T) {
	const rpm = 10
	on := OfFeature(EachModel, "search")
	p := newPool(t, 1, map[string]Limits{"a": {RPM: rpm, TPM: Unlimited, RPD: Unlimited}})
	p.rules.Specs = map[string]Spec{on: {EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: Unlimited, TPM: Unlimited, RPD: 1}}}}
	also := []Weight{{On: on}}
	now := pacific("2026-06-15 20:00:00")
	p.at[0], _ = apply(t, p.rules, p.at[0], now, Reserve{Model: "a", ID: 1, Demand: Demand{Tokens: 1}, Also: also})
	now += 61_000
	midnight := DayOf(now).End()
	for _, instances := range []int{1, 4} {
		minutes := make(map[time.Duration]int)
		for i := range 2 * rpm {
			req := ask(1)
			req.Chain, req.Instances, req.Also = []string{"a"}, instances, func(string) []Weight { return also }
			got, cause := p.plan(now, req)
			require.Equal(t, NoCause, cause)
			assert.Equal(t, ByRPD, got.Cause)
			assert.Equal(t, on, got.On)
			assert.Equal(t, instances, got.Instances, "the %dth", i+1)
			minutes[got.Start.Sub(midnight)/(61*time.Second)]++
			b := Booking{Start: got.Start, Demand: req.Demand}
			p.waitlist[0]["a"] = append(p.waitlist[0]["a"], b)
			p.waitlist[0][on] = append(p.waitlist[0][on], b)
		}
		for minute, n := range minutes {
			assert.LessOrEqual(t, n, 1+rpm/instances, "minute %d", minute)
		}
	}
}
