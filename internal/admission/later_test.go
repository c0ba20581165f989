package admission_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Who comes before its time, having sat out a minute of it, is told no later time than before, though what others
// that wait were served was booked, or turned out to weigh more or less: it is all the same that they were.
func TestWhatOthersWereServedCounts(t *testing.T) {
	for name, x := range map[string]struct {
		back   scheduler.Instant // when the second of Alice's comes, which proves that it does; 0: not before its time
		tokens int64             // that it turns out to weigh
	}{
		"as it was reserved": {0, 10}, "more": {0, 12}, "less": {0, 8}, "booked": {60_000, 10}, "booked, and more": {60_000, 12},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := sharedPool(t, 1)
				one, two, three, bobs := b.request(), b.request(), b.request(), b.others()
				two.SitsOut, bobs.SitsOut = time.Minute, time.Minute
				began := b.Now()
				b.granted(one)
				b.until(began + 100)
				b.wait(two)
				b.until(began + 200)
				b.wait(three)
				b.until(began + 300)
				told := b.wait(bobs)
				assert.Equal(t, 122*time.Second, b.left(told))
				if x.back != 0 {
					b.until(began + x.back)
					assert.True(t, b.wait(two).Booked)
				}
				b.until(began + 61_200)
				second, sent := b.granted(two), time.Now()
				assert.Equal(t, x.back != 0, second.Booked)
				b.until(began + 61_700)
				assert.NoError(t, b.Settle(t.Context(), second, x.tokens, sent))

				b.until(began + 63_000)
				again := b.wait(bobs)
				assert.True(t, again.Booked)
				assert.LessOrEqual(t, again.Start, told.Start+1000, "to the second")
				b.until(again.Start)
				b.granted(bobs)
			})
		})
	}
}

// Two instances may tell two requests the same time. Whichever has waited for longer is told it again at the other, too,
// though it comes early, and there is kept it if it has sat out a minute of it; the other one is told what is behind that.
func TestWhoWaitsForLongerComesEarlyElsewhere(t *testing.T) {
	for name, x := range map[string]struct {
		sits, first bool // it sits out a minute, and was the first to be told
	}{"first": {false, true}, "first, and proves that it returns": {true, true}, "second": {false, false}, "second, and proves that it returns": {true, false}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []string{"p"}, func(b *bench) {
				there, one, other := b.another(), b.request(), b.request()
				b.granted(b.request())
				other.Caller = "bob"
				began := b.Now()
				if !x.first {
					there.refused(other)
				}
				b.until(began + 300)
				told := b.refused(one)
				b.until(began + 600)
				if x.first {
					there.refused(other)
				}
				if x.sits {
					one.SitsOut = 20 * time.Second
				}
				b.until(began + 20_700)
				one.Ticket = b.ticket(told)
				again := there.wait(one)
				if !x.first {
					assert.InDelta(t, 60, again.Start.Sub(told.Start).Seconds(), 2, "room that is the other's")
					return
				}
				assert.Equal(t, x.sits, again.Booked)
				assert.LessOrEqual(t, again.Start, told.Start)
				b.until(again.Start)
				one.Ticket = b.ticket(again)
				there.granted(one)
			})
		})
	}
}

// A visitor comes until it is served, whenever it was told to, or as soon as it has sat out what it sits out in one go.
type visitor struct {
	admission.Request
	next, served scheduler.Instant
	rnd          *rand.Rand
}

// A visit is what one request was told, at first and before its time, and when it was served.
type visit struct {
	told, again, served scheduler.Instant
	booked, disturbed   bool // others were booked between the two, or, by turns, told something that may be before it
}

