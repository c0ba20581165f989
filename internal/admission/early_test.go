package admission_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// planned is the wait of a request that nobody was told of, as /plan says it.
func (b *bench) planned(req admission.Request) time.Duration {
	b.Helper()
	states, err := b.shared.View(b.Context(), []string{req.Projects[0].ID})
	require.NoError(b, err)
	offers := scheduler.Offers(b.rules, b.Now(), []scheduler.Candidate{{ID: req.Projects[0].ID, State: states[0]}},
		scheduler.Request{Chain: req.Models, Demand: req.Demand})
	return offers[0].Wait
}

// seconds is what a client that reads Retry-After is told.
func (b *bench) seconds(wait *admission.Wait) time.Duration {
	return (b.left(wait) + time.Second - 1).Truncate(time.Second)
}

// wait admits a request that must not get in. What it is told may be what is left of an
// earlier wait, and so no whole number of seconds.
func (b *bench) wait(req admission.Request) *admission.Wait {
	b.Helper()
	grant, wait := b.admit(req)
	require.NotNil(b, wait, "admitted: %+v", grant)
	return wait
}

// Many SDKs retry by their own clock. The same request before its time is told its own
// time again, or an earlier one, and others wait as if it hadn't come.
func TestEarlyReturnIsTheSameRequest(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		began := b.Now()
		b.until(began + 50)
		b.granted(b.request())
		req := b.request()
		for _, step := range []struct {
			at   scheduler.Instant
			told time.Duration
		}{
			{400, 61 * time.Second},
			{30_500, 31 * time.Second}, // what is left of the first
			{31_800, 29 * time.Second}, // there is room at 60.55
		} {
			b.until(began + step.at)
			assert.Equal(b, step.told, b.seconds(b.wait(req)), "at %v ms", step.at)
		}
		other := b.request()
		plan := b.planned(other)
		assert.Equal(b, plan, b.left(b.refused(other)))
		assert.Equal(b, 29*time.Second, plan)

		b.until(began + 61_400)
		assert.Equal(b, 61*time.Second, b.granted(req).Waited, "since the first refusal")
	})
}

// A ticket says whose wait it is, not that its time has come: whoever is early with one is
// told its own time again, at every instance, and is booked nothing before it.
func TestEarlyReturnWithATicket(t *testing.T) {
	for name, at := range map[string]func(b *bench) *bench{
		"at the instance that told it": func(b *bench) *bench { return b },
		"at another":                   (*bench).another,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []string{"p"}, func(b *bench) {
				b.granted(b.request())
				there := at(b)
				req := b.request()
				told := b.refused(req)
				b.refused(b.request())
				for range 4 {
					time.Sleep(7 * time.Second)
					req.Ticket = b.ticket(told)
					again := there.wait(req)
					assert.False(b, again.Booked)
					assert.Equal(b, told.Start, again.Start)
					told = again
				}
				b.until(told.Start)
				req.Ticket = b.ticket(told)
				assert.Equal(b, 61*time.Second, there.granted(req).Waited)
			})
		})
	}
}

// What it is told is true: where others are in its way that it couldn't know of it is
// told the time that is left then.
func TestEarlyReturnIsToldTheTruth(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		grant := b.granted(b.request())
		req := b.request()
		b.refused(req)
		time.Sleep(10 * time.Second)
		b.Cancel(grant, false)
		b.granted(b.request()) // a walk-in
		assert.Equal(b, 61*time.Second, b.left(b.wait(req)))
		booked := b.booked(b.request())
		time.Sleep(10 * time.Second)
		later := b.wait(req)
		assert.InDelta(b, 66, later.Start.Sub(booked.Start).Seconds(), 0.5, "after the booking and its holder's lateness")
		b.until(booked.Start)
		b.wait(req)
	})
}

// Ten requests of LangChain, which retries after 1, 2, 4, 8 and 16 s whatever it is told
// and then gives up, leave the next caller's wait as it would be without them.
func TestImpatientRequestsAreInNobodysWay(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		reqs := make([]admission.Request, 10)
		for i := range reqs {
			reqs[i] = b.request()
			b.refused(reqs[i])
		}
		for _, pause := range []time.Duration{1, 2, 4, 8, 16} {
			time.Sleep(pause * time.Second)
			for _, req := range reqs {
				b.wait(req)
			}
		}
		time.Sleep(time.Second)
		next := b.request()
		plan := b.planned(next)
		assert.Less(b, plan, 30*time.Second)
		assert.Equal(b, plan, b.left(b.refused(next)))
	})
}

// Whoever waits as it was told isn't overtaken by those that don't: before their own
// time they get no room that it was told of.
func TestComingEarlyGainsNothing(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		polite := b.request()
		wait := b.refused(polite)
		hasty := b.request()
		b.refused(hasty) // 122 s
		for b.Now() < wait.Start {
			time.Sleep(time.Second)
			b.wait(hasty)
		}
		b.granted(polite)
		b.until(wait.Start + 61_000)
		b.granted(hasty) // its own time has come
	})
	t.Run("but room that nobody comes for", func(t *testing.T) {
		inBubble(t, []string{"p"}, func(b *bench) {
			b.granted(b.request())
			gone := b.refused(b.request())
			hasty := b.request()
			b.refused(hasty)
			time.Sleep(10 * time.Second)
			b.wait(hasty)
			b.until(gone.Start + 1001) // a second, for clocks and ways
			b.granted(hasty)
		})
	})
}

