package scheduler_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "fluxgate.dev/fluxgate/scheduler"
)

// TestOverclaim: a holder has what was booked. What it asks for beyond that it gets only where it is in the way of no
// younger booking: another request with more tokens or requests, or on another calendar, or a later start than the booking
// has an allowance for, which those of its own caller make room for. Else nothing is changed, and it is to be planned anew.
// What the same request is taken to weigh may have changed meanwhile.
func TestOverclaim(t *testing.T) {
	const alice, bob = 5 << 33, 7 << 33
	search := OfFeature("m", "google_search")
	for name, c := range map[string]struct {
		demand  Demand
		also    []Weight
		late    time.Duration
		hash    uint64
		younger uint64 // whose the younger booking is
		want    Verdict
	}{
		"what was booked":              {Demand{Tokens: 100}, nil, 0, 9, bob, Admitted},
		"less":                         {Demand{Tokens: 1}, nil, 0, 9, bob, Admitted},
		"more tokens":                  {Demand{Tokens: 101}, nil, 0, 9, bob, Replan},
		"more tokens of the same":      {Demand{Tokens: 101}, nil, 0, 9, alice, Replan},
		"the same, counted anew":       {Demand{Tokens: 101}, nil, 0, 8, bob, Admitted},
		"more requests":                {Demand{Tokens: 100, Requests: 3}, nil, 0, 9, bob, Replan},
		"another calendar":             {Demand{Tokens: 100}, []Weight{{On: search}}, 0, 9, bob, Replan},
		"within the allowance":         {Demand{Tokens: 100}, nil, 500 * ms, 8, bob, Admitted},
		"later":                        {Demand{Tokens: 100}, nil, 501 * ms, 8, bob, Replan},
		"later, before the same one's": {Demand{Tokens: 100}, nil, 4 * sec, 8, alice, Admitted},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Limits{RPM: 3, TPM: 1000, RPD: Unlimited})
			d.rules.Specs = map[string]Spec{search: {EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}}}}
			d.do(noon, Reserve{Model: "m", Demand: Demand{Tokens: 1000}, ID: 1})
			held := d.do(noon, Reserve{Model: "m", Demand: Demand{Tokens: 100, Allowance: 500 * ms}, ID: alice + 2, Hash: 8, Book: true}).Booking
			beside := d.do(noon, Reserve{Model: "m", Demand: Demand{Tokens: 900}, Also: []Weight{{On: search}}, ID: c.younger + 3, Book: true}).Booking
			behind := d.do(noon, Reserve{Model: "m", Demand: Demand{Tokens: 1000}, ID: c.younger + 4, Book: true}).Booking
			require.Equal(t, held.Start, beside.Start)
			require.Less(t, behind.Start.Sub(held.Start), Window+2*time.Second)

			before := d.p
			result := d.do(held.Start.Add(c.late), Reserve{Model: "m", Demand: c.demand, Also: c.also, ID: alice + 5, Hash: c.hash, Booking: held.ID})
			require.Equal(t, c.want, result.Verdict)
			if c.want == Replan {
				assert.Greater(t, result.Start, held.Start.Add(c.late))
				assert.Equal(t, before, d.p)
			}
		})
	}
}

// A late holder makes room for its own caller's bookings no more where these are for another model, and count on its own too. Nor for
// anybody's, if its booking doesn't say how late it may come.
func TestWhomALateHolderDelays(t *testing.T) {
	const alice, bob = 5 << 33, 7 << 33
	for name, c := range map[string]struct {
		allowance time.Duration
		younger   uint64
		want      Verdict
	}{
		"another's":                {500 * ms, bob, Replan},
		"its own":                  {500 * ms, alice, Admitted},
		"another's, of old builds": {0, bob, Admitted},
	} {
		d := newDesk(t, Limits{RPM: 1, TPM: 1000, RPD: Unlimited})
		d.do(noon, Reserve{Model: "m", Demand: Demand{Tokens: 10}, ID: 1})
		held := d.do(noon, Reserve{Model: "m", Demand: Demand{Tokens: 10, Allowance: c.allowance}, ID: alice + 2, Hash: 8, Book: true}).Booking
		also := []Weight{{On: "m", Demand: Demand{Tokens: 10}}}
		require.Equal(t, Booked, d.do(noon, Reserve{Model: "n", Demand: Demand{Tokens: 10}, Also: also, ID: c.younger + 3, Book: true}).Verdict)
		result := d.do(held.Start.Add(4*sec), Reserve{Model: "m", Demand: Demand{Tokens: 10}, ID: alice + 5, Hash: 8, Booking: held.ID})
		assert.Equal(t, c.want, result.Verdict, name)
	}
}
