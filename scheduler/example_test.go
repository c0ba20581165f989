package scheduler_test

import (
	"fmt"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// One project, one model with room for a single request a minute, and two
// callers. The second is told to wait, comes back too early, is given a
// booking, and is served in its time.
func Example() {
	one, noLimit := int64(1), scheduler.Unlimited
	rules := &scheduler.Rules{
		Policy: scheduler.NewPolicy(nil, nil),
		Skew:   scheduler.DefaultSkew,
		Hold:   scheduler.DefaultHold,
	}
	rules.Policy = scheduler.NewPolicy([]string{"gemini-2.5-pro"}, map[string]scheduler.Override{
		"gemini-2.5-pro": {RPM: &one, RPD: &noLimit},
	})
	begin := scheduler.At(time.Date(2026, 6, 15, 19, 0, 0, 0, time.UTC))
	request := scheduler.Request{
		Chain:  rules.Policy.Chain(scheduler.Both),
		Demand: scheduler.Demand{Tokens: 10_000},
	}

	var project *scheduler.Project // nothing is known yet
	nextID := uint64(0)
	ask := func(after time.Duration, returned bool, booking uint64) scheduler.Result {
		now := begin.Add(after)
		offer, _ := scheduler.Plan(rules, now, []scheduler.Candidate{{ID: "p", State: project}}, request, func(int) int { return 0 })
		nextID++
		var result scheduler.Result
		project, result = project.Apply(rules, now, scheduler.Reserve{
			Model: offer.Model, Demand: request.Demand, ID: nextID, Book: returned, Booking: booking,
		})
		fmt.Printf("%5v: %s, start in %v\n", after, result.Verdict, result.Start.Sub(now))
		return result
	}

	ask(0, false, 0)                                   // the first caller
	ask(500*time.Millisecond, false, 0)                // the second
	booked := ask(40*time.Second, true, 0).Booking.ID  // the second, before its time
	ask(60*time.Second+500*time.Millisecond, false, 0) // a third: the slot is taken
	ask(61*time.Second, true, booked)                  // the second, in its time
	// Output:
	//    0s: admitted, start in 0s
	// 500ms: refused, start in 1m0s
	//   40s: booked, start in 21s
	// 1m0.5s: refused, start in 1m1s
	//  1m1s: admitted, start in 0s
}
