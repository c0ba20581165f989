package storage_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// How many instances are at work shows by what they write: each knows of the others that wrote since it looked first,
// and of who wrote last before that, for as long as somebody writes and they don't.
func TestInstancesAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := &scheduler.Rules{Policy: scheduler.NewPolicy([]string{"m"}, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
		db, ids := storage.NewFake(time.Millisecond), []string{"p", "q"}
		var all []*storage.Grouped
		open := func() *storage.Grouped {
			g := (&storage.Line{DB: db}).Open(t, storage.Options{})
			all = append(all, g)
			return g
		}
		id := uint64(0)
		write := func(g *storage.Grouped, project string) {
			id++
			_, err := g.Apply(t.Context(), rules, project, scheduler.Reserve{Model: "m", ID: id, Demand: scheduler.Demand{Tokens: 1}})
			require.NoError(t, err)
			time.Sleep(2 * time.Second)
		}
		look := func(g *storage.Grouped) int {
			require.NoError(t, g.Refresh(t.Context(), ids, true))
			return g.Instances()
		}
		one := open()
		assert.Equal(t, 1, look(one))
		for range 3 {
			write(one, "p")
		}
		assert.Equal(t, 1, look(one), "itself")
		two, three := open(), open()
		assert.Equal(t, 2, look(two), "who wrote last, and just now")
		assert.Equal(t, 2, look(three))
		write(two, "p")
		write(three, "q")
		for _, g := range all {
			time.Sleep(2 * time.Second)
			assert.Equal(t, 3, look(g), "wherever they write")
		}
		assert.Equal(t, 3, look(open()))

		time.Sleep(5 * time.Hour)
		assert.Equal(t, 3, look(one), "while nobody writes none is missed")
		write(one, "p")
		assert.Equal(t, 1, look(one), "nobody else is at work")
		time.Sleep(time.Minute)
		assert.Equal(t, 2, look(two))
		assert.Equal(t, 2, look(open()))
	})
}
