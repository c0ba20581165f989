package codec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// refilled is a project that takes searches out of a bucket.
func refilled(t testing.TB) (*scheduler.Rules, *scheduler.Project) {
	rules, _ := searched(t, 0, 0)
	spec := rules.Specs[search]
	spec.RPM, spec.RPD, spec.Refill, spec.Burst = 6, 50, true, scheduler.Burst{Requests: 3}
	rules.Specs[search] = spec
	var p *scheduler.Project
	for i := range 5 {
		next, result := p.Apply(rules, goldenAt.Add(time.Duration(i)*11*time.Second), scheduler.Reserve{
			Model: "m-pro", ID: uint64(i) + 1, Demand: scheduler.Demand{Tokens: 10}, Also: []scheduler.Weight{{On: search}},
		})
		require.Equal(t, scheduler.Admitted, result.Verdict)
		p = next
	}
	p, _ = p.Apply(rules, goldenAt.Add(100*time.Second), scheduler.Reserve{Model: "m-pro", ID: 6, Also: []scheduler.Weight{{On: search}}})
	return rules, p.Wrote(1, 1)
}

// What a bucket holds goes through the second field, where builds that know windows only
// don't read it. One of these that has written since may have emptied it.
func TestBucketsBesideAnOldBuild(t *testing.T) {
	c, windowsOnly := New(Sections()...), New(others, open, idle)
	rules, p := refilled(t)
	doc := write(t, c, p, nil)
	back := read(t, c, doc)
	require.Equal(t, p.Calendar(search), back.Calendar(search))
	assert.Zero(t, back.Unsure)
	ask := scheduler.Reserve{Model: "m-pro", ID: 99, Also: []scheduler.Weight{{On: search}}}
	_, result := back.Apply(rules, p.Latest, ask)
	require.Equal(t, scheduler.Admitted, result.Verdict)

	old, err := windowsOnly.Unpack(doc)
	require.NoError(t, err)
	require.Len(t, old.Calendars, 1, "it finds the model")
	old, result = old.Apply(rules, p.Latest.Add(time.Second), scheduler.Reserve{Model: "m-pro", ID: 50})
	require.Equal(t, scheduler.Admitted, result.Verdict)
	doc, err = windowsOnly.Pack(&scheduler.Rules{Policy: rules.Policy, Skew: rules.Skew, Hold: rules.Hold}, old.Latest, old.Wrote(2, 1), doc.Sections)
	require.NoError(t, err)
	back = read(t, c, doc)
	assert.Equal(t, p.Calendar(search).Sent, back.Calendar(search).Sent, "what is known stays")
	assert.Equal(t, p.Calendar(search).Debt, back.Calendar(search).Debt)
	_, result = back.Apply(rules, old.Latest.Add(time.Second), ask)
	assert.Equal(t, scheduler.Refused, result.Verdict)
	assert.LessOrEqual(t, result.Start, old.Latest.Add(42*time.Second), "when an empty bucket would be full")
	doc = write(t, c, back.Wrote(1, 2), doc.Sections)
	assert.Equal(t, back.Unsure, read(t, c, doc).Unsure)
	_, result = read(t, c, doc).Apply(rules, old.Latest.Add(42*time.Second), ask)
	assert.Equal(t, scheduler.Admitted, result.Verdict)
}

// A document that this build has written under limits for other calendars tells the first
// use of one apart from what another build may have used. Under limits for models only
// there is nothing to tell, and no second field.
func TestFirstUse(t *testing.T) {
	c := New(Sections()...)
	rules, p := searched(t, 10, 0)
	p.Calendars[0].Open = nil // all of them are settled
	ask := scheduler.Reserve{Model: "m-pro", ID: 99, Also: []scheduler.Weight{{On: search}}}
	doc := write(t, c, p, nil)
	assert.Nil(t, doc.Sections, "written under no such limits")
	_, result := read(t, c, doc).Apply(rules, goldenAt.Add(time.Second), ask)
	assert.Equal(t, scheduler.Refused, result.Verdict)

	doc, err := c.Pack(rules, goldenAt, p, nil)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(doc.Sections), 24)
	back := read(t, c, doc)
	assert.Equal(t, p, back)
	_, result = back.Apply(rules, goldenAt.Add(time.Second), ask)
	assert.Equal(t, scheduler.Admitted, result.Verdict, "at once")

	// Where another build wrote before, a window after that.
	doc, err = c.Pack(rules, goldenAt, read(t, c, Document{State: encode(p)}), nil)
	require.NoError(t, err)
	_, result = read(t, c, doc).Apply(rules, goldenAt.Add(70*time.Second), ask)
	assert.Equal(t, scheduler.Refused, result.Verdict)
	_, result = read(t, c, doc).Apply(rules, goldenAt.Add(71*time.Second), ask)
	assert.Equal(t, scheduler.Admitted, result.Verdict)
}

// Damaged data is as good as none, which is taken conservatively.
func FuzzBuckets(f *testing.F) {
	_, p := refilled(f)
	_, data := buckets.Take(nil, p)
	f.Add(data)
	f.Add([]byte{0})
	f.Add([]byte{1, 2, '#', 'x', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	base, err := decode(encode(state(1, 0, 0)))
	require.NoError(f, err)
	before := len(base.Calendars)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, current := range []bool{true, false} {
			given := buckets.Give(base, data, current)
			require.Len(t, base.Calendars, before)
			for _, c := range given.Calendars[before:] {
				require.False(t, scheduler.IsModel(c.Model))
				require.Positive(t, c.Debt.Per)
			}
			if len(data) > 0 && !current {
				require.Equal(t, base.Latest, given.Unsure.At)
			}
		}
	})
}
