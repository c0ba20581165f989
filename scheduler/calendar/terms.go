package calendar

import (
	"math"
	"time"

	"fluxgate.dev/fluxgate/scheduler/instant"
	"fluxgate.dev/fluxgate/scheduler/learned"
	"fluxgate.dev/fluxgate/scheduler/limits"
)

// A Demand is what one request asks of a calendar.
type Demand struct {
	Tokens   int64 // input tokens
	Requests int64 // counts against RPM and RPD; 0 means 1 (embeddings: one per text)
	// Allowance is how much later than its start the request may arrive beyond
	// the skew: for the upload of a large body and for the commit.
	Allowance time.Duration
}

// Count returns how many requests the demand is.
func (d Demand) Count() int64 { return max(d.Requests, 1) }

// Terms are the numbers that a calendar decides with at one instant.
type Terms struct {
	Limits
	skew, hold Instant // lengths in milliseconds
	waited     Instant // for how long the change has that is decided, see After
	sooner     Instant // by how much sooner than elsewhere requests are taken to have arrived, as somebody has named it
	window     int64   // the most tokens that the model takes
	Probes     bool    // one of the limits may be tested by a probe
	Rounded    bool    // whoever is looked for a start waits for another calendar anyway
	Step       Instant // waits are told in whole multiples of it
	*kind
}

// A kind is how a calendar counts. All models' are counted alike; terms are copied often, and so
// share it. It isn't changed.
type kind struct {
	every    Instant // the length of the window that RPM and TPM hold for
	grain    Instant // what ends of folded requests are rounded up to
	atATime  bool    // what is sent counts until it is settled
	atAnswer bool    // what is sent counts from its answer on
	inputToo bool    // and its input before that
	zone     *time.Location

	// refill says that RPM and TPM are what a bucket holds; these are the rates.
	refill                   bool
	rateRequests, rateTokens int64
}

// models is how models' calendars count.
var models = kind{every: millis(limits.Window), grain: second}

// EffectiveLimits returns the limits in force on this calendar at now, with
// the source of each.
func (c *Calendar) EffectiveLimits(rules *Rules, now Instant) limits.EffectiveLimits {
	f := rules.EffectiveLimits(c.Model)
	for _, x := range [3]struct {
		learned *learned.LearnedLimit
		limit   *int64
		from    *limits.Source
	}{{&c.Learned.RPM, &f.RPM, &f.RPMFrom}, {&c.Learned.TPM, &f.TPM, &f.TPMFrom}, {&c.Learned.RPD, &f.RPD, &f.RPDFrom}} {
		if x.learned.Binds(now, *x.limit, *x.from, c.start(rules, *x.from)) {
			*x.limit, *x.from = x.learned.Limit, limits.FromLearned
		}
	}
	return f
}

// start reports whether a limit that the policy has from there is only a start.
func (c *Calendar) start(rules *Rules, from limits.Source) bool {
	return from.Start() && c.begins(rules)
}

// begins reports whether the calendar has limits to begin with, as models have: what else has
// a quota has limits that somebody named, or none, unless its Spec says so.
func (c *Calendar) begins(rules *Rules) bool {
	return limits.IsModel(c.Model) || rules.Spec(c.Model).Start
}

// limit returns the limit in force that a cause names, and whether the policy's is only a
// start.
func (c *Calendar) limit(rules *Rules, now Instant, cause Cause) (inForce int64, start bool) {
	p, f := rules.EffectiveLimits(c.Model), c.EffectiveLimits(rules, now)
	switch cause {
	case ByRPM:
		return f.RPM, c.start(rules, p.RPMFrom)
	case ByTPM:
		return f.TPM, c.start(rules, p.TPMFrom)
	}
	return f.RPD, c.start(rules, p.RPDFrom)
}

// Terms returns the numbers that the calendar decides with at now.
func (c *Calendar) Terms(rules *Rules, now Instant) Terms {
	if limits.IsModel(c.Model) && !c.Learned.Any() {
		m := rules.Policy.Model(c.Model)
		return ofModel(rules, m.Limits, m.Window, m.Starts)
	}
	return c.under(rules, c.EffectiveLimits(rules, now))
}

// ofModel returns the terms of a model under certain limits.
func ofModel(rules *Rules, l Limits, window int64, probes bool) Terms {
	return Terms{Limits: l, skew: millis(rules.Skew), hold: millis(rules.Hold), window: window, Probes: probes, Step: second, kind: &models}
}

