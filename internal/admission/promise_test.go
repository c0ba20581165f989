package admission_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
)

// Callers that never return are to cost nothing: their refusal is not written.
func TestFirstRefusalBooksNothing(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		grant := b.granted(b.request())
		assert.Zero(b, grant.Waited)
		assert.False(b, grant.Booked)
		writes := b.writes()

		wait := b.refused(b.request())
		assert.Equal(b, 61*time.Second, b.left(wait), "60.5 s, in whole seconds")
		assert.Equal(b, scheduler.ByRPM, wait.Cause)
		assert.EqualValues(b, 1, wait.Limit.RPM, "the limit that is in the way")
		assert.Equal(b, "p", wait.Project)
		assert.Equal(b, first, wait.Model)
		assert.False(b, wait.Booked)
		assert.NotEmpty(b, wait.Ticket)
		assert.Zero(b, b.bookings("p"))
		assert.Equal(b, writes, b.writes(), "nothing is written")

		// And it blocks nobody: whoever comes when there is room goes.
		b.until(wait.Start - 1)
		b.granted(b.request())
	})
}

// If all were told the same time, all but one would come in vain.
func TestWaitingCallersAreToldDifferentTimes(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		var reqs []admission.Request
		var waits []*admission.Wait
		for i := range 4 {
			reqs = append(reqs, b.request())
			waits = append(waits, b.refused(reqs[i]))
			assert.Equal(b, time.Duration(61*(i+1))*time.Second, b.left(waits[i]))
		}
		// They come when they were told to, and none is refused again.
		for i := range reqs {
			asked := waits[i].Start - scheduler.Instant(61_000*(i+1))
			b.until(waits[i].Start)
			assert.Equal(b, b.Now().Sub(asked), b.granted(reqs[i]).Waited)
		}
	})
}

// Two callers may want the same. Each is told a time of its own, up to the
// bound, and each return stands for one of them.
func TestIdenticalBodiesAreDistinctRefusals(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		same := b.request()
		var waits []*admission.Wait
		for i := range scheduler.MaxBookingsPerHash {
			waits = append(waits, b.refused(same))
			assert.Equal(b, time.Duration(61*(i+1))*time.Second, b.left(waits[i]))
		}
		// A flood of one body stops moving the others back.
		assert.Equal(b, waits[7].Start+61_000, b.refused(same).Start)
		assert.Equal(b, waits[7].Start+61_000, b.refused(same).Start)
		for _, w := range waits {
			b.until(w.Start)
			b.granted(same)
		}
	})
}

// Prove, then promise.
func TestReturnWithoutRoomIsBooked(t *testing.T) {
	for name, back := range map[string]func(b *bench, req admission.Request, wait *admission.Wait) admission.Request{
		"recognised by its hash": func(_ *bench, req admission.Request, _ *admission.Wait) admission.Request { return req },
		"recognised by its ticket": func(b *bench, req admission.Request, wait *admission.Wait) admission.Request {
			req.Hash, req.Ticket = 0, b.ticket(wait)
			return req
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []string{"p"}, func(b *bench) {
				b.granted(b.request())
				req := b.request()
				began := b.Now()
				wait := b.refused(req)
				b.until(wait.Start)
				b.granted(b.request()) // a walk-in is quicker
				writes := b.writes()

				again := b.refused(back(b, req, wait))
				assert.True(b, again.Booked)
				assert.Equal(b, 61*time.Second, b.left(again))
				assert.Equal(b, 1, b.bookings("p"))
				assert.Equal(b, writes+1, b.writes(), "a promise is kept by every instance, so it is written")

				b.until(again.Start)
				b.refused(b.request()) // nobody gets in before it
				grant := b.granted(back(b, req, again))
				assert.True(b, grant.Booked)
				assert.Equal(b, b.Now().Sub(began), grant.Waited, "since the first refusal")
				assert.Zero(b, b.bookings("p"))
			})
		})
	}
}

// A caller that knows that it will return need not prove it.
func TestBookingAtTheFirstRefusal(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		req := b.request()
		req.Book = true
		b.granted(req) // where there is room nothing is booked
		assert.Zero(b, b.bookings("p"))
		assert.Equal(b, 61*time.Second, b.left(b.booked(b.request())))
		assert.Equal(b, 1, b.bookings("p"))
	})
}

// When the project keeps as many slots as it may, the wait is still computed.
func TestNothingIsKeptBeyondTheBounds(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		same := b.request()
		same.Book = true
		for range scheduler.MaxBookingsPerHash {
			require.True(b, b.refused(same).Booked)
		}
		assert.Equal(b, scheduler.MaxBookingsPerHash, b.bookings("p"))
		wait := b.refused(same)
		assert.False(b, wait.Booked)
		assert.Greater(b, b.left(wait), 8*time.Minute)
		// No slot is kept further ahead than ten minutes.
		for range 2 {
			b.admit(admission.Request{Hash: 1, Book: true, Models: []string{first}, Projects: b.pool})
		}
		far := b.request()
		far.Book = true
		wait = b.refused(far)
		assert.False(b, wait.Booked)
		assert.Greater(b, b.left(wait), scheduler.MaxAhead)
	})
}

