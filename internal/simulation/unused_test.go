package simulation

import (
	"context"
	"fmt"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// An unused is what becomes of the tokens of a pool's minutes, as parts of all of them:
// what was sent, and why the rest could not be, each project looked at every few seconds.
type unused struct {
	looks    float64
	sent     float64
	requests float64 // the minute has all its requests
	due      float64 // kept for the holder of a booking that hasn't come yet
	ahead    float64 // kept for a booking whose time is still to come
	absent   float64 // a request that waits would fit, but has been told another time, or is late
	rest     float64 // less than any request that waits takes
}

// lookEvery is no whole number of what callers are told.
const lookEvery = 4777 * time.Millisecond

// look adds what is unused now.
func (s *society) look(u *unused) {
	ids := make([]string, len(s.projects))
	for i, p := range s.projects {
		ids[i] = p.ID
	}
	states, err := s.store.View(context.Background(), ids)
	if err != nil {
		s.t.Error(err)
		return
	}
	now := s.instances[0].Now()
	for _, state := range states {
		c := state.Calendar(model)
		tokens, requests := int64(0), int64(0)
		for _, r := range c.Sent {
			if r.End > now {
				tokens, requests = tokens+r.Tokens, requests+r.Requests
			}
		}
		part := func(n int64) float64 { return float64(n) / float64(s.upstream.limits.TPM) }
		free := s.upstream.limits.TPM - tokens
		u.looks++
		u.sent += part(tokens)
		if requests >= s.upstream.limits.RPM {
			u.requests += part(free)
			continue
		}
		fits := s.most(c, now, free)
		due := int64(0)
		for _, b := range c.Bookings {
			if b.Start <= now && now <= b.Until(s.rules) {
				due += b.Demand.Tokens
			}
		}
		due = min(due, free-fits)
		u.due += part(due)
		u.ahead += part(free - fits - due)
		absent := int64(0)
		for r := range s.waiting {
			if r.tokens <= fits {
				absent = max(absent, r.tokens)
			}
		}
		u.absent += part(absent)
		u.rest += part(fits - absent)
	}
}

// most returns the tokens of the largest request that could go now beside all that was
// sent and booked, of so many that are free.
func (s *society) most(c *scheduler.Calendar, now scheduler.Instant, free int64) int64 {
	low := int64(0)
	for high := free; low < high; {
		middle := (low + high + 1) / 2
		if at, _ := c.Earliest(s.rules, now, scheduler.Demand{Tokens: middle}); at == now {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}

// String returns the parts in percent.
func (u unused) String() string {
	percent := func(x float64) float64 { return 100 * x / max(u.looks, 1) }
	return fmt.Sprintf("%.1f, %.1f, %.1f, %.1f, %.1f", percent(u.requests), percent(u.due), percent(u.ahead), percent(u.absent), percent(u.rest))
}
