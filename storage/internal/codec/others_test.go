package codec

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/scheduler"
)

// searched is a project whose model was used so many times, of which some with a search.
func searched(t testing.TB, requests, searches int) (*scheduler.Rules, *scheduler.Project) {
	rules := rulesFor(scheduler.Limits{RPM: 100, TPM: 1 << 40, RPD: 1 << 40})
	rules.Specs = map[string]scheduler.Spec{search: {EffectiveLimits: scheduler.EffectiveLimits{
		Limits: scheduler.Limits{RPM: 3, TPM: scheduler.Unlimited, RPD: 50},
	}}}
	var p *scheduler.Project
	for i := range requests {
		r := scheduler.Reserve{Model: "m-pro", ID: uint64(i) + 1, Demand: scheduler.Demand{Tokens: 10}}
		if i < searches {
			r.Also = []scheduler.Weight{{On: search, Demand: scheduler.Demand{Tokens: 1}}}
		}
		next, result := p.Apply(rules, goldenAt, r)
		require.Equal(t, scheduler.Admitted, result.Verdict)
		p = next
	}
	return rules, p.Wrote(1, 1)
}

var search = scheduler.OfFeature("m-pro", "google_search")

// What isn't a model's calendar goes through the second field whole, and isn't in the
// first, where builds that know models only would take it for one.
func TestOthersRoundTrip(t *testing.T) {
	c := New(Sections()...)
	rapid.Check(t, func(rt *rapid.T) {
		p := anyProject(rt)
		p.Unsure = scheduler.Unsure{}
		for i, c := range p.Calendars {
			c.Model = fmt.Sprint("m", i)
			if i >= 2 {
				c.Model = scheduler.OfFeature("m", fmt.Sprint(i))
				if i == 3 {
					c.Debt = scheduler.Debt{At: p.Latest - 500, Per: 1000, Tokens: rapid.Int64Min(0).Draw(rt, "missing"), Requests: 7}
				}
				if c.Open = rapid.SliceOfN(rapid.Uint32Max(1<<24-1), 0, 20).Draw(rt, "open"); len(c.Open) == 0 {
					c.Open = nil
				}
			}
		}
		doc := c.join(&scheduler.Rules{}, p, nil)
		back, err := c.Unpack(doc)
		require.NoError(rt, err)
		if len(p.Calendars) <= 2 { // none was ever used: the first to be is taken conservatively
			require.Nil(rt, doc.Sections)
			require.Equal(rt, p.Latest, back.Unsure.At)
			back.Unsure = p.Unsure
		}
		require.Equal(rt, p, back)
		old, err := decode(doc.State)
		require.NoError(rt, err)
		require.Len(rt, old.Calendars, min(2, len(p.Calendars)))
	})
}

