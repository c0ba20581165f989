package admission_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
)

// Envoy's retries come at any time between the wait that was told and one and a half times
// it. One that did so for what was only told to it is booked the next slot, before all that
// were told times and haven't come; and as it comes, so long that is kept.
func TestWhoComesAtAnyTimeAfterItsStart(t *testing.T) {
	for name, back := range map[string]func(b *bench, req admission.Request, wait *admission.Wait) (*bench, admission.Request){
		"recognised by its hash": func(b *bench, req admission.Request, _ *admission.Wait) (*bench, admission.Request) { return b, req },
		"recognised by its ticket": func(b *bench, req admission.Request, wait *admission.Wait) (*bench, admission.Request) {
			req.Hash, req.Ticket = 0, b.ticket(wait)
			return b, req
		},
		"by its ticket, at another instance": func(b *bench, req admission.Request, wait *admission.Wait) (*bench, admission.Request) {
			req.Hash, req.Ticket = 0, b.ticket(wait)
			return b.another(), req
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []string{"p"}, func(b *bench) {
				b.granted(b.request())
				req := b.request()
				told := b.refused(req) // 61 s
				for range 2 {
					b.refused(b.request()) // who is told times after it, and hasn't come yet
				}
				b.until(told.Start + 5001)
				b.granted(b.request()) // nobody has come
				b.until(told.Start + 24_000)
				at, again := back(b, req, told)
				booked := at.refused(again)
				assert.True(b, booked.Booked)
				assert.Equal(b, 42*time.Second, at.left(booked), "60.5 s after the last, in whole seconds")

				b.until(booked.Start + 20_000)
				b.refused(b.request())
				b.until(booked.Start + 23_000)
				at, again = back(b, req, booked)
				assert.True(b, at.granted(again).Booked, "half of 42 s, and two")
			})
		})
	}
}

// Another instance, which has no more than the short hash of what was told, books it all
// the same.
func TestWhoComesLateElsewhere(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		req := b.request()
		told := b.refused(req)
		b.until(told.Start + 5001)
		b.granted(b.request()) // with which the hash is shared
		b.until(told.Start + 24_000)
		assert.True(b, b.another().refused(req).Booked)
	})
}

// Only who comes as late as that is waited for, and none that comes when it was told to, or
// that nobody knows any more.
func TestOthersAreKeptNothingForLonger(t *testing.T) {
	for _, c := range []struct {
		late   time.Duration
		booked bool
		hold   time.Duration
	}{
		{0, true, 0}, {5 * time.Second, true, 0}, {5001 * time.Millisecond, true, 30 * time.Second}, {32 * time.Second, true, 30 * time.Second},
		{33 * time.Second, false, 0}, {10 * time.Minute, false, 0},
	} {
		t.Run(c.late.String(), func(t *testing.T) {
			inBubble(t, []string{"p"}, func(b *bench) {
				b.granted(b.request())
				req := b.request()
				told := b.refused(req)
				b.until(told.Start.Add(c.late) - 5000)
				if c.late < 5*time.Second+time.Millisecond {
					b.until(told.Start.Add(c.late))
				}
				grant, _ := b.admit(b.request())
				require.NotNil(b, grant)
				b.until(told.Start.Add(c.late))
				wait := b.refused(req)
				assert.Equal(b, c.booked, wait.Booked)
				states, err := b.shared.View(b.Context(), []string{"p"})
				require.NoError(b, err)
				if _, booking, ok := states[0].Booking(b.ticket(wait).ID); ok {
					assert.Equal(b, c.hold, booking.Hold)
				}
				assert.Equal(b, c.booked, b.bookings("p") > 0)
			})
		})
	}
}

// A booking that was lost is recognised for as long, and its holder is booked again.
func TestWhoLostItsBookingIsBookedAgain(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		req := b.request()
		lost := b.booked(req)
		b.until(lost.Start + 5001)
		b.granted(b.request())
		for range 3 {
			b.refused(b.request())
		}
		b.until(lost.Start + 25_000)
		req.Book = false
		again := b.refused(req)
		assert.True(b, again.Booked)
		assert.Equal(b, 41*time.Second, b.left(again))
		b.until(again.Start + scheduler.Instant(22*time.Second/time.Millisecond))
		assert.True(b, b.granted(req).Booked)
	})
}

// Who says that it comes at the millisecond, and comes after the hold, is booked the next room
// too, before all that haven't returned. It is not kept that for longer than usual: others
// would wait for what it hasn't asked for. But they are given room for its being late again.
func TestWhoSaysThatItIsPunctualAndComesAfterTheHold(t *testing.T) {
	for _, told := range []int{3, 0} {
		inBubble(t, []string{"p"}, func(b *bench) {
			b.granted(b.request())
			req, after := b.request(), b.request()
			req.Punctual, after.Punctual = true, true
			lost := b.booked(req)
			b.until(lost.Start + 5001)
			b.granted(b.request())
			for range told {
				b.refused(b.request())
			}
			b.until(lost.Start + 25_000)
			again := b.refused(req)
			assert.True(b, again.Booked)
			assert.Equal(b, 41*time.Second, b.left(again))
			if told == 0 { // or it is booked behind these
				next := b.booked(after)
				assert.Equal(b, 66*time.Second, next.Start.Sub(again.Start), "and not 61")
			}

			b.until(again.Start + 5001)
			b.granted(b.request()) // nobody has come
		})
	}
}

// However long its wait was, the holder of a booking that comes late is recognised by its request.
func TestWhoLostABookingAfterALongWait(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		for range 3 {
			b.booked(b.request())
		}
		req := b.request()
		lost := b.booked(req)
		assert.Equal(b, 259*time.Second, b.left(lost))
		b.until(lost.Start + 120_000)
		b.granted(b.request())
		assert.True(b, b.refused(req).Booked)
	})
}
