package history_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/history"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// 2026-11-25 noon in California.
var noon = scheduler.At(time.Date(2026, 11, 25, 20, 0, 0, 0, time.UTC))

func used(model string, days ...scheduler.DayCount) *scheduler.Project {
	return &scheduler.Project{Calendars: []*scheduler.Calendar{{Model: model, Days: days}}}
}

func TestFinishedDays(t *testing.T) {
	store := storage.NewMemory(nil)
	k := history.NewKeeper(store)
	today := scheduler.DayOf(noon)
	last := func() []history.Entry {
		all, err := k.Last(t.Context(), noon)
		require.NoError(t, err)
		return all
	}
	assert.Empty(t, last())
	archive := func(now scheduler.Instant, projects map[string]*scheduler.Project) {
		require.NoError(t, k.Archive(t.Context(), now, projects))
	}
	archive(noon, map[string]*scheduler.Project{
		"a": used("m", scheduler.DayCount{Day: today - 1, Requests: 3, Tokens: 30}, scheduler.DayCount{Day: today, Requests: 9}),
		"b": used("n", scheduler.DayCount{Day: today - 1, Requests: 4, Tokens: 40}),
		"c": nil,
	})
	assert.Equal(t, []history.Entry{
		{"2026-11-24", "a", "m", 3, 30},
		{"2026-11-24", "b", "n", 4, 40},
	}, last(), "today isn't finished")

	// A request that is settled after midnight corrects its day.
	archive(noon, map[string]*scheduler.Project{"a": used("m", scheduler.DayCount{Day: today - 1, Requests: 3, Tokens: 25})})
	assert.EqualValues(t, 25, last()[0].Tokens)
	assert.Len(t, last(), 2)

	// The next month drops what is older than thirty days.
	later := noon.Add(30 * 24 * time.Hour)
	archive(later, map[string]*scheduler.Project{"a": used("m", scheduler.DayCount{Day: today, Requests: 9, Tokens: 90})})
	all, err := history.NewKeeper(store).Last(t.Context(), later)
	require.NoError(t, err)
	assert.Equal(t, []history.Entry{{"2026-11-25", "a", "m", 9, 90}}, all)
}

// One of many requests looks for finished days, once a day, and again after a
// failure.
func TestDue(t *testing.T) {
	store := &broken{Memory: storage.NewMemory(nil)}
	k := history.NewKeeper(store)
	assert.True(t, k.Due(noon))
	assert.False(t, k.Due(noon+1))
	assert.True(t, k.Due(noon.Add(24*time.Hour)))
	yesterday := map[string]*scheduler.Project{"a": used("m", scheduler.DayCount{Day: scheduler.DayOf(noon) - 1, Requests: 1})}
	store.err = errors.New("unreachable")
	require.ErrorIs(t, k.Archive(t.Context(), noon, yesterday), store.err)
	k.Retry(noon)
	assert.False(t, k.Due(noon.Add(59*time.Second)), "the next request doesn't wait for it, too")
	assert.True(t, k.Due(noon.Add(time.Minute)))
	assert.False(t, k.Due(noon.Add(2*time.Minute)))
}

type broken struct {
	*storage.Memory
	err error
}

func (b *broken) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.Memory.UpdateRecord(ctx, name, change)
}

// The history of a very large pool is shorter, not lost.
func TestBounds(t *testing.T) {
	race.Skip(t)
	store := storage.NewMemory(nil)
	k := history.NewKeeper(store)
	for day := range history.Days {
		now := noon.Add(time.Duration(day) * 24 * time.Hour)
		projects := make(map[string]*scheduler.Project)
		for i := range 200 {
			projects[fmt.Sprintf("a-project-with-a-long-name-%d", i)] = used("gemini-2.5-flash", scheduler.DayCount{Day: scheduler.DayOf(now) - 1, Requests: 250, Tokens: 1 << 30})
		}
		require.NoError(t, k.Archive(t.Context(), now, projects))
	}
	data, err := store.Record(t.Context(), "history")
	require.NoError(t, err)
	assert.LessOrEqual(t, len(data), history.MaxBytes)
	all, err := k.Last(t.Context(), noon.Add(history.Days*24*time.Hour))
	require.NoError(t, err)
	assert.Equal(t, "2026-12-23", all[0].Day, "the newest are there")
	assert.Zero(t, len(all)%200, "whole days")
	assert.Greater(t, len(all), 200)
}

// What a model was used for that gave up its place is there too: under its name if that is
// known from anywhere, else added up.
func TestModelsWithoutAPlace(t *testing.T) {
	k, today := history.NewKeeper(storage.NewMemory(nil)), scheduler.DayOf(noon)
	idle := func(model string, day scheduler.Day, requests int64) scheduler.Idle {
		return scheduler.Idle{Name: scheduler.NameOf(model), Day: scheduler.DayCount{Day: day, Requests: requests, Tokens: 10 * requests}}
	}
	full := used("m", scheduler.DayCount{Day: today - 1, Requests: 1, Tokens: 10})
	full.Idle = []scheduler.Idle{idle("x", today-1, 2), idle("y", today-1, 3), idle("z", today-1, 4), idle("now", today, 5)}
	projects := map[string]*scheduler.Project{"a": full, "b": used("x", scheduler.DayCount{Day: today, Requests: 1})}
	want := []history.Entry{
		{Day: (today - 1).String(), Project: "a", Model: "(others)", Requests: 7, Tokens: 70},
		{Day: (today - 1).String(), Project: "a", Model: "m", Requests: 1, Tokens: 10},
		{Day: (today - 1).String(), Project: "a", Model: "x", Requests: 2, Tokens: 20},
	}
	for range 2 {
		require.NoError(t, k.Archive(t.Context(), noon, projects))
		all, err := k.Last(t.Context(), noon)
		require.NoError(t, err)
		assert.Equal(t, want, all)
		full.Idle = full.Idle[:2] // another instance finds fewer, for one has come back
	}
}