// 4bd3115 sends requests, and may have searched with each of them: until a window
// later nothing is searched, and on that day as often less as it sent requests. What a
// build that knows the section writes is exact again.
func TestOthersBesideAnOldBuild(t *testing.T) {
	c := New(Sections()...)
	rules, p := searched(t, 10, 2)
	doc := write(t, c, p, nil)
	back := read(t, c, doc)
	require.Equal(t, scheduler.Unsure{}, back.Unsure)
	today := scheduler.DayOf(goldenAt)
	require.EqualValues(t, 2, back.Calendar(search).Used(rules, today))

	ask := scheduler.Reserve{Model: "m-pro", ID: 99, Also: []scheduler.Weight{{On: search}}}
	_, result := back.Apply(rules, goldenAt.Add(time.Second), ask)
	require.Equal(t, scheduler.Admitted, result.Verdict)

	old, err := decode(doc.State)
	require.NoError(t, err)
	for i := range 4 {
		old, result = old.Apply(rules, goldenAt.Add(2*time.Second), scheduler.Reserve{Model: "m-pro", ID: uint64(i) + 200})
		require.Equal(t, scheduler.Admitted, result.Verdict)
	}
	doc.State = encode(old.Wrote(2, 1))
	back = read(t, c, doc)
	assert.Equal(t, goldenAt.Add(2*time.Second), back.Unsure.At)
	assert.EqualValues(t, 14, back.Unsure.Requests, "of the ten of before some may have been taken back meanwhile")
	assert.Len(t, back.Calendar(search).Sent, 2, "what is known stays")
	_, result = back.Apply(rules, goldenAt.Add(3*time.Second), ask)
	assert.Equal(t, scheduler.Refused, result.Verdict)
	assert.Less(t, result.Start, goldenAt.Add(80*time.Second))
	_, result = back.Apply(rules, goldenAt.Add(3*time.Second), scheduler.Reserve{Model: "m-pro", ID: 98})
	assert.Equal(t, scheduler.Admitted, result.Verdict, "the model isn't concerned")

	// Written, it is known for what it is, and not counted again.
	doc = write(t, c, back.Wrote(1, 2), doc.Sections)
	assert.Equal(t, back.Unsure, read(t, c, doc).Unsure)
	later := goldenAt.Add(2 * time.Minute)
	_, result = read(t, c, doc).Apply(rules, later, ask)
	assert.Equal(t, scheduler.Admitted, result.Verdict)
	assert.EqualValues(t, 16, read(t, c, doc).Calendar(search).Used(rules, today))

	// A document of before there were sections: all of today's requests may have searched.
	back = read(t, c, Document{State: encode(old)})
	assert.EqualValues(t, 14, back.Unsure.Requests)
	assert.EqualValues(t, 14, back.Calendar(search).Used(rules, today))
	// The next day nothing of it is left.
	old, _ = old.Apply(rules, goldenAt.Add(25*time.Hour), scheduler.Reserve{Model: "m-pro", ID: 500})
	doc = write(t, c, read(t, c, Document{State: encode(old)}), nil)
	assert.EqualValues(t, 1, read(t, c, doc).Unsure.Requests)
}

// A booking on two calendars that an old build claims, releases or moves on the one it
// knows does the same on the other.
func TestOthersBookings(t *testing.T) {
	c := New(Sections()...)
	rules, p := searched(t, 3, 3)
	var all [3]scheduler.Booking
	for i := range all {
		next, result := p.Apply(rules, goldenAt, scheduler.Reserve{
			Model: "m-pro", ID: uint64(i) + 50, Also: []scheduler.Weight{{On: search}}, Book: true,
		})
		require.Equal(t, scheduler.Booked, result.Verdict)
		p, all[i] = next, result.Booking
	}
	doc := write(t, c, p, nil)
	old, err := decode(doc.State)
	require.NoError(t, err)
	old, _ = old.Apply(rules, goldenAt.Add(time.Second), scheduler.Release{Booking: all[0].ID})
	moved := old.Calendars[0].Bookings
	moved[1].Start += 7000
	doc.State = encode(old)
	for range 2 {
		back := read(t, c, doc)
		bookings := back.Calendar(search).Bookings
		require.Len(t, bookings, 2)
		assert.Equal(t, all[1].Start, bookings[0].Start)
		assert.Equal(t, all[2].Start+7000, bookings[1].Start)
	}
}