// A caller that is back before its time is told what is left; it costs nothing.
func TestEarlyHolderIsToldTheRest(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		req := b.request()
		wait := b.booked(req)
		writes := b.writes()
		time.Sleep(20 * time.Second)

		again := b.refused(req)
		assert.True(b, again.Booked)
		assert.Equal(b, wait.Start, again.Start)
		assert.Equal(b, 41*time.Second, b.left(again))
		assert.Equal(b, writes, b.writes())

		byTicket := b.request()
		byTicket.Ticket = b.ticket(wait)
		assert.Equal(b, wait.Start, b.refused(byTicket).Start, "whatever body the ticket comes with")
		b.until(wait.Start)
		assert.True(b, b.granted(req).Booked)
	})
}

// Where a walk-in could go a holder can too, though its time hasn't come.
func TestEarlyHolderGoesWhereThereIsRoom(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		grant := b.granted(b.request())
		req := b.request()
		wait := b.booked(req)
		b.Cancel(grant, false)
		b.until(wait.Start - 60_600) // it fits before its own slot
		assert.False(b, b.granted(req).Booked)
		assert.Zero(b, b.bookings("p"), "that slot is given back")
	})
}

// A slot waits for its holder as long as the hold, and not longer.
func TestLateHolder(t *testing.T) {
	for _, late := range []struct {
		by     time.Duration
		booked bool
	}{
		{0, true}, {time.Second, true}, {scheduler.DefaultHold, true},
		{scheduler.DefaultHold + time.Millisecond, false},
	} {
		t.Run(late.by.String(), func(t *testing.T) {
			inBubble(t, []string{"p"}, func(b *bench) {
				b.granted(b.request())
				req := b.request()
				wait := b.booked(req)
				b.until(wait.Start)
				time.Sleep(late.by)
				// A walk-in must not take the slot, unless it is given up.
				if grant, _ := b.admit(b.request()); late.booked {
					require.Nil(b, grant)
				} else {
					require.NotNil(b, grant)
					again := b.refused(req)
					assert.True(b, again.Booked, "it has lost its slot, and the next is its")
					assert.Equal(b, wait.Start+66_001, again.Start)
					return
				}
				assert.True(b, b.granted(req).Booked)
			})
		})
	}
}

// A booking that was lost has its request booked the next slot once: who sends the same again
// when that has been served is a caller like any other.
func TestLostBookingIsRecognisedOnce(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		req := b.request()
		wait := b.booked(req)
		b.until(wait.Start)
		time.Sleep(scheduler.DefaultHold + time.Millisecond)
		b.granted(req) // late, and there is room
		assert.False(b, b.refused(req).Booked, "another request of the same words")
	})
}

// The holder of the next slot must not be turned away because the one before
// was late, for it is in time.
func TestLateHolderDelaysNobody(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		one, other := b.request(), b.request()
		w1, w2 := b.booked(one), b.booked(other)
		b.until(w1.Start.Add(scheduler.DefaultHold))
		b.granted(one)
		b.until(w2.Start)
		b.granted(other)
	})
}

// Whoever may come late has the hold set aside for it, however often it has come in time.
// Who says that it comes at the millisecond, and does, loses nothing.
func TestPunctualHoldersLoseNothing(t *testing.T) {
	for punctual, want := range map[bool]time.Duration{false: 66 * time.Second, true: 61 * time.Second} {
		inBubble(t, []string{"p"}, func(b *bench) {
			request := func() admission.Request {
				req := b.request()
				req.Punctual = punctual
				return req
			}
			b.granted(b.request())
			next := request()
			wait := b.booked(next)
			for n := range 200 {
				after := request()
				w := b.booked(after)
				assert.Equal(b, want, w.Start.Sub(wait.Start), "%d", n)
				b.until(wait.Start)
				b.granted(next)
				next, wait = after, w
			}
		})
	}
}

// Who says that it comes at the millisecond needs none of the hold, and one that
// is late all the same keeps its slot: the next is told the rest, and loses nothing else.
func TestWhoSaysThatItIsPunctualIsBelieved(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		var all []admission.Request
		var told []*admission.Wait
		for range 3 {
			req := b.request()
			req.Punctual = true
			all, told = append(all, req), append(told, b.booked(req))
		}
		assert.Equal(b, 61*time.Second, told[1].Start.Sub(told[0].Start))
		assert.Equal(b, 61*time.Second, told[2].Start.Sub(told[1].Start))

		b.until(told[0].Start.Add(3 * time.Second))
		assert.True(b, b.granted(all[0]).Booked, "within the hold")
		b.until(told[1].Start)
		rest := b.refused(all[1])
		assert.True(b, rest.Booked)
		assert.Equal(b, 3*time.Second, b.left(rest))
		b.until(rest.Start)
		assert.True(b, b.granted(all[1]).Booked)
		var later []*admission.Wait
		for range 2 {
			req := b.request()
			req.Punctual = true
			later = append(later, b.booked(req))
		}
		assert.Equal(b, 65*time.Second, later[1].Start.Sub(later[0].Start), "from now on such a one is reckoned to be late")
	})
}
