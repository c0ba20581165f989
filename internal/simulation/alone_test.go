package simulation

import (
	"context"
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

// A play is what became of a caller.
type play struct {
	services []service
	told     []told
	calls    int
	writes   int64
	document *scheduler.Project // but for random IDs
}

// played returns what becomes of a caller that has a project to itself, or one on which others may come and don't.
func played(t *testing.T, m manner, shared bool) (x play) {
	synctest.Test(t, func(t *testing.T) {
		s := newSociety(t, 1, 0, 5, nil, scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited})
		c, err := admission.New(context.Background(), admission.Options{
			Store: s.store, Shared: shared, Weights: map[string]int64{"bob": 3}, Rules: func(storage.Control) *scheduler.Rules { return s.rules },
		})
		require.NoError(t, err)
		s.instances = append(s.instances, c)
		s.join(m)
		s.run(20 * time.Minute)
		states, err := s.store.View(t.Context(), []string{s.projects[0].ID})
		require.NoError(t, err)
		document := *states[0]
		document.Calendars = nil
		for _, c := range states[0].Calendars {
			c = c.Clone()
			for i, r := range c.Sent {
				named := *r
				named.ID = 0
				c.Sent[i] = &named
			}
			for i := range c.Bookings {
				c.Bookings[i].ID = 0
			}
			c.Open = make([]uint32, len(c.Open))
			document.Calendars = append(document.Calendars, c)
		}
		assert.Zero(t, s.broken)
		assert.Zero(t, s.upstream.violations())
		x = play{s.services, s.told, s.calls, s.store.Stats().Writes, &document}
	})
	return x
}

// A caller that shares a pool with others that don't come is served as if the pool were its own: at the same instants, told
// the same, by as many calls and writes, and no more is kept of it. But it books no more than a window ahead once it has a
// booking, so that whoever comes waits for no longer than that; then its schedule is another one, and it is served as much.
func TestAloneIsAsIfUnshared(t *testing.T) {
	race.Skip(t)
	for name, c := range map[string]struct {
		manner
		further bool // it would book further ahead
	}{
		"has room":        {manner{requests: 3, returns: 1, late: 100 * time.Millisecond, thinks: 20 * time.Second}, false},
		"fills it":        {manner{requests: 12, returns: 1, late: 100 * time.Millisecond}, false},
		"comes late":      {manner{requests: 12, returns: 1, late: 4 * time.Second, tokens: [2]int64{5000, 60_000}}, false},
		"leaves":          {manner{requests: 15, returns: 0.7, late: time.Second, thinks: time.Second, tokens: [2]int64{5000, 60_000}}, false},
		"large and small": {manner{requests: 60, returns: 1, late: time.Second, tokens: [2]int64{5000, 200_000}}, false},
		"hammers":         {manner{requests: 15, returns: 1, every: 5 * time.Second, tokens: [2]int64{5000, 60_000}}, true},
		"asks for more":   {manner{requests: 15, returns: 1, late: 500 * time.Millisecond, book: true, tokens: [2]int64{5000, 60_000}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := c.manner
			if m.name = "alice"; m.tokens[0] == 0 {
				m.tokens[0] = 1000
			}
			own, shared := played(t, m, false), played(t, m, true)
			require.NotEmpty(t, own.services)
			if !c.further {
				require.Equal(t, own, shared)
				return
			}
			assert.NotEqual(t, own.services, shared.services, "or it belongs to those above")
			assert.GreaterOrEqual(t, len(shared.services), len(own.services)*97/100)
			assert.Empty(t, shared.document.Services)
		})
	}
}
