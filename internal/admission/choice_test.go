package admission_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// The first model of the chain is waited for as long as its day isn't spent,
// unless the caller says how long it would wait.
func TestMaxWait(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		req := b.request()
		req.Models = []string{first, second}
		assert.Equal(b, first, b.granted(req).Model)

		req = b.request()
		req.Models = []string{first, second}
		assert.Equal(b, first, b.refused(req).Model)
		now, minutes := time.Duration(0), 3*time.Minute
		req.MaxWait = &minutes
		wait := b.refused(req)
		assert.Equal(b, first, wait.Model, "the first that can start within it")
		req = b.request()
		req.Models, req.MaxWait = []string{first, second}, &now
		assert.Equal(b, second, b.granted(req).Model, "whichever is free now")
		req = b.request()
		req.Models, req.MaxWait = []string{first, second}, &now
		assert.Equal(b, second, b.refused(req).Model, "none is: the earliest start of all, after what was told for the first")
	})
}

func TestPrefer(t *testing.T) {
	inBubble(t, []string{"p", "q", "r"}, func(b *bench) {
		prefer := func() admission.Request {
			req := b.request()
			req.Prefer = "key-of-q"
			return req
		}
		assert.Equal(b, "q", b.granted(prefer()).Project)
		assert.Equal(b, "q", b.refused(prefer()).Project, "it is waited for, though others are free")
		disabled := true
		b.apply("q", scheduler.SetMark{Key: "key-of-q", Disabled: &disabled})
		assert.NotEqual(b, "q", b.granted(prefer()).Project, "one that can't be used is not")
	})
}

func TestNoProject(t *testing.T) {
	inBubble(t, []string{"p", "q"}, func(b *bench) {
		none := b.request()
		none.Projects = nil
		_, _, err := b.Admit(b.Context(), none)
		require.ErrorIs(b, err, admission.ErrNoProject)

		invalid := "API_KEY_INVALID"
		b.apply("p", scheduler.SetMark{Key: "key-of-p", Invalid: &invalid})
		assert.Equal(b, "q", b.granted(b.request()).Project)
		b.apply("q", scheduler.RecordRefusal{Model: first, Block: scheduler.Block{Cause: scheduler.Unavailable, Until: b.Now() + 1e9}})
		_, _, err = b.Admit(b.Context(), b.request())
		require.ErrorIs(b, err, admission.ErrNoProject)

		// One usable key is enough for its project.
		req := b.request()
		req.Projects = []admission.Project{{ID: "p", Keys: []string{"key-of-p", "second-key-of-p"}}}
		assert.Equal(b, "p", b.granted(req).Project)
	})
}

func TestTooLarge(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		req := b.request()
		req.Demand.Tokens = scheduler.ContextWindow(first) + 1
		_, _, err := b.Admit(b.Context(), req)
		require.ErrorIs(b, err, admission.ErrTooLarge)

		// Larger than TPM is not too large, until upstream says so.
		req.Demand.Tokens = 2000
		grant := b.granted(req)
		assert.Equal(b, 121*time.Second, grant.Reservation.End.Sub(grant.Reservation.Start))
		b.apply("p", scheduler.RecordRefusal{Model: first, Oversize: 2000})
		_, _, err = b.Admit(b.Context(), req)
		require.ErrorIs(b, err, admission.ErrTooLarge)
		req.Book = true
		_, _, err = b.Admit(b.Context(), req)
		require.ErrorIs(b, err, admission.ErrTooLarge, "nor is it booked")
	})
}

// What becomes of a booking whose place can't serve it any more: it is given
// back and its holder goes where there is room.
func TestBookingInALostPlace(t *testing.T) {
	for name, lose := range map[string]func(b *bench){
		"its key is invalid": func(b *bench) {
			invalid := "API_KEY_INVALID"
			b.apply("p", scheduler.SetMark{Key: "key-of-p", Invalid: &invalid})
		},
		"the model has no quota there": func(b *bench) {
			b.apply("p", scheduler.RecordRefusal{Model: first, Block: scheduler.Block{Cause: scheduler.Unavailable, Until: b.Now() + 1e9}})
		},
		"its day is spent": func(b *bench) {
			b.apply("p", scheduler.RecordRefusal{Model: first, Block: scheduler.Block{Cause: scheduler.ByDay}})
		},
		"upstream wants a rest": func(b *bench) {
			b.apply("p", scheduler.RecordRefusal{Model: first, Block: scheduler.Block{Cause: scheduler.ByMinute, Until: b.Now() + 120_000}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []string{"p"}, func(b *bench) {
				// So near midnight that the reset is not beyond what is kept.
				b.until(scheduler.DayOf(b.Now()).End() - 300_000)
				b.granted(b.request())
				req := b.request()
				wait := b.booked(req)
				lose(b)
				b.until(wait.Start)
				req.Projects = append(req.Projects, admission.Project{ID: "q", Keys: []string{"key-of-q"}})
				grant := b.granted(req)
				assert.Equal(b, "q", grant.Project)
				assert.Zero(b, b.bookings("p"), "nothing is kept for it any more")
				assert.Equal(b, b.Now().Sub(wait.Start)+61*time.Second, grant.Waited)
			})
		})
	}
}

// The reset may be far: then a holder isn't kept waiting for it where another
// project has room sooner.
func TestBookingPutOffToTomorrow(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		req := b.request()
		wait := b.booked(req)
		b.pool = []admission.Project{{ID: "q", Keys: []string{"key-of-q"}}}
		b.until(wait.Start - 30_000)
		b.granted(b.request())
		b.apply("p", scheduler.RecordRefusal{Model: first, Block: scheduler.Block{Cause: scheduler.ByDay}})
		b.until(wait.Start)
		req.Projects = append(req.Projects, b.pool...)
		again := b.refused(req)
		assert.Equal(b, "q", again.Project)
		assert.True(b, again.Booked)
		assert.Equal(b, 31*time.Second, b.left(again))
		assert.Zero(b, b.bookings("p"))
	})
}

// What the store can't say is not guessed.
func TestStoreErrorsAreTheCallers(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		slow := &slowStore{Store: b.shared, fail: storage.ErrUnavailable}
		b = newBench(b.T, slow, []string{"p"})
		_, _, err := b.Admit(b.Context(), b.request())
		require.ErrorIs(b, err, storage.ErrUnavailable)
		require.NoError(b, b.shared.Close(b.Context()))
		_, _, err = b.Admit(b.Context(), b.request())
		require.ErrorIs(b, err, storage.ErrClosed)
	})
}
