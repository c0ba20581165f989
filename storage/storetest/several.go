package storetest

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

var severalCases = []testCase{
	{name: "SeveralCalendars", body: severalCalendars},
	{name: "SeveralInstances", body: severalInstances, shared: true},
	{name: "TwoModels", body: twoModels},
	{name: "Bucket", body: bucket, shared: true},
	{name: "LongCalendarName", body: longCalendarName},
}

var (
	feature = scheduler.OfFeature(model, "search")
	outputs = scheduler.OfOutputs(model)
)

// scarce returns rules under which the feature has that many requests a minute, and the
// outputs a hundred tokens for each of them.
func scarce(n int64) *scheduler.Rules {
	rules := *plenty
	spec := func(rpm, tpm int64) scheduler.Spec {
		return scheduler.Spec{EffectiveLimits: scheduler.EffectiveLimits{Limits: scheduler.Limits{RPM: rpm, TPM: tpm, RPD: scheduler.Unlimited}}}
	}
	rules.Specs = map[string]scheduler.Spec{feature: spec(n, scheduler.Unlimited), outputs: spec(scheduler.Unlimited, 100*n)}
	return &rules
}

// search returns a request that weighs on its model, the feature and the outputs.
func search() scheduler.Reserve {
	r := ask(10)
	r.Also = []scheduler.Weight{{On: feature}, {On: outputs, Demand: scheduler.Demand{Tokens: 100}}}
	return r
}

// What weighs on several calendars is admitted, settled, booked, cancelled and released
// on all of them, and read by another instance as it was written.
func severalCalendars(t *testing.T, h Harness) {
	s, rules := h.Open(t, eager()), scarce(2)
	first := admit(t, s, rules, search())
	second := admit(t, s, rules, search())
	require.Len(t, first.Also, 2)
	result, err := s.Apply(t.Context(), rules, project, search())
	require.NoError(t, err)
	assert.Equal(t, scheduler.Refused, result.Verdict)
	assert.Contains(t, []scheduler.Cause{scheduler.ByRPM, scheduler.ByTPM}, result.Cause, "they have room within the same second")
	admit(t, s, rules, ask(10)) // plain text

	settle := scheduler.Settle{
		Model: model, ID: first.Reservation.ID, Reserved: first.Reservation, Tokens: 8, Also: first.Also, Counted: []int64{0, 30},
	}
	_, err = s.Apply(t.Context(), rules, project, settle)
	require.NoError(t, err)
	book := search()
	book.Book = true
	result, err = s.Apply(t.Context(), rules, project, book)
	require.NoError(t, err)
	require.Equal(t, scheduler.Booked, result.Verdict)

	p := stored(t, h)
	assert.EqualValues(t, 8, p.Calendar(model).Sent[0].Tokens)
	assert.EqualValues(t, 30, p.Calendar(outputs).Sent[0].Tokens)
	for _, name := range []string{model, feature, outputs} {
		assert.Len(t, p.Calendar(name).Bookings, 1, name)
	}
	for _, change := range []scheduler.Change{
		scheduler.Release{Booking: result.Booking.ID},
		scheduler.Cancel{Model: model, ID: second.Reservation.ID, Reserved: second.Reservation, Also: second.Also},
	} {
		_, err = s.Apply(t.Context(), rules, project, change)
		require.NoError(t, err)
	}
	p = stored(t, h)
	for name, left := range map[string]int{model: 2, feature: 1, outputs: 1} {
		assert.Empty(t, p.Calendar(name).Bookings, name)
		assert.Len(t, p.Calendar(name).Sent, left, name)
	}
	assert.Zero(t, p.Unsure, "no other build wrote")
}

// Instances that race for a feature take no more of it than there is.
func severalInstances(t *testing.T, h Harness) {
	const instances, each, limit = 3, 8, 7
	rules := scarce(limit)
	var admitted atomic.Int64
	together(instances, func(int) {
		s := h.Open(t, eager())
		together(each, func(int) {
			result, err := s.Apply(t.Context(), rules, project, search())
			if assert.NoError(t, err) && result.Verdict == scheduler.Admitted {
				admitted.Add(1)
			}
		})
	})
	assert.EqualValues(t, limit, admitted.Load())
	p := stored(t, h)
	for _, name := range []string{model, feature, outputs} {
		n, _ := p.Calendar(name).InWindow(rules, p.Latest)
		assert.EqualValues(t, limit, n, name)
	}
}

// A request that weighs on two models is booked, claimed and cancelled on both, and its booking is
// found on the one that it is sent to.
func twoModels(t *testing.T, h Harness) {
	const other = "gemini-9-flash"
	s := h.Open(t, eager())
	two := func() scheduler.Reserve {
		r := ask(10)
		r.Also = []scheduler.Weight{{On: other, Demand: scheduler.Demand{Tokens: 10}}}
		return r
	}
	rules := rulesOf(scheduler.Limits{RPM: 2, TPM: scheduler.Unlimited, RPD: scheduler.Unlimited})
	first := admit(t, s, rules, two())
	require.Len(t, first.Also, 1)
	admit(t, s, rules, two())
	book := two()
	book.Book = true
	result, err := s.Apply(t.Context(), rules, project, book)
	require.NoError(t, err)
	require.Equal(t, scheduler.Booked, result.Verdict)
	p := stored(t, h)
	found, _, ok := p.Booking(result.Booking.ID)
	assert.True(t, ok)
	assert.Equal(t, model, found)
	assert.Len(t, p.Calendar(other).Bookings, 1)
	for _, change := range []scheduler.Change{
		scheduler.Release{Booking: result.Booking.ID},
		scheduler.Cancel{Model: model, ID: first.Reservation.ID, Reserved: first.Reservation, Also: first.Also},
	} {
		_, err = s.Apply(t.Context(), rules, project, change)
		require.NoError(t, err)
	}
	p = stored(t, h)
	for _, name := range []string{model, other} {
		assert.Empty(t, p.Calendar(name).Bookings, name)
		assert.Len(t, p.Calendar(name).Sent, 1, name)
	}
}

// Instances take no more out of a bucket than it holds, and each knows what is missing.
func bucket(t *testing.T, h Harness) {
	const instances, each, full = 3, 8, 7
	rules := scarce(1)
	spec := rules.Specs[feature]
	spec.Window, spec.Refill, spec.Burst.Requests = 24*time.Hour, true, full
	rules.Specs[feature] = spec
	var admitted atomic.Int64
	together(instances, func(int) {
		s := h.Open(t, eager())
		together(each, func(int) {
			r := ask(10)
			r.Also = []scheduler.Weight{{On: feature}}
			result, err := s.Apply(t.Context(), rules, project, r)
			if assert.NoError(t, err) && result.Verdict == scheduler.Admitted {
				admitted.Add(1)
			}
		})
	})
	assert.EqualValues(t, full, admitted.Load())
	p := stored(t, h)
	n, _ := p.Calendar(feature).InWindow(rules, p.Latest)
	assert.EqualValues(t, full, n)
	assert.NotZero(t, p.Calendar(feature).Debt.Per)
	assert.Zero(t, p.Unsure)
}

// A name that a document has no room for is refused, and nothing is written.
func longCalendarName(t *testing.T, h Harness) {
	s := h.Open(t, eager())
	r := ask(1)
	r.Also = []scheduler.Weight{{On: scheduler.OfFeature(model, strings.Repeat("x", 200))}}
	_, err := s.Apply(t.Context(), plenty, project, r)
	require.Error(t, err)
	assert.Nil(t, view(t, s, project))
}
