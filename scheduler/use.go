package scheduler

import (
	"time"

	"fluxgate.dev/fluxgate/scheduler/calendar"
)

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

	longer time.Duration // than a window
}

func (u Use) apply(p *Project, rules *Rules, now Instant) (result Result) {
	var larger []*Calendar
	p.parts(rules, now, u.Model, u.ID, u.Reserved, u.Also, func(c *Calendar, t Terms, id uint64, reserved Reservation, i int) {
		if i >= 0 && !IsModel(c.Model) {
			return
		}
		_, _, back := c.Settle(t, now, calendar.Outcome{ID: id, Reserved: reserved})
		c.Use(t, now, u.Tokens, u.longer)
		if i < 0 {
			p.countUse(now, u.Model, u.Caller, 0, back+u.Tokens)
		}
		larger, result.Changed = append(larger, c), true
	})
	result.Moved = p.moveBookings(rules, now, larger...)
	return result
}

// Heard makes up for what upstream says is used of a calendar's limits, by whomever: what
// isn't counted here somebody else has sent, and weighs as long as if that had been now. It is
// told by the calendar that it is applied to, so nothing that another instance has sent in the
// meantime is taken for somebody else's. That it was told is noted, where somebody else is known to use them.
type Heard struct {
	Model string
	ID    uint64 // random; names what others have sent
	Used  Demand // requests and tokens, at least
	// Most is how much of it others have used at most, for what has left a window since upstream
	// said it isn't there to be compared.
	Most Demand
	// Evenly says that Used is what is missing of limits that are filled evenly.
	Evenly bool
	Noise  int64 // tokens by which what is used may be told otherwise than it is counted here
	// Longer is how much longer than a window it weighs.
	Longer time.Duration
}

// surely is the part of a limit above which what was found is somebody else's for sure. Less may be ours: of requests that were
// sent before anything was known of the limits, or whose size was estimated too low. Nobody waits for an answer for that.
const surely = 16

// Others returns how much more is used of a calendar than is counted on it.
func (h Heard) Others(c *Calendar, rules *Rules, now Instant) (others Demand) {
	count := c.Counted
	if h.Evenly {
		count = c.Missing
	}
	requests, tokens := count(rules, now)
	others.Requests = max(0, min(h.Most.Requests, h.Used.Requests-requests))
	if more := min(h.Most.Tokens, h.Used.Tokens-tokens); more > h.Noise && c.EffectiveLimits(rules, now).TPM != Unlimited {
		others.Tokens = more
	}
	return others
}

func (h Heard) apply(p *Project, rules *Rules, now Instant) Result {
	others := h.Others(p.Calendar(h.Model), rules, now)
	result := Result{}
	switch {
	case others.Requests > 0:
		others.Allowance = h.Longer
		result = Reserve{Model: h.Model, Demand: others, ID: h.ID, Over: true}.apply(p, rules, now)
	case others.Tokens > 0:
		result = Use{Model: h.Model, ID: h.ID, Tokens: others.Tokens, longer: h.Longer}.apply(p, rules, now)
	case !p.Calendar(h.Model).Unheard(rules, now):
		return Result{}
	}
	if c, t := p.edit(rules, now, h.Model); c != nil {
		limits := c.EffectiveLimits(rules, now)
		c.Hear(t, now, others.Requests > limits.RPM/surely || others.Tokens > limits.TPM/surely)
		result.Changed = true
	}
	return result
}

// ArrivedLate says that upstream refused a request though it fitted on a calendar of whose requests it is named or measured how late
// they may arrive ([Spec].Late). If it fitted for that alone, they are taken to arrive as late as others for a day, or for an hour where
// somebody else is known to use the limits, whose fault it may be.
type ArrivedLate struct {
	Model string
	ID    uint64 // of its reservation there
}

func (x ArrivedLate) apply(p *Project, rules *Rules, now Instant) Result {
	if !p.Has(x.Model) {
		return Result{}
	}
	c, t := p.edit(rules, now, x.Model)
	of, _ := CountsSent(x.Model)
	long := c.ArrivedLate(t, now, x.ID, p.find(of).Shared())
	if long == 0 {
		return Result{}
	}
	return Result{Changed: true, LateFor: long, Moved: p.moveBookings(rules, now, c)}
}
