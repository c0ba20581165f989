package storage

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// Where the control document was made anew while nobody ran, projects speak of epochs that it
// doesn't know. That is looked for once, and no more until it is beyond them.
func TestEpochsThatAreNoMore(t *testing.T) {
	db := NewFake(0)
	g := (&Line{DB: db}).Open(t, Options{Pace: -1})
	for range 3 {
		_, err := g.UpdateControl(t.Context(), func(*Control) error { return nil })
		require.NoError(t, err)
	}
	use := func(g *Grouped, id string) {
		name := id + "-pro"
		_, err := g.Apply(t.Context(), plenty, id, scheduler.Reserve{Model: name, ID: 1, Demand: scheduler.Demand{Tokens: 1}})
		require.NoError(t, err)
	}
	for _, id := range []string{"a", "b"} {
		use(g, id)
	}
	db.mu.Lock()
	db.ctl = Control{Epoch: 1}
	db.mu.Unlock()

	g = (&Line{DB: db}).Open(t, Options{Pace: -1})
	control := func() {
		c, err := g.Control(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, c.Epoch)
	}
	control()
	asked := g.Stats().Control
	for _, id := range []string{"a", "b"} {
		states, err := g.View(t.Context(), []string{id})
		require.NoError(t, err)
		assert.EqualValues(t, 3, states[0].Epoch)
		control()
		control()
		assert.Equal(t, asked+1, g.Stats().Control)
	}
}

// A control document that was read while another was written isn't taken over, so it doesn't
// count as found.
func TestReadBesideAWrite(t *testing.T) {
	var c controlCache
	c.take(Control{Epoch: 5})
	c.hear(7)
	asked, taken, sought := c.begin()
	c.take(Control{Epoch: 6})
	assert.False(t, c.took(asked, taken, sought, Control{Epoch: 7}))
	_, ok := c.within(ControlAge)
	assert.False(t, ok, "the seventh is yet to be read")
	assert.True(t, c.took(c.asked, c.taken, 7, Control{Epoch: 7}))
	doc, ok := c.within(ControlAge)
	assert.True(t, ok)
	assert.EqualValues(t, 7, doc.Epoch)
}
