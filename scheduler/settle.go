package scheduler

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler/calendar"
)

// Settle records what became of a reservation: when its last byte was
// sent, how many tokens upstream counted, and whether it failed.
type Settle struct {
	Model    string
	ID       uint64
	Reserved Reservation // as it was admitted
	Tokens   int64       // negative: unknown
	SentAt   Instant     // 0: unknown
	Answered Instant     // when its answer was there; 0: unknown
	Requests int64       // how many of the requests that were reserved were sent, as of a lease; 0: all
	Also     []Share     // on other calendars, as they were admitted
	Counted  []int64     // the tokens of each of these; negative or missing: unknown
	Caller   string      // as in Reserve
	Failed   string      // class of upstream's error; empty: it answered
	// Unanswered says that it failed, and for no limit: what it was let through to find out isn't known.
	Unanswered bool
	// Beyond is [Result].Beyond of the reservation. Without it, as it is settled again where it isn't known
	// whether that was heard, an answer raises no limit twice.
	Beyond bool
}

func (s Settle) apply(p *Project, rules *Rules, now Instant) (result Result) {
	var larger []*Calendar
	found := p.parts(rules, now, s.Model, s.ID, s.Reserved, s.Also, func(c *Calendar, t Terms, id uint64, reserved Reservation, i int) {
		one := calendar.Outcome{ID: id, Reserved: reserved, Tokens: s.Tokens, Requests: s.Requests, SentAt: s.SentAt, Answered: s.Answered}
		if i >= 0 {
			if one.Tokens, one.Requests = -1, 0; i < len(s.Counted) {
				one.Tokens = s.Counted[i]
			}
		}
		confirmed := false
		if s.Failed == "" {
			weighed := reserved
			if weighed.ID = id; one.Tokens >= 0 {
				weighed.Tokens = one.Tokens
			}
			if confirmed = c.Answered(rules, now, weighed); confirmed {
				t = c.Terms(rules, now) // so that settling again, by what is known then, changes nothing
			}
		} else if s.Unanswered {
			confirmed = c.Unanswered(id)
		}
		grew, changed, tokens := c.Settle(t, now, one)
		if s.Failed == "" && s.Beyond && !confirmed {
			confirmed = c.Stood(rules, now, reserved)
		}
		p.recount(now, s.Model, s.Caller, s.Also, i, 0, tokens)
		if grew {
			larger = append(larger, c)
		}
		result.Changed = result.Changed || changed || confirmed
	})
	if found {
		p.countFailure(now, s.Failed)
		result.Changed = result.Changed || s.Failed != ""
	}
	result.Moved += p.moveBookings(rules, now, larger...)
	return result
}

// Cancel takes back a reservation whose request was certainly never sent. With
// Unknown, the model is one that upstream doesn't know: a calendar that holds
// nothing else goes too, so that a name typed wrong leaves no state.
type Cancel struct {
	Model   string
	ID      uint64
	Unknown bool
	// Reserved is the reservation as it was admitted, by which it is found among those
	// that were folded. The zero value is for one that may never have been made.
	Reserved Reservation
	Also     []Share // as in Settle
	Caller   string  // as in Reserve
	Failed   string  // why, as in Settle; empty: for no fault of upstream's
	// Booking is the booking that became the reservation, where its holder was told that
	// nothing came of that: it is kept for it again, as it was. The zero value is none.
	Booking Booking
}

func (x Cancel) apply(p *Project, rules *Rules, now Instant) (result Result) {
	back := false
	found := p.parts(rules, now, x.Model, x.ID, x.Reserved, x.Also, func(c *Calendar, t Terms, id uint64, reserved Reservation, i int) {
		was, changed := c.Cancel(t, now, id, reserved)
		p.recount(now, x.Model, x.Caller, x.Also, i, -was.Requests, -was.Tokens)
		if i < 0 {
			back = x.Booking.ID != 0 && was.ID != 0 && !p.full(rules, now, []side{{c: c}}, x.Booking.Hash)
		}
		if back && was.ID != 0 {
			d := x.Booking.Demand
			if i >= 0 {
				d.Requests, d.Tokens = was.Requests, was.Tokens
			}
			c.PutBack(lying(x.Booking, i+1, side{c: c, d: d}))
		}
		result.Changed = result.Changed || changed
	})
	if found {
		p.countFailure(now, x.Failed)
		result.Changed = result.Changed || x.Failed != ""
	}
	if x.Unknown {
		p.Calendars = slices.DeleteFunc(p.Calendars, func(c *Calendar) bool { return c.Model == x.Model && c.Vacant(rules, now) })
	}
	return result
}