// A batch of equal prompts is as many requests, also when they come back early; and a
// client without any pause at all makes no more of one than a batch may be.
func TestBatchOfEqualPrompts(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		same := b.request()
		var told []scheduler.Instant
		for range 4 {
			told = append(told, b.refused(same).Start)
			time.Sleep(20 * time.Millisecond)
		}
		for i := 1; i < len(told); i++ {
			assert.InDelta(b, 61, told[i].Sub(told[i-1]).Seconds(), 1)
		}
		time.Sleep(5 * time.Second)
		for i := range told {
			assert.LessOrEqual(b, b.wait(same).Start, told[i], "each its own time")
			time.Sleep(5 * time.Millisecond)
		}
		for range 1000 {
			time.Sleep(7 * time.Millisecond)
			assert.LessOrEqual(b, b.wait(same).Start, told[0]+scheduler.MaxBookingsPerHash*61_000)
		}
		next := b.request()
		assert.Equal(b, b.planned(next), b.left(b.refused(next)))
	})
}

// One that asks for a booking every time it comes has one.
func TestEarlyReturnBooksOnce(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		req := b.request()
		req.Book = true
		first := b.wait(req).Start
		for range 20 {
			time.Sleep(time.Second)
			again := b.wait(req)
			assert.True(b, again.Booked)
			assert.Equal(b, first, again.Start)
		}
		assert.Equal(b, 1, b.bookings("p"))
	})
}

// Two hundred requests that a full pool has refused are sent again six times within 1.1
// seconds. Another caller is told when there is room, and that is true.
func TestRetriesDontMoveOthersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pool, rpm = 8, 20
		b := newBench(t, storage.NewMemory(time.Now), []string{"a", "b", "c", "d", "e", "f", "g", "h"})
		limit, unlimited := int64(rpm), scheduler.Unlimited
		b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &limit, TPM: &unlimited, RPD: &unlimited}})
		for range pool * rpm {
			b.granted(b.request())
		}
		reqs := make([]admission.Request, 200)
		for i := range reqs {
			reqs[i] = b.request()
			b.wait(reqs[i])
		}
		for range 6 {
			time.Sleep(180 * time.Millisecond)
			rand.Shuffle(len(reqs), func(i, j int) { reqs[i], reqs[j] = reqs[j], reqs[i] })
			for _, req := range reqs {
				b.wait(req)
			}
		}
		wait := b.refused(b.others())
		assert.LessOrEqual(t, b.left(wait), 62*time.Second)
		b.until(wait.Start)
		b.granted(b.others())
	})
}

// Whichever of two instances it is that a request comes to, before its time and at it, it is told its own time. Nothing is written
// to the project in between, so another request is told as /plan says only where it is known that the first came early: at
// an instance that told it before, or to which it brought a ticket. Where that isn't known it is told the time behind the first,
// which is in time in the end, and so the other's time is true as well, to two seconds. To know would take a write for each that
// is told to wait: of the others no instance knows anything until then.
func TestEarlyReturnAtTwoInstances(t *testing.T) {
	for _, tickets := range []bool{false, true} {
		behind := 0
		for order := range 16 {
			inBubble(t, []string{"p"}, func(b *bench) {
				instances := []*bench{b, b.another()}
				at := func(n int) *bench { return instances[order>>n&1] }
				began := b.Now()
				b.until(began + 50)
				b.granted(b.request())
				req := b.request()
				known := [2]bool{} // that it came early
				seen := [2]bool{}
				for n, step := range []struct {
					at   scheduler.Instant
					told time.Duration
				}{{400, 61 * time.Second}, {30_500, 31 * time.Second}, {31_800, 29 * time.Second}} {
					b.until(began + step.at)
					i := order >> n & 1
					known[i], seen[i] = known[i] || n > 0 && (seen[i] || tickets), true
					wait := at(n).wait(req)
					assert.Equal(b, step.told, b.seconds(wait), "order %d, at %v ms", order, step.at)
					if tickets {
						req.Ticket = b.ticket(wait)
					}
				}
				other := b.request()
				wait := at(3).refused(other)
				if i := order >> 3 & 1; known[i] || !seen[i] {
					assert.Equal(b, b.planned(other), b.left(wait), "order %d", order)
					return
				}
				behind++
				b.until(began + 60_800) // as it was told
				at(0).granted(req)
				b.until(wait.Start - 2000)
				at(0).refused(b.request())
				b.until(wait.Start)
				at(3).granted(other)
			})
		}
		assert.Equal(t, map[bool]int{false: 6, true: 2}[tickets], behind)
	}
}