// under returns the terms under certain limits.
func (c *Calendar) under(rules *Rules, l limits.EffectiveLimits) Terms {
	if limits.IsModel(c.Model) {
		return ofModel(rules, l.Limits, rules.Policy.Window(c.Model), true)
	}
	spec := rules.Spec(c.Model)
	every := millis(spec.Window)
	t := Terms{Limits: l.Limits, skew: millis(rules.Skew), hold: millis(rules.Hold), window: math.MaxInt64, Probes: true, Step: second, kind: &kind{
		every: every, grain: grainOf(every),
		atATime: spec.AtATime && !spec.Refill, atAnswer: spec.AtAnswer, inputToo: spec.InputToo, zone: spec.Zone, refill: spec.Refill,
	}}
	if late := millis(spec.Late); late > t.skew || late > 0 && c.note(lateID) == nil {
		t.sooner, t.skew = max(0, t.skew-late), late
	}
	if t.Short() {
		t.Step = 1
	}
	if spec.Refill {
		full, rate := spec.Bucket(l)
		t.rateRequests, t.rateTokens = rate.RPM, rate.TPM
		if t.RPM, t.TPM = full.Requests, full.Tokens; t.TPM != Unlimited {
			t.window = t.TPM
		}
	}
	return t
}

// Whole returns by how much longer a booking is planned to last that is planned to last so much longer: the same, unless the
// window is shorter. Then it is rounded up, so that requests one after the other fill all of it, be they sent to the millisecond
// or at whole seconds: others take its place once its holder has come, until the next booking. A bucket has no window to fill.
func (t *Terms) Whole(allowance time.Duration) time.Duration {
	one := t.length(0)
	if t.refill || !t.Short() || millis(allowance) < one {
		return allowance
	}
	return ((one + millis(allowance)).Ceil(instant.Common(one, one.Ceil(second), 10*second)) - one).Sub(0)
}

// Short reports whether it is a window of which waits are told in milliseconds ([limits.Short]). Of a longer one waits may be
// told so too, for the sake of a short one beside it.
func (t *Terms) Short() bool { return t.every < millis(limits.Short) }

// grainOf returns what the ends of folded requests are rounded up to on a calendar of such a
// window: whole seconds, or a sixtieth of a window above a minute, and a hundredth of one below,
// of which a second may be a tenth or all.
func grainOf(every Instant) Instant {
	if every < models.every {
		return max(1, every/100)
	}
	return max(second, (every / 60).Ceil(second))
}

// day returns the day on which an instant falls for this calendar.
func (t *Terms) day(i Instant) Day {
	if t.zone == nil {
		return DayOf(i)
	}
	return instant.DayIn(t.zone, i)
}

// Within returns the demand, and no more of what is only reserved than there can be.
func (t *Terms) Within(d Demand) Demand {
	if t.atAnswer && t.TPM > 0 {
		d.Tokens = min(d.Tokens, t.TPM)
	}
	return d
}

// weight is what tokens count against TPM: a request larger than TPM weighs a
// whole window.
func (t *Terms) weight(tokens int64) int64 {
	if t.TPM == Unlimited {
		return 0
	}
	if t.refill {
		return tokens
	}
	return min(tokens, t.TPM)
}

// length is how long a request of that many tokens counts once it has been
// sent: the window and the skew, and tokens/TPM times that for one larger than
// TPM. What is taken out of a bucket counts as taken when it has arrived; from then on
// refilling makes up for it.
func (t *Terms) length(tokens int64) Instant {
	if t.refill {
		return t.skew
	}
	w := t.every + t.skew
	if t.TPM <= 0 || tokens <= t.TPM {
		return w
	}
	return min(Instant(instant.CeilMulDiv(int64(w), tokens, t.TPM)), w+millis(limits.Longer(t.window)))
}

// span is how long a demand counts from its start.
func (t *Terms) span(d Demand) Instant { return t.length(d.Tokens) + millis(d.Allowance) }

// likely is how long a demand counts from its start for those who wait: as long as it is likely to
// take, where it counts until it is settled, and else its span.
func (t *Terms) likely(d Demand) Instant {
	if t.atATime && t.atAnswer {
		return t.skew + millis(d.Allowance)
	}
	return t.span(d)
}

// folds reports whether the calendar may hold more sent requests than it keeps one
// by one.
func (t *Terms) folds() bool {
	return t.RPM == Unlimited || t.RPM > MaxExact || t.refill && t.RPM+t.rateRequests > MaxExact
}

// refilledIn is how long it takes until nothing of what was used counts: a window, or until
// an empty bucket is full.
func (t *Terms) refilledIn() Instant {
	if !t.refill {
		return t.every
	}
	all := Instant(0)
	for _, x := range [][2]int64{{t.RPM, t.rateRequests}, {t.TPM, t.rateTokens}} {
		if x[0] != Unlimited && x[1] > 0 {
			all = max(all, Instant(instant.CeilDiv(x[0]*int64(t.every), x[1])))
		}
	}
	return all
}

// kept is how long a reservation of the calendar is kept after its end: in a bucket for as
// long as others count, and so that settling it again finds it.
func (c *Calendar) kept(t *Terms) Instant {
	if t.refill || c.Debt.Per != 0 {
		return t.every + millis(MaxCommit)
	}
	if t.sooner > 0 {
		return t.sooner + answerFor // so that a refusal finds what it contradicts
	}
	return 0
}

