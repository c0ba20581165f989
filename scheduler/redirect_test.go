package scheduler_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTwoModels: of a request to old that upstream answers with new it isn't known which
// of them it is counted on, so it weighs on both until it is.
func TestTwoModels(t *testing.T) {
	rules := rulesFor(map[string]Limits{
		"old": {RPM: 5, TPM: Unlimited, RPD: 10},
		"new": {RPM: 2, TPM: 1000, RPD: 3},
	})
	demand := Demand{Tokens: 300}
	redirected := []Weight{{On: "new", Demand: demand}}
	var p *Project
	id := uint64(0)
	ask := func(now Instant, r Reserve) (result Result) {
		t.Helper()
		id++
		r.Model, r.ID, r.Demand, r.Caller = "old", id, demand, "alice"
		p, result = apply(t, rules, p, now, r)
		return result
	}
	first := ask(noon, Reserve{Also: redirected})
	require.Equal(t, Admitted, first.Verdict)
	require.Len(t, first.Also, 1)
	assert.Equal(t, "new", first.Also[0].On)
	assert.EqualValues(t, 300, first.Also[0].Reservation.Tokens)
	require.Equal(t, Admitted, ask(noon, Reserve{Also: redirected}).Verdict)
	assert.EqualValues(t, 2, p.Today(noon).Callers[0].Requests, "counted once for its caller")

	third := ask(noon+1000, Reserve{Also: redirected})
	assert.Equal(t, Refused, third.Verdict)
	assert.Equal(t, "new", third.On, "the one that has no room")
	p, plain := apply(t, rules, p, noon+1000, Reserve{Model: "new", ID: 90, Demand: Demand{Tokens: 1}})
	assert.Equal(t, Refused, plain.Verdict, "it is full for others too")
	assert.Equal(t, Admitted, ask(noon+1000, Reserve{}).Verdict, "one that isn't redirected goes")

	// A booking lies on both, and only its model has it for its own.
	booked := ask(noon+2000, Reserve{Also: redirected, Book: true, Hash: 7})
	require.Equal(t, Booked, booked.Verdict)
	model, b, ok := p.Booking(booked.Booking.ID)
	require.True(t, ok)
	assert.Equal(t, "old", model)
	require.Len(t, p.Calendar("new").Bookings, 1)
	copied := p.Calendar("new").Bookings[0]
	assert.NotEqual(t, b.ID, copied.ID, "a build that knows one model each doesn't take it for the holder's")
	assert.Zero(t, copied.Hash)

	// A refusal of either moves it on both.
	p, moved := apply(t, rules, p, noon+3000, RecordRefusal{Model: "new", Block: Block{Cause: ByMinute, Until: b.Start + 3000}})
	assert.Equal(t, 1, moved.Moved)
	_, b, _ = p.Booking(b.ID)
	assert.Equal(t, booked.Start+3000, b.Start)
	released, result := apply(t, rules, p, noon+3000, Release{b.ID})
	assert.True(t, result.Changed)
	assert.Empty(t, released.Calendar("old").Bookings)
	assert.Empty(t, released.Calendar("new").Bookings)

	// Claimed on both. It is the third of new's day.
	claimed := ask(b.Start, Reserve{Also: redirected, Booking: b.ID})
	require.Equal(t, Admitted, claimed.Verdict)
	assert.Empty(t, p.Calendar("old").Bookings)
	assert.Empty(t, p.Calendar("new").Bookings)
	spent := ask(b.Start.Add(5*time.Minute), Reserve{Also: redirected})
	assert.Equal(t, ByRPD, spent.Cause)
	offer, _ := Plan(rules, b.Start.Add(5*time.Minute), []Candidate{{State: p}}, Request{
		Chain: []string{"old", "new", "other"}, Demand: demand, Also: func(model string) []Weight {
			if model == "old" {
				return redirected
			}
			return nil
		},
	}, func(int) int { return 0 })
	assert.Equal(t, "other", offer.Model, "the day of what old is redirected to is spent, so the chain moves on")

	// It was counted on old: new gets its tokens back, and a request that wasn't sent both.
	p, _ = apply(t, rules, p, b.Start+10, Settle{
		Model: "old", ID: claimed.Reservation.ID, Reserved: claimed.Reservation, Tokens: 250, Also: claimed.Also, Counted: []int64{0},
	})
	_, tokens := p.Calendar("new").InWindow(rules, b.Start+10)
	assert.Zero(t, tokens)
	p, _ = apply(t, rules, p, b.Start+10, Cancel{Model: "old", ID: claimed.Reservation.ID, Reserved: claimed.Reservation, Also: claimed.Also})
	assert.EqualValues(t, 2, p.Calendar("new").Used(rules, DayOf(noon)))
	assert.EqualValues(t, 3, p.Calendar("old").Used(rules, DayOf(noon)))
}

