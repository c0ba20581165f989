package admission_test

import (
	"context"
	"encoding/base64"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A ticket is bound to its caller and signed: what isn't exactly as it was
// given out is no ticket.
func TestTickets(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		req := b.request()
		wait := b.refused(req)

		ticket := b.ticket(wait)
		assert.Equal(b, req.Hash, ticket.Hash)
		assert.Equal(b, wait.Start, ticket.Start)
		assert.Equal(b, b.Now(), ticket.Since, "when it was first told to wait")
		assert.EqualValues(b, 10, ticket.Tokens, "so that it isn't counted again")

		_, err := b.ParseTicket(wait.Ticket, "bob")
		require.ErrorIs(b, err, admission.ErrTicket, "another caller's")

		raw, err := base64.RawURLEncoding.DecodeString(wait.Ticket)
		require.NoError(b, err)
		for i := range raw {
			forged := append([]byte(nil), raw...)
			forged[i] ^= 1
			_, err := b.ParseTicket(base64.RawURLEncoding.EncodeToString(forged), "alice")
			require.ErrorIs(b, err, admission.ErrTicket, "byte %d changed", i)
			_, err = b.ParseTicket(base64.RawURLEncoding.EncodeToString(raw[:i]), "alice")
			require.ErrorIs(b, err, admission.ErrTicket, "cut to %d bytes", i)
		}
		for _, text := range []string{"", "no ticket!", wait.Ticket + "A", wait.Ticket + "AAAA"} {
			_, err := b.ParseTicket(text, "alice")
			require.ErrorIs(b, err, admission.ErrTicket, "%q", text)
		}

		elsewhere := newBench(b.T, storage.NewMemory(time.Now), []string{"p"})
		_, err = elsewhere.ParseTicket(wait.Ticket, "alice")
		require.ErrorIs(b, err, admission.ErrTicket, "another deployment's")
		_, err = b.another().ParseTicket(wait.Ticket, "alice")
		require.NoError(b, err, "another instance's")
	})
}

// A ticket is for one refusal. One that has had its turn, or whose slot has
// gone to somebody else, only says that the caller has been here before.
func TestUsedTicket(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		req := b.request()
		wait := b.booked(req)
		b.until(wait.Start)
		req.Ticket = b.ticket(wait)
		require.NoError(b, b.Settle(b.Context(), b.granted(req), 10, time.Now()))
		again := b.refused(req)
		assert.True(b, again.Booked)
		assert.Equal(b, 61*time.Second, b.left(again))
	})
}

// DELETE /tickets/{ticket} gives back what the ticket stands for, once.
func TestRelease(t *testing.T) {
	release := func(b *bench, wait *admission.Wait) bool {
		released, err := b.Release(b.Context(), b.ticket(wait), b.pool)
		require.NoError(b, err)
		return released
	}
	t.Run("a booking", func(t *testing.T) {
		inBubble(t, []string{"other", "p"}, func(b *bench) {
			b.pool = b.pool[1:]
			b.granted(b.request())
			wait := b.booked(b.request())
			b.pool = append(b.pool, admission.Project{ID: "other", Keys: []string{"key-of-other"}})
			assert.True(b, release(b, wait))
			assert.Zero(b, b.bookings("p"))
			assert.False(b, release(b, wait), "it is gone")
			b.pool = b.pool[:1]
			assert.Equal(b, wait.Start, b.booked(b.request()).Start, "the next caller gets the slot")
		})
	})
	t.Run("by another instance", func(t *testing.T) {
		inBubble(t, []string{"p"}, func(b *bench) {
			b.granted(b.request())
			assert.True(b, release(b.another(), b.booked(b.request())))
			assert.Zero(b, b.bookings("p"))
		})
	})
	t.Run("what was told but not kept", func(t *testing.T) {
		inBubble(t, []string{"p"}, func(b *bench) {
			b.granted(b.request())
			wait := b.refused(b.request())
			assert.True(b, release(b, wait))
			assert.False(b, release(b, wait))
			assert.Equal(b, wait.Start, b.refused(b.request()).Start, "the next caller is told that time")
		})
	})
}

// An instance that began on a database which had been emptied made a key of its own.
// Once the settings are restored it goes by theirs, and what it signed until then holds.
func TestTicketsOfARestoredKey(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		before := b.refused(b.request())
		_, err := b.UpdateControl(b.Context(), func(c *storage.Control) error {
			c.TicketKey = []byte("the key that was lost")
			return nil
		})
		require.NoError(b, err)
		after := b.refused(b.request())
		for _, wait := range []*admission.Wait{before, after} {
			_, err := b.ParseTicket(wait.Ticket, "alice")
			assert.NoError(b, err)
		}
		other := b.another()
		_, err = other.ParseTicket(after.Ticket, "alice")
		assert.NoError(b, err)
		_, err = other.ParseTicket(before.Ticket, "alice")
		assert.ErrorIs(b, err, admission.ErrTicket)
	})
}

// A lately is a store that has read its projects just now and so doesn't again, as one that
// shares a database reads them at most once a second.
type lately struct{ *stale }

func (s lately) Refresh(context.Context, []string, bool) error { return nil }

// Whatever an instance shows, what another has booked a moment ago can be given back there.
func TestReleaseOfWhatAnotherInstanceHasBooked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := storage.NewMemory(time.Now)
		here := newBench(t, shared, []string{"p", "q"})
		there := newBench(t, lately{&stale{shared, map[string]*scheduler.Project{}}}, []string{"p", "q"})
		here.granted(here.request())
		here.granted(here.request())
		_, err := there.shared.View(t.Context(), []string{"p", "q"})
		require.NoError(t, err)
		wait := here.booked(here.request())
		for _, stood := range []bool{true, false} {
			released, err := there.Release(t.Context(), here.ticket(wait), here.pool)
			require.NoError(t, err)
			assert.Equal(t, stood, released)
			assert.Zero(t, here.bookings(wait.Project))
		}
	})
}