// Forgetting returns the terms by which nothing is kept for a refusal that may come.
func (t Terms) Forgetting() Terms {
	t.sooner = 0
	return t
}

// After returns the terms by which a change is decided that has waited so long since it was planned: bookings whose hold
// was over in the meantime are in its way as they were then, for their holders may have come in time, and wait behind it.
func (t Terms) After(waited Instant) Terms {
	t.waited = max(0, waited)
	return t
}

// until is when the hold of a booking is over.
func (t *Terms) until(b *Booking) Instant { return b.Start + max(t.hold, millis(b.Hold)) + t.waited }

// Expired reports whether the hold of a booking is over: it is in nobody's way any more.
func (t *Terms) Expired(b *Booking, now Instant) bool { return now > b.Start && now > t.until(b) }

// Claimable reports whether the holder of a booking who came at an instant can have it now:
// it came within the hold, and its change hasn't waited for too long since.
func (t *Terms) Claimable(b *Booking, came, now Instant) bool {
	return !t.Expired(b, came) && now <= t.until(b)+millis(MaxCommit)
}

// recognised bounds for how long a booking is known whose hold is over: half of the longest time that one is ahead.
const recognised = 300 * second

// purgeable reports whether no holder of a booking can be on its way any more, not even one that came within the hold, or
// comes half as long after it as it has waited: that one is to be recognised, though its slot is gone.
func (t *Terms) purgeable(b *Booking, now Instant) bool {
	return t.Expired(b, now) && now >= t.purgeableFrom(b)
}

func (t *Terms) purgeableFrom(b *Booking) Instant {
	return t.until(b) + max(millis(MaxCommit), min((b.Start-b.Since)/2, recognised)) + 1
}

// exceeds says which limit a load is over.
func (t *Terms) exceeds(tokens, requests int64) Cause {
	switch {
	case t.TPM != Unlimited && tokens > t.TPM:
		return ByTPM
	case t.RPM != Unlimited && requests > t.RPM:
		return ByRPM
	}
	return NoCause
}

// days returns the days on which a start at s counts: its own, and the
// one across a midnight that is so near that the arrival may fall beyond it.
func (t *Terms) days(s Instant, d Demand) (startDay, otherDay Day) {
	// Our clock may be ahead of Google's by the skew.
	first, last := t.day(s-t.skew), t.day(s+t.skew+millis(d.Allowance))
	if first == last {
		return first, first
	}
	if startDay = t.day(s); startDay != last {
		return startDay, last
	}
	return startDay, first
}

// countsOn reports whether a booking counts on a day: its holder may come until
// the hold is over, and whoever takes the last request of a day must not take
// it from a holder that is in time.
func (t *Terms) countsOn(b *Booking, day Day) bool {
	return t.day(b.Start-t.skew) <= day && day <= t.day(t.until(b)+t.skew+millis(b.Demand.Allowance))
}

// used counts the requests of a day at now: sent, and booked with a rank below
// the given one.
func (c *Calendar) used(t *Terms, now Instant, day Day, below uint64) int64 {
	var n int64
	for _, x := range c.Days {
		if x.Day == day {
			n += x.Requests
		}
	}
	for i := range c.Bookings {
		if b := &c.Bookings[i]; b.Rank < below && !t.Expired(b, now) && t.countsOn(b, day) {
			n += b.Demand.Count()
		}
	}
	if c.Unsure.At != 0 && t.day(c.Unsure.At) == day && t.RPD != Unlimited {
		if unsure := c.Unsure.Requests; t.zone == nil {
			n = max(n, min(n+unsure, t.RPD))
		} else {
			n = max(n, t.RPD) // how many is known of the Pacific day only
		}
	}
	return n
}

// Used returns how many requests count on a day of the calendar, bookings included.
func (c *Calendar) Used(rules *Rules, day Day) int64 {
	t := c.Terms(rules, day.Start())
	at := day.StartIn(t.zone)
	return c.used(&t, at, day, Everyone)
}

// countRequests adds n requests to a day, or takes them away.
func (c *Calendar) countRequests(day Day, n int64) {
	for i := range c.Days {
		if c.Days[i].Day == day {
			c.Days[i].Requests = max(0, c.Days[i].Requests+n)
			return
		}
	}
	if n > 0 {
		c.Days = append(c.Days, DayCount{Day: day, Requests: n})
	}
}

// countTokens adds tokens to a day on which requests are counted, or takes them away.
func (c *Calendar) countTokens(day Day, tokens int64) {
	for i := range c.Days {
		if c.Days[i].Day == day {
			c.Days[i].Tokens = max(0, c.Days[i].Tokens+tokens)
			return
		}
	}
}
