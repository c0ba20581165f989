package scheduler_test

import (
	"math/rand/v2"
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/scheduler/instant"
	"github.com/stretchr/testify/assert"
)

// TestDays has the days on which clocks change, whose length is why a day is
// never computed as 24 h, and an ordinary one.
func TestDays(t *testing.T) {
	for _, c := range []struct {
		noon   string
		length time.Duration
		utc    string // of its midnight
	}{
		{"2026-03-07 12:00:00", 24 * time.Hour, "2026-03-07T08:00:00Z"},
		{"2026-03-08 12:00:00", 23 * time.Hour, "2026-03-08T08:00:00Z"},
		{"2026-03-09 12:00:00", 24 * time.Hour, "2026-03-09T07:00:00Z"},
		{"2026-11-01 12:00:00", 25 * time.Hour, "2026-11-01T07:00:00Z"},
		{"2026-11-02 12:00:00", 24 * time.Hour, "2026-11-02T08:00:00Z"},
		{"2028-02-29 12:00:00", 24 * time.Hour, "2028-02-29T08:00:00Z"},
	} {
		day := DayOf(pacific(c.noon))
		assert.Equal(t, c.noon[:10], day.String())
		assert.Equal(t, c.utc, day.Start().Time().Format(time.RFC3339))
		assert.Equal(t, c.length, day.End().Sub(day.Start()), day)
		assert.Equal(t, day, DayOf(day.Start()))
		assert.Equal(t, day, DayOf(day.End()-1), "%s lasts until the next begins", day)
		assert.Equal(t, day+1, DayOf(day.End()))
	}
}

// TestDayOf compares with the time package over thirty years, at random and
// around every midnight.
func TestDayOf(t *testing.T) {
	begin, end := pacific("2010-01-01 00:00:00"), pacific("2040-01-01 00:00:00")
	check := func(i Instant) {
		if got := DayOf(i).String(); got != date(i) {
			t.Fatalf("%v is on %s, got %s", i.Time(), date(i), got)
		}
	}
	for range 5000 {
		check(begin + Instant(rand.Int64N(int64(end-begin))))
	}
	for day := DayOf(begin); day < DayOf(end); day++ {
		check(day.Start() - 1)
		check(day.Start())
	}
}

// TestInstant: fractions of a millisecond are dropped from a point in time and
// rounded up in a length, so that an interval never ends early.
func TestInstant(t *testing.T) {
	at := time.Date(2026, 6, 15, 19, 0, 0, 1_999_999, time.UTC)
	i := At(at)
	assert.Equal(t, at.Truncate(ms), i.Time())
	assert.Equal(t, i+1, i.Add(1))
	assert.Equal(t, i+1, i.Add(ms))
	assert.Equal(t, i+2, i.Add(ms+1))
	assert.Equal(t, i, i.Add(-1))
	assert.Equal(t, i-1, i.Add(-ms))
	assert.Equal(t, 7*ms, (i + 7).Sub(i))
	assert.Equal(t, -7*ms, i.Sub(i+7))
}

// TestCommon has lengths of a short window, and whole seconds that are as long.
func TestCommon(t *testing.T) {
	for _, c := range []struct{ one, another, most, want Instant }{
		{1500, 2000, 10_000, 6000},
		{1250, 2000, 10_000, 10_000},
		{1250, 2000, 9999, 1250},
		{1040, 2000, 10_000, 1040},
		{2000, 2000, 10_000, 2000},
		{20_500, 21_000, 10_000, 20_500},
	} {
		assert.Equal(t, c.want, instant.Common(c.one, c.another, c.most), c)
	}
}
