package storage

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/codec"
	"fluxgate.dev/fluxgate/storage/internal/codec/codectest"
)

// Instances of three builds on one database, through upgrade and rollback: one
// release from before there were sections, one build that knows the section and
// one that knows another. None stops another, what a build doesn't know it keeps,
// and the limit of what is counted in the section holds.
func TestBuildsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFake(10 * time.Millisecond)
		old := (&Line{DB: db, OneField: true}).Open(t, Options{})
		other := (&Line{DB: db, Sections: []codec.Section{codectest.Search(2)}}).Open(t, Options{})
		fresh := (&Line{DB: db, Sections: []codec.Section{codectest.Search(1)}}).Open(t, Options{})

		rules := rulesFor(scheduler.Limits{RPM: 100_000, TPM: 1 << 40, RPD: codectest.SearchLimit})
		id := uint64(0)
		searches := func(g *Grouped, n int) (admitted int) {
			t.Helper()
			for range n {
				id++
				require.NoError(t, g.Refresh(t.Context(), []string{"p"}, true))
				result, err := g.Apply(t.Context(), rules, "p", scheduler.Reserve{Model: codectest.Searched, ID: id, Demand: scheduler.Demand{Tokens: 1}})
				require.NoError(t, err)
				if result.Verdict == scheduler.Admitted {
					admitted++
				}
				time.Sleep(2 * time.Second)
			}
			return admitted
		}
		seen := func(g *Grouped) int64 {
			t.Helper()
			require.NoError(t, g.Refresh(t.Context(), []string{"p"}, true))
			states, err := g.View(t.Context(), []string{"p"})
			require.NoError(t, err)
			return states[0].Calendar(codectest.Searched).Used(rules, scheduler.DayOf(g.Now()))
		}
		next := func(g *Grouped) {
			t.Helper()
			id++
			admit(t, g, id)
			time.Sleep(2 * time.Second)
		}

		// A build that knows the section makes the document.
		require.Equal(t, 2, searches(fresh, 2))
		require.EqualValues(t, 2, seen(fresh))
		for range 3 {
			next(fresh)
		}
		require.EqualValues(t, 2, seen(fresh), "written with every state")

		// The build before reads what it always has, and writes; for all that is
		// known it used the feature to the limit.
		states, err := old.View(t.Context(), []string{"p"})
		require.NoError(t, err)
		require.Len(t, states[0].Calendars, 1, "only the model that it knows")
		kept := db.Stored("p").Sections
		next(old)
		require.Equal(t, kept, db.Stored("p").Sections, "it leaves the field alone")
		require.EqualValues(t, codectest.SearchLimit, seen(fresh), "not one too many")
		require.Zero(t, searches(fresh, 2))
		next(fresh)
		require.EqualValues(t, codectest.SearchLimit, seen(fresh), "what was taken conservatively stays so")

		// A build that knows another section keeps this one.
		next(other)
		next(other)
		require.EqualValues(t, codectest.SearchLimit, seen(fresh))
		next(fresh)
		next(old)
		next(other)

		// The next day there is room again, as soon as a build writes that knows it.
		time.Sleep(25 * time.Hour)
		next(fresh)
		require.Equal(t, 1, searches(fresh, 1))
		require.EqualValues(t, 1, seen(fresh))
		next(other)
		require.EqualValues(t, codectest.SearchLimit, seen(fresh), "the other build doesn't count it")
		for _, g := range []*Grouped{old, other, fresh} {
			assert.Zero(t, g.Stats().Unreadable)
		}
	})
}
