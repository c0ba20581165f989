package admission_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// A light caller beside ten thousand requests of another, each of which comes back when it was told to, waits
// at most about a window, which is what it waits alone: each of its requests, one a minute.
func TestLightCallerBesideAFloodOfTenThousand(t *testing.T) {
	race.Skip(t)
	if testing.Short() {
		t.Skip("asks 10,000 times")
	}
	synctest.Test(t, func(t *testing.T) {
		b := sharedPool(t, 80)
		var flood []*waiter
		ask := func(w *waiter) {
			grant, wait := b.admit(w.req)
			if w.at = scheduler.Never; grant == nil {
				w.at = wait.Start
			}
		}
		for range 10_000 {
			w := &waiter{req: b.request()}
			ask(w)
			flood = append(flood, w)
		}
		for range 2 {
			time.Sleep(10 * time.Second)
			light, came := b.others(), b.Now()
			_, wait := b.admit(light)
			for wait != nil {
				slices.SortStableFunc(flood, func(x, y *waiter) int { return int(x.at/1000 - y.at/1000) })
				for _, w := range flood {
					if w.at > wait.Start {
						break
					}
					b.until(max(w.at, b.Now()))
					ask(w)
				}
				b.until(max(wait.Start, b.Now()))
				_, wait = b.admit(light)
			}
			waited := b.Now().Sub(came)
			t.Logf("the light caller waits %v", waited)
			assert.LessOrEqual(t, waited, scheduler.Window+b.rules.Hold)
		}
	})
}

// Where a day's requests are spent, those that are told to come when the next begins are told no more for
// one minute than there is room for then.
func TestNoHerdWhenADayBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sharedPool(t, 80)
		rpm, rpd, unlimited := int64(80), int64(160), scheduler.Unlimited
		b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &rpm, TPM: &unlimited, RPD: &rpd}})
		for range 2 {
			for range 80 {
				b.granted(b.request())
			}
			time.Sleep(scheduler.Window + time.Second)
		}
		var starts []scheduler.Instant
		midnight := scheduler.DayOf(b.Now()).End()
		for i := range 200 {
			req := b.request()
			req.Caller = string(rune('A' + i))
			wait := b.refused(req)
			assert.GreaterOrEqual(t, wait.Start, midnight)
			starts = append(starts, wait.Start)
		}
		slices.Sort(starts)
		for i := range len(starts) - 80 {
			assert.GreaterOrEqual(t, starts[i+80].Sub(starts[i]), scheduler.Window, "eighty a minute")
		}
	})
}

// A caller that hardly asks for anything is told of the first minute of the next day, whatever others ask for.
func TestLightCallerWhenADayBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sharedPool(t, 10)
		rpm, rpd, unlimited := int64(10), int64(10), scheduler.Unlimited
		b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &rpm, TPM: &unlimited, RPD: &rpd}})
		for range 10 {
			b.granted(b.request())
		}
		for range 500 {
			b.refused(b.request())
		}
		midnight := scheduler.DayOf(b.Now()).End()
		for i := range 9 {
			light := b.others()
			light.Caller = string(rune('A' + i))
			assert.LessOrEqual(t, b.refused(light).Start.Sub(midnight), scheduler.Window)
		}
	})
}
