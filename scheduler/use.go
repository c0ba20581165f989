package scheduler

import "fluxgate.dev/fluxgate/scheduler/calendar"

// Use counts tokens that a request which goes on has used since it was admitted, as each turn
// of a session does: from now on for a window, whatever is in the way, since they are used. It
// is no request more. What was reserved in advance is given back with the first: that has it
// in it. A settle of the request leaves all this as it is if it knows of no tokens itself.
type Use struct {
	Model    string
	ID       uint64
	Reserved Reservation // as it was admitted
	Tokens   int64
	Also     []Share // as in Settle; they count on other models
	Caller   string  // as in Reserve
}

func (u Use) apply(p *Project, rules *Rules, now Instant) (result Result) {
	var larger []*Calendar
	p.parts(rules, now, u.Model, u.ID, u.Reserved, u.Also, func(c *Calendar, t Terms, id uint64, reserved Reservation, i int) {
		if i >= 0 && !IsModel(c.Model) {
			return
		}
		_, _, back := c.Settle(t, now, calendar.Outcome{ID: id, Reserved: reserved})
		c.Use(t, now, u.Tokens)
		if i < 0 {
			p.countUse(now, u.Model, u.Caller, 0, back+u.Tokens)
		}
		larger, result.Changed = append(larger, c), true
	})
	result.Moved = p.moveBookings(rules, now, larger...)
	return result
}
