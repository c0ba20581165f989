package codec

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/scheduler"
)

// anyIdle draws what is kept of calendars that gave up their places.
func anyIdle(t *rapid.T, now scheduler.Instant) (all []scheduler.Idle, forgotten scheduler.DayCount) {
	n := func(name string) int64 { return rapid.Int64Range(1, math.MaxInt32).Draw(t, name) }
	day := func() scheduler.DayCount {
		return scheduler.DayCount{Day: scheduler.Day(rapid.Int32().Draw(t, "day")), Requests: n("requests"), Tokens: n("tokens")}
	}
	for i := range rapid.IntRange(0, scheduler.MaxIdle).Draw(t, "idle") {
		x := scheduler.Idle{Name: rapid.Uint32().Draw(t, "name")&^0xff | uint32(i), Day: day()}
		if rapid.Bool().Draw(t, "blocked") {
			x.Block = scheduler.Block{Until: now + scheduler.Instant(n("until")), Cause: scheduler.ByDay, Strikes: n("strikes")}
		}
		if rapid.Bool().Draw(t, "learned") {
			x.Learned.RPD = scheduler.LearnedLimit{Limit: n("limit"), At: now - scheduler.Instant(n("at"))}
		}
		if rapid.Bool().Draw(t, "refused") {
			x.Refused = n("refused")
		}
		all = append(all, x)
	}
	if rapid.Bool().Draw(t, "forgotten") {
		forgotten = day()
	}
	return all, forgotten
}

func TestIdleRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := anyProject(rt)
		p.Idle, p.Forgotten = anyIdle(rt, p.Latest)
		_, data := idle.Take(nil, p)
		bare, err := decode(encode(p))
		require.NoError(rt, err)
		for _, current := range []bool{true, false} {
			given := idle.Give(bare, data, current)
			require.Equal(rt, p.Idle, given.Idle)
			require.Equal(rt, p.Forgotten, given.Forgotten)
			require.Equal(rt, encode(p), encode(given))
		}
		if len(data) > 0 {
			cut := rapid.IntRange(0, len(data)-1).Draw(rt, "cut")
			require.Equal(rt, bare, idle.Give(bare, data[:cut], true), "damaged, it is as good as none")
		}
	})
}

// 4bd3115 doesn't see what is kept of a model without a place, and may give it one.
// Then both count; and what it leaves alone is there again afterwards.
func TestIdleBesideAnOldBuild(t *testing.T) {
	c, today := New(Sections()...), scheduler.DayOf(goldenAt)
	p := state(1, 0, 0)
	p.Idle = []scheduler.Idle{
		{
			Name: scheduler.NameOf("away"), Day: scheduler.DayCount{Day: today, Requests: 5, Tokens: 50},
			Block:   scheduler.Block{Until: goldenAt.Add(time.Hour), Cause: scheduler.ByMinute},
			Learned: scheduler.Learned{RPD: scheduler.LearnedLimit{Limit: 9, At: goldenAt}}, Refused: 300_000,
		},
		{Name: scheduler.NameOf("elsewhere"), Day: scheduler.DayCount{Day: today, Requests: 7}},
	}
	doc := write(t, c, p, nil)
	old, err := decode(doc.State)
	require.NoError(t, err)
	require.Empty(t, old.Calendar("away").Days)
	old.Latest = goldenAt.Add(3 * time.Second)
	old.Calendars = append(old.Calendars, &scheduler.Calendar{Model: "away", Days: []scheduler.DayCount{{Day: today, Requests: 2, Tokens: 20}}})
	for range 2 { // reading is not writing
		back := read(t, c, Document{encode(old), doc.Sections})
		away := back.Calendar("away")
		assert.Equal(t, []scheduler.DayCount{{Day: today, Requests: 7, Tokens: 70}}, away.Days)
		assert.Equal(t, p.Idle[0].Block, away.Block)
		assert.Equal(t, p.Idle[0].Learned, away.Learned)
		assert.EqualValues(t, 300_000, away.Refused)
		assert.Equal(t, p.Idle[1:], back.Idle)
	}
	doc = write(t, c, read(t, c, Document{encode(old), doc.Sections}), doc.Sections)
	assert.EqualValues(t, 7, used(read(t, c, doc), "away"), "written once, it is counted once")
}

// The worst case: everything that a document can hold at once, in both fields.
func TestWorstCaseFits(t *testing.T) {
	p := fullest()
	for i := range scheduler.MaxIdle {
		p.Idle = append(p.Idle, scheduler.Idle{
			Name: uint32(i), Day: scheduler.DayCount{Day: scheduler.DayOf(p.Latest), Requests: 1 << 30, Tokens: 1 << 40},
			Block: p.Calendars[0].Block, Learned: scheduler.Learned{
				RPM: p.Calendars[0].Learned.RPM, TPM: p.Calendars[0].Learned.TPM, RPD: p.Calendars[0].Learned.RPD,
			}, Refused: math.MaxInt32,
		})
	}
	p.Forgotten = p.Idle[0].Day
	for _, c := range p.Calendars {
		for i := range scheduler.MaxOpen {
			c.Open = append(c.Open, uint32(i))
		}
	}
	doc, err := New(Sections()...).Pack(rulesFor(scheduler.Limits{RPM: 20_000, TPM: 1 << 40, RPD: 1 << 40}), p.Latest, p, nil)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(doc.State)+len(doc.Sections), MaxDocument)
	back := read(t, New(Sections()...), doc)
	assert.Len(t, back.Calendars, scheduler.MaxModels)
	assert.Equal(t, p.Idle, back.Idle, "nothing of them was given up")
	assert.Equal(t, p.Forgotten, back.Forgotten)
	t.Logf("%d and %d bytes", len(doc.State), len(doc.Sections))
}

// Damaged data costs neither the instance nor its memory.
func FuzzIdle(f *testing.F) {
	p := state(1, 0, 0)
	p.Idle = []scheduler.Idle{{Name: 1, Day: scheduler.DayCount{Day: 1, Requests: 2}}, {Name: scheduler.NameOf("gemini-2.5-pro"), Refused: 3}}
	_, data := idle.Take(nil, p)
	f.Add(data)
	f.Add([]byte{0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, data []byte) {
		given := idle.Give(p, data, false)
		if len(given.Idle) > scheduler.MaxIdle || len(given.Calendars) != len(p.Calendars) {
			t.Fatalf("%+v", given)
		}
	})
}