// TestRedirected: what a model was sent in the last minute, whether it is kept exactly or not,
// weighs on another too, once.
func TestRedirected(t *testing.T) {
	rules := rulesFor(map[string]Limits{
		"old": {RPM: 200, TPM: 1_000_000, RPD: 1000},
		"new": {RPM: 100, TPM: 1_000_000, RPD: 1000},
	})
	var p *Project
	reserve := func(model string, now Instant, id uint64) (result Result) {
		p, result = apply(t, rules, p, now, Reserve{Model: model, ID: id, Demand: Demand{Tokens: 10}})
		return result
	}
	reserve("old", noon-120_000, 1) // over
	for i := range uint64(90) {
		require.Equal(t, Admitted, reserve("old", noon, 100+i).Verdict)
	}
	redirected := Redirected{Model: "old", By: "new"}
	p, result := apply(t, rules, p, noon+1000, redirected)
	assert.True(t, result.Changed)
	requests, tokens := p.Calendar("new").InWindow(rules, noon+1000)
	assert.EqualValues(t, 90, requests)
	assert.EqualValues(t, 900, tokens)
	assert.EqualValues(t, 90, p.Calendar("new").Used(rules, DayOf(noon)))
	for i := range uint64(10) {
		require.Equal(t, Admitted, reserve("new", noon+1000, 300+i).Verdict)
	}
	full := reserve("new", noon+1000, 400)
	assert.Equal(t, Refused, full.Verdict)
	assert.Equal(t, ByRPM, full.Cause)
	assert.Equal(t, Admitted, reserve("new", noon+62_000, 401).Verdict, "as long as they weigh on the model itself")

	// Of a model that was sent nothing there is nothing to say, and no calendar is made.
	none, result := apply(t, rules, p, noon+3000, Redirected{Model: "other", By: "another"})
	assert.False(t, result.Changed)
	assert.Equal(t, p.Calendars, none.Calendars)
}

// TestNoPlaceForBoth: where a request needs two calendars that the project doesn't have
// and there is one place, planning says so, as the change does.
func TestNoPlaceForBoth(t *testing.T) {
	rules := rulesFor(map[string]Limits{"m": {RPM: 5, TPM: Unlimited, RPD: 100}})
	var p *Project
	for i := range MaxModels - 2 { // and one is kept for the chain
		var result Result
		p, result = apply(t, rules, p, noon, Reserve{Model: fmt.Sprint("other-", i), ID: uint64(i) + 1})
		require.Equal(t, Admitted, result.Verdict)
	}
	also := func(string) []Weight { return []Weight{{On: "y"}} }
	_, cause := Plan(rules, noon, []Candidate{{State: p}}, Request{Chain: []string{"x"}, Also: also}, nil)
	assert.Equal(t, Unavailable, cause)
	before := slices.Clone(p.Calendars)
	_, result := apply(t, rules, p, noon, Reserve{Model: "x", ID: 99, Also: also("")})
	assert.Equal(t, Replan, result.Verdict)
	assert.Equal(t, Never, result.Start)
	assert.Equal(t, before, p.Calendars)
	offer, cause := Plan(rules, noon, []Candidate{{State: p}}, Request{Chain: []string{"x"}}, func(int) int { return 0 })
	assert.Equal(t, NoCause, cause)
	assert.True(t, offer.Now(), "there is a place for one")
}

// TestUsedUp: only what upstream has named today, and what certainly counts still, says that
// an answer was counted elsewhere.
func TestUsedUp(t *testing.T) {
	d := startOnly(t)
	demand := Demand{Tokens: 10}
	usedUp := func(now Instant) bool { return d.p.Calendar("m").UsedUp(d.rules, now, demand) }
	fill := func(now Instant, n int) {
		for range n {
			d.answered(now, d.reserve(now, 10))
		}
	}
	fill(noon, 5)
	assert.False(t, usedUp(noon), "five are only where it begins")
	d.do(noon, RecordRefusal{Model: "m", Limits: Limits{RPM: 5}})
	assert.True(t, usedUp(noon))
	assert.True(t, usedUp(noon.Add(58*time.Second)))
	assert.False(t, usedUp(noon.Add(60*time.Second)), "it may be over there, though not here")
	tomorrow := noon.Add(24 * time.Hour)
	fill(tomorrow, 5)
	assert.False(t, usedUp(tomorrow), "the limit may have risen")
	probe := d.reserve(tomorrow, 10)
	require.Equal(t, ByRPM, probe.Probe)
	d.do(tomorrow, RecordRefusal{Model: "m", ID: probe.Reservation.ID, Limits: Limits{RPD: 11}})
	fill(tomorrow.Add(2*time.Minute), 5)
	assert.True(t, usedUp(tomorrow.Add(2*time.Minute)), "of the day")
}
