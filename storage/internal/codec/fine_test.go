package codec

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// crowded is a project of models that are asked so many times within ten seconds, under limits of that.
func crowded(t testing.TB, models []string, requests int) (*scheduler.Rules, *scheduler.Project) {
	t.Helper()
	rules := rulesFor(scheduler.Limits{RPM: scheduler.Unlimited, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited})
	rules.Specs = map[string]scheduler.Spec{}
	var p *scheduler.Project
	for i := range requests {
		for j, model := range models {
			on := scheduler.OfWindow(model, 10*time.Second)
			rules.Specs[on] = scheduler.Spec{Window: 10 * time.Second, EffectiveLimits: scheduler.EffectiveLimits{
				Limits: scheduler.Limits{RPM: int64(requests), TPM: scheduler.Unlimited, RPD: scheduler.Unlimited},
			}}
			next, result := p.Apply(rules, goldenAt+scheduler.Instant(i)*10_000/scheduler.Instant(requests), scheduler.Reserve{
				Model: model, ID: uint64(i*len(models)+j) + 1, Also: []scheduler.Weight{{On: on, Demand: scheduler.Demand{Tokens: 500}}},
			})
			require.Equal(t, scheduler.Admitted, result.Verdict)
			p = next
		}
	}
	return rules, p.Wrote(1, 1)
}

// The ends of what was folded in a window of ten seconds are kept to a tenth of one, as long as no build that
// doesn't know it has written since; that one has them to the second, rounded up.
func TestFineRoundTrip(t *testing.T) {
	c := New(Sections()...)
	rules, p := crowded(t, []string{"m-pro"}, 400)
	p = p.Compact(rules, p.Latest, 16, 0)
	on := scheduler.OfWindow("m-pro", 10*time.Second)
	doc, err := c.Pack(rules, p.Latest, p, nil)
	require.NoError(t, err)
	t.Logf("%d and %d bytes", len(doc.State), len(doc.Sections))
	back := read(t, c, doc)
	folded := back.Calendar(on).Folded
	assert.Equal(t, p.Calendar(on).Folded, folded)
	assert.Greater(t, len(folded), 80)
	assert.LessOrEqual(t, len(folded), 107)

	without := New(slices.DeleteFunc(Sections(), func(s Section) bool { return s.Tag == fine.Tag })...)
	old := read(t, without, doc)
	coarse := old.Calendar(on).Folded
	assert.LessOrEqual(t, len(coarse), 12)
	for at := p.Latest; at < p.Latest+12_000; at += 50 {
		requests, tokens := back.Calendar(on).InWindow(rules, at)
		more, moreTokens := old.Calendar(on).InWindow(rules, at)
		require.GreaterOrEqual(t, more, requests)
		require.GreaterOrEqual(t, moreTokens, tokens)
		all, _ := p.Calendar(on).InWindow(rules, at)
		require.Equal(t, all, requests)
	}

	old, result := old.Apply(rules, p.Latest+1, scheduler.Reserve{Model: "m-pro", ID: 1 << 40})
	require.Equal(t, scheduler.Admitted, result.Verdict)
	written, err := without.Pack(rules, old.Latest, old.Wrote(2, 1), doc.Sections)
	require.NoError(t, err)
	assert.Equal(t, coarse, read(t, c, written).Calendar(on).Folded, "it isn't of that state")
	again, err := c.Pack(rules, old.Latest, p.Wrote(1, 2), written.Sections)
	require.NoError(t, err)
	assert.Equal(t, folded, read(t, c, again).Calendar(on).Folded)
}

// What a section says that doesn't add up to what the others have isn't believed.
func TestFineAddsUp(t *testing.T) {
	_, p := crowded(t, []string{"m-pro"}, 100)
	whole, data := fine.Take(nil, p)
	require.NotEqual(t, p, whole)
	assert.Equal(t, p, fine.Give(whole, data, true))
	assert.Equal(t, whole, fine.Give(whole, data, false))
	for i := range data {
		assert.NotPanics(t, func() { fine.Give(whole, data[:i], true) })
		other := slices.Clone(data)
		other[i] ^= 4
		given := fine.Give(whole, other, true)
		_, again := fine.Take(nil, given)
		if len(again) > 0 {
			next, _ := fine.Take(nil, given)
			assert.Equal(t, whole, next, "byte %d", i)
		}
	}
}

// Where many windows are full, fewer requests are kept one by one, and then the ends are whole seconds.
func TestFineGivesWay(t *testing.T) {
	c := New(Sections()...)
	for models, finely := range map[int]bool{1: true, 2: true, 7: false} {
		var names []string
		for i := range models {
			names = append(names, string(rune('a'+i)))
		}
		rules, p := crowded(t, names, 300)
		doc, err := c.Pack(rules, p.Latest, p, nil)
		require.NoError(t, err)
		assert.True(t, doc.fits())
		back := read(t, c, doc)
		assert.Equal(t, finely, fractional(back), "%d models: %d and %d bytes", models, len(doc.State), len(doc.Sections))
		for _, model := range names {
			on := scheduler.OfWindow(model, 10*time.Second)
			requests, _ := back.Calendar(on).InWindow(rules, p.Latest)
			assert.EqualValues(t, 300, requests)
		}
	}
}

// Whatever the section says, what is made of it is in order of end, and no more nor less than what the others have,
// which may end later by less than a second.
func FuzzFine(f *testing.F) {
	_, p := crowded(f, []string{"m-pro"}, 100)
	whole, data := fine.Take(nil, p)
	f.Add(data)
	on := scheduler.OfWindow("m-pro", 10*time.Second)
	said := func(folded []scheduler.Folded) []byte {
		e := &encoder{}
		e.str(on)
		e.len(len(folded))
		for _, x := range folded {
			e.at(x.End)
			e.int(x.Tokens)
			e.int(x.Requests)
		}
		return e.b
	}
	folded := slices.Clone(p.Calendar(on).Folded)
	slices.Reverse(folded)
	f.Add(said(folded))
	folded = slices.Clone(p.Calendar(on).Folded)
	folded[0].Requests += 5
	folded[1].Requests -= 5
	f.Add(said(folded))
	f.Fuzz(func(t *testing.T, data []byte) {
		given := fine.Give(whole, data, true)
		require.Len(t, given.Calendars, len(whole.Calendars))
		for i, c := range given.Calendars {
			for j, x := range c.Folded {
				require.True(t, x.Tokens >= 0 && x.Requests >= 0, x)
				require.True(t, j == 0 || c.Folded[j-1].End < x.End, c.Folded)
			}
			require.Equal(t, whole.Calendars[i].Folded, inSeconds(c, c.Folded).Folded)
		}
	})
}