// visits has some callers wait for one project, with limits, weights, sizes and manners by a seed, and returns what one of
// them was told, the last that came where they are served by turns. It comes once before its time, or never does. From seed 400
// on there are more callers, and more of their requests are large, so that some wait lest they be ahead of others.
func visits(t *testing.T, seed uint64, shared, early bool) (last visit) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		b := newBench(t, storage.NewMemory(time.Now), []string{"p"})
		more := min(1, int(seed/400))
		rpm, tpm, unlimited := 1+rnd.Int64N(3)+9*int64(more), int64(1000), scheduler.Unlimited
		b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &rpm, TPM: &tpm, RPD: &unlimited}})
		callers := []string{"alice", "bob", "carol", "dave", "erin", "frank"}[:2+2*more+rnd.IntN(3)]
		weights := make(map[string]int64)
		for _, caller := range callers {
			weights[caller] = 1 + rnd.Int64N(4)*rnd.Int64N(2)
		}
		ctl, err := admission.New(t.Context(), admission.Options{
			Store: b.shared, Shared: shared, Weights: weights, Rules: func(storage.Control) *scheduler.Rules { return b.rules },
		})
		require.NoError(t, err)
		b.Controller = ctl
		all := make([]*visitor, 3+8*more+rnd.IntN(6))
		for i := range all {
			all[i] = &visitor{b.request(), b.Now() + scheduler.Instant(rnd.IntN(3000)), 0, rand.New(rand.NewPCG(seed, uint64(i)))}
			all[i].Caller, all[i].Demand.Tokens = callers[rnd.IntN(len(callers))], 10+rnd.Int64N(700)*rnd.Int64N(int64(2+more))/int64(1+more)
			all[i].Book, all[i].SitsOut = rnd.IntN(4) == 0, time.Duration(rnd.IntN(3)/2)*time.Minute
		}
		one := all[len(all)-1]
		if one.Book, one.SitsOut = false, 0; shared {
			one.next = b.Now() + 3500
		}
		after, proves := time.Duration(5000+rnd.IntN(150_000))*time.Millisecond, rnd.IntN(2) > 0
		for {
			var v *visitor
			for _, x := range all {
				if x.served == 0 && (v == nil || x.next < v.next) {
					v = x
				}
			}
			if v == nil {
				break
			}
			b.until(v.next)
			grant, wait := b.admit(v.Request)
			if grant != nil {
				v.served = b.Now()
				sent, late, tokens := time.Now(), v.rnd.IntN(1500), max(1, v.Demand.Tokens-2+v.rnd.Int64N(5))
				time.AfterFunc(time.Duration(late)*time.Millisecond, func() { _ = b.Settle(t.Context(), grant, tokens, sent) })
				continue
			}
			v.next = wait.Start
			switch {
			case v != one:
				last.disturbed = last.disturbed || (shared || wait.Booked) && last.told != 0 && last.again == 0
				if v.SitsOut > 0 {
					v.next = min(v.next, b.Now().Add(v.SitsOut))
				}
			case last.told == 0:
				last.told = wait.Start
				if early && b.Now().Add(after+2*time.Second) < wait.Start {
					v.next = b.Now().Add(after)
					if proves {
						v.SitsOut = after
					}
				}
			case last.again == 0 && b.Now()+1500 < last.told:
				last.again, last.booked = wait.Start, wait.Booked
			}
		}
		last.served = one.served
		time.Sleep(2 * time.Second) // all is settled
	})
	return last
}

// Whoever comes before its time is told no later time than before because of that, whether it proves by it that it returns
// and is booked or not: at most, to the second, when it would have been served had it come at its time.
func TestComingEarlyCostsNothing(t *testing.T) {
	race.Skip(t)
	for name, shared := range map[string]bool{"by turns": true, "as they come": false} {
		t.Run(name, func(t *testing.T) {
			came, booked := 0, 0
			for seed := range uint64(800) {
				early := visits(t, seed, shared, true)
				if early.again == 0 || early.disturbed {
					continue
				}
				came++
				if early.booked {
					booked++
				}
				polite := visits(t, seed, shared, false)
				assert.LessOrEqual(t, early.again, max(early.told, polite.served)+1000, "seed %d", seed)
			}
			assert.Greater(t, came, 60)
			assert.Greater(t, booked, 20)
		})
	}
}

// Whose time somebody has booked meanwhile is told, though it comes early, what is left behind that and those that are
// older, as if it came at its time: not what is behind all that were told a time after it.
func TestWhoseTimeIsBookedKeepsItsPlace(t *testing.T) {
	for _, proves := range []bool{false, true} {
		inBubble(t, []string{"p"}, func(b *bench) {
			b.granted(b.request())
			began, older, one := b.Now(), b.request(), b.request()
			b.refused(older)
			told := b.refused(one)
			for range 5 {
				b.refused(b.request())
			}
			b.booked(b.request())
			if proves {
				one.SitsOut = 30 * time.Second
			}
			b.until(began + 30_000)
			again := b.wait(one)
			assert.Equal(t, proves, again.Booked)
			assert.InDelta(t, 0, again.Start.Sub(told.Start).Seconds(), 10)
		})
	}
}
