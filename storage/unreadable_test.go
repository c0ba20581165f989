package storage

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

// future is a state that a later build may have written.
var future = []byte{2, 0xca, 0xfe}

// mark disables a key of a project, or enables it again.
func mark(t *testing.T, g *Grouped, id, key string, disabled bool) error {
	t.Helper()
	_, err := g.Apply(t.Context(), plenty, id, scheduler.SetMark{Key: key, Disabled: &disabled})
	return err
}

// A document that can't be read costs its own project only: nothing fits there,
// no key of it is usable, nothing is written, and somebody is told. The others go
// on.
func TestUnreadableDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(10 * time.Millisecond)
		db.Put("bad", future)
		var log bytes.Buffer
		g := (&Line{DB: db}).Open(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		admit(t, g, 1)

		states, err := g.View(t.Context(), []string{"bad", "p", "new"})
		require.NoError(t, err)
		require.Len(t, states, 3)
		assert.Contains(t, states[0].Unreadable, "version 2")
		assert.False(t, states[0].Usable("key"))
		assert.Len(t, states[1].Calendars, 1)
		assert.Nil(t, states[2])
		now := g.Now()
		_, cause := scheduler.Plan(plenty, now, []scheduler.Candidate{{ID: "bad", State: states[0]}},
			scheduler.Request{Chain: []string{"gemini-2.5-pro"}}, func(int) int { return 0 })
		assert.Equal(t, scheduler.Unavailable, cause, "never a grant, whatever keys are declared")

		for name, change := range map[string]scheduler.Change{
			"reserve": ask(2), "settle": scheduler.Settle{Model: "m", ID: 1, Failed: "x"}, "release": scheduler.Release{Booking: 1},
		} {
			_, err := g.Apply(t.Context(), plenty, "bad", change)
			require.ErrorContains(t, err, "version 2", name)
			require.NotErrorIs(t, err, ErrUnavailable, name)
		}
		for i := range 2 * maxPiggybacked {
			g.Later(plenty, "bad", scheduler.ShareWaitlist{Entries: []scheduler.Waitlisted{{Hash: uint32(i), Start: now}}})
		}
		require.NoError(t, g.Refresh(t.Context(), []string{"bad", "p"}, true))
		time.Sleep(time.Minute)
		admit(t, g, 3)
		assert.Equal(t, future, db.Stored("bad").State, "nothing is written over it")
		assert.EqualValues(t, 1, g.Stats().Unreadable)
		assert.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
		assert.Contains(t, log.String(), "project=bad")
	})
}

// Once the document can be read again, which nobody tells the instance, its
// project is used again within a minute.
func TestUnreadableDocumentIsMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(10 * time.Millisecond)
		other := (&Line{DB: db}).Open(t, Options{})
		require.NoError(t, mark(t, other, "bad", "key", true))
		good := db.Stored("bad")
		g := (&Line{DB: db}).Open(t, Options{})
		admit(t, g, 1)
		db.Put("bad", future)
		see := func() *scheduler.Project {
			states, err := g.View(t.Context(), []string{"bad", "p"})
			require.NoError(t, err)
			return states[0]
		}
		require.NotEmpty(t, see().Unreadable)
		g.Later(plenty, "bad", scheduler.ShareWaitlist{Entries: []scheduler.Waitlisted{{Hash: 1, Start: g.Now()}}})
		before, _ := db.Asked()
		for range 50 {
			time.Sleep(time.Second)
			require.NotEmpty(t, see().Unreadable)
		}
		after, _ := db.Asked()
		assert.Equal(t, before, after, "a view costs nothing")

		db.Put("bad", good.State)
		time.Sleep(retryEvery)
		p := see()
		require.Empty(t, p.Unreadable)
		assert.True(t, p.Mark("key").Disabled)
		require.NoError(t, mark(t, g, "bad", "key", false))
		assert.Len(t, stateOf(t, db, "bad").Waitlist, 1, "what was kept for the next commit is in it")
	})
}

// A document that becomes unreadable between the view and the commit: whoever
// wanted a slot looks elsewhere, and everybody else is told.
func TestUnreadableDuringCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(10 * time.Millisecond)
		l := &Line{DB: db}
		g := l.Open(t, Options{})
		admit(t, g, 1)
		l.OnPut = func(context.Context, int) error {
			db.Put("p", future)
			return nil
		}
		marked := make(chan error)
		go func() { marked <- mark(t, g, "p", "key", true) }()
		result, err := g.Apply(t.Context(), plenty, "p", ask(2))
		require.NoError(t, err)
		assert.Equal(t, scheduler.Replan, result.Verdict)
		assert.Equal(t, scheduler.Never, result.Start)
		require.ErrorContains(t, <-marked, "version 2")
		_, err = g.Apply(t.Context(), plenty, "p", ask(3))
		require.ErrorContains(t, err, "project p", "from now on it is known")
		assert.Equal(t, future, db.Stored("p").State)
	})
}

func stateOf(t *testing.T, db *Fake, id string) *scheduler.Project {
	t.Helper()
	p, err := codec.New().Unpack(db.Stored(id))
	require.NoError(t, err)
	return p
}