// A booking on two models is to a build that knows one model each what it was made for, and
// something on the other that nobody claims: it lapses.
func TestTwoModelsBesideAnOldBuild(t *testing.T) {
	rules, p := searched(t, 0, 0)
	rules.Policy = scheduler.NewPolicy(nil, map[string]scheduler.Override{"pro": {RPM: new(int64(1))}, "flash": {RPM: new(int64(1))}})
	ask := scheduler.Reserve{Model: "m-pro", ID: 1, Also: []scheduler.Weight{{On: "n-flash"}}}
	p, result := p.Apply(rules, goldenAt, ask)
	require.Equal(t, scheduler.Admitted, result.Verdict)
	ask.ID, ask.Hash, ask.Book = 2, 7, true
	p, result = p.Apply(rules, goldenAt, ask)
	require.Equal(t, scheduler.Booked, result.Verdict)
	doc := write(t, New(Sections()...), p.Wrote(1, 1), nil)

	old, err := decode(doc.State)
	require.NoError(t, err)
	require.Len(t, old.Calendars, 2)
	model, b, ok := old.Booking(result.Booking.ID)
	require.True(t, ok)
	assert.Equal(t, "m-pro", model)
	// It claims the one on the calendar that it knows of.
	claimed := *old.Calendars[0]
	claimed.Bookings, claimed.Sent = nil, append(claimed.Sent, &scheduler.Reservation{ID: 3, Start: b.Start, End: b.Start + 60_500, Requests: 1})
	old.Calendars[0], old.Latest = &claimed, b.Start
	doc.State = encode(old.Wrote(2, 1))
	back := read(t, New(Sections()...), doc)
	_, result = back.Apply(rules, b.Start+1000, scheduler.Reserve{Model: "n-flash", ID: 4})
	assert.Equal(t, scheduler.Refused, result.Verdict, "until its hold is over")
	back, result = back.Apply(rules, b.Start+5001, scheduler.Reserve{Model: "n-flash", ID: 4})
	assert.Equal(t, scheduler.Admitted, result.Verdict)
	back, _ = back.Apply(rules, b.Start+70_000, scheduler.Reserve{Model: "n-flash", ID: 5})
	assert.Empty(t, back.Calendar("n-flash").Bookings)
}

// As many calendars as there can be, full at once: what isn't models' has its part of the
// document, and is taken conservatively where there is none.
func TestOthersFit(t *testing.T) {
	others := func(p *scheduler.Project) {
		full := p.Calendars[0]
		for i := range scheduler.MaxOthers {
			c := *full
			c.Model, c.Bookings = scheduler.OfFeature("gemini-2.5-flash", fmt.Sprint("feature-", i)), nil
			p.Calendars = append(p.Calendars, &c)
		}
	}
	rules := rulesFor(scheduler.Limits{RPM: 20_000, TPM: 1 << 40, RPD: 1 << 40})
	few := fullest()
	few.Calendars = few.Calendars[:6] // the chain of today
	others(few)
	doc, err := New(Sections()...).Pack(rules, few.Latest, few, nil)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(doc.State)+len(doc.Sections), MaxDocument)
	back := read(t, New(Sections()...), doc)
	assert.Len(t, back.Calendars, 6+scheduler.MaxOthers)
	assert.Zero(t, back.Unsure)
	t.Logf("6 models, %d others: %d and %d bytes", scheduler.MaxOthers, len(doc.State), len(doc.Sections))

	all := fullest()
	others(all)
	doc, err = New(Sections()...).Pack(rules, all.Latest, all, nil)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(doc.State)+len(doc.Sections), MaxDocument)
	back = read(t, New(Sections()...), doc)
	if !slices.ContainsFunc(back.Calendars, func(c *scheduler.Calendar) bool { return !scheduler.IsModel(c.Model) }) {
		assert.Equal(t, all.Latest, back.Unsure.At)
	}
	t.Logf("%d models, %d others: %d and %d bytes", scheduler.MaxModels, scheduler.MaxOthers, len(doc.State), len(doc.Sections))
}

// Damaged data is as good as none, which is taken conservatively.
func FuzzOthers(f *testing.F) {
	_, p := searched(f, 5, 3)
	_, data := others.Take(&scheduler.Rules{}, p)
	f.Add(data)
	f.Add([]byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f})
	base := state(1, 0, 0)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, current := range []bool{true, false} {
			given, err := decode(encode(base)) // its own to change
			require.NoError(t, err)
			given = others.Give(given, data, current)
			require.GreaterOrEqual(t, len(given.Calendars), len(base.Calendars))
			for _, c := range given.Calendars[len(base.Calendars):] {
				require.False(t, scheduler.IsModel(c.Model))
			}
			if len(given.Calendars) == len(base.Calendars) && !current {
				require.Equal(t, base.Latest, given.Unsure.At)
			}
		}
	})
}
