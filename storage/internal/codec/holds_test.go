package codec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// For how long a booking is kept that is kept for longer than usual comes back on every
// calendar that it lies on, also when a build has written since that knows nothing of it and
// has moved the booking; it takes a few bytes, and none where there is no such booking.
func TestHoldsAreKept(t *testing.T) {
	rules := rulesFor(scheduler.Limits{RPM: 5, TPM: 1 << 40, RPD: 1 << 40})
	rules.Specs = map[string]scheduler.Spec{scheduler.OfProject: {EffectiveLimits: scheduler.EffectiveLimits{
		Limits: scheduler.Limits{RPM: 9, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited},
	}}}
	c, before := New(others, holds), New(others)
	p := state(1, 0, 0)
	model, now := p.Calendars[0].Model, p.Latest
	usual := ask(t, rules, p, scheduler.Reserve{Model: model, ID: 1<<32 | 1, From: now + 90_000, Book: true})
	without, err := c.Pack(rules, now, usual, nil)
	require.NoError(t, err)
	long := scheduler.Reserve{
		Model: model, ID: 1<<32 | 2, From: now + 90_000, Book: true, Hold: 30 * time.Second,
		Also: []scheduler.Weight{{On: scheduler.OfProject}},
	}
	p = ask(t, rules, usual, long)
	doc, err := c.Pack(rules, now, p, nil)
	require.NoError(t, err)
	plain := long
	plain.Hold = 0
	same, err := c.Pack(rules, now, ask(t, rules, usual, plain), nil)
	require.NoError(t, err)
	assert.Len(t, doc.Sections, len(same.Sections)+12)
	back, err := c.Unpack(without)
	require.NoError(t, err)
	assert.Equal(t, []time.Duration{0}, holdsOf(back))

	back, err = c.Unpack(doc)
	require.NoError(t, err)
	assert.Equal(t, []time.Duration{0, 30 * time.Second, 30 * time.Second}, holdsOf(back))

	old, err := before.Unpack(doc)
	require.NoError(t, err)
	assert.Equal(t, []time.Duration{0, 0, 0}, holdsOf(old))
	old, _ = old.Apply(rules, now, scheduler.Release{Booking: 1<<32 | 1})
	doc, err = before.Pack(rules, now, old.Wrote(1, 1), doc.Sections)
	require.NoError(t, err)
	back, err = c.Unpack(doc)
	require.NoError(t, err)
	assert.Equal(t, []time.Duration{30 * time.Second, 30 * time.Second}, holdsOf(back))

	assert.Equal(t, []time.Duration{0}, holdsOf(holds.Give(usual, []byte{0x80}, true)), "damaged, it is as good as none")
}

// ask returns the project once a slot has been asked for, which must be booked.
func ask(t *testing.T, rules *scheduler.Rules, p *scheduler.Project, r scheduler.Reserve) *scheduler.Project {
	t.Helper()
	next, result := p.Apply(rules, p.Latest, r)
	require.Equal(t, scheduler.Booked, result.Verdict)
	return next
}

func holdsOf(p *scheduler.Project) (all []time.Duration) {
	for _, c := range p.Calendars {
		for _, b := range c.Bookings {
			all = append(all, b.Hold)
		}
	}
	return all
}
