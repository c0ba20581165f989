package calendar

import (
	"cmp"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler/instant"
)

// Reserve puts an admitted request into the calendar.
func (c *Calendar) Reserve(t Terms, id uint64, now Instant, d Demand) Reservation {
	for c.sent(id) >= 0 || c.named(id) {
		id++ // ids are random; within a calendar they must differ
	}
	startDay, otherDay := t.days(now, d)
	r := Reservation{
		ID: id, Start: now, End: now + t.span(d),
		Tokens: d.Tokens, Requests: d.Count(), Straddles: startDay != otherDay,
	}
	c.countRequests(startDay, r.Requests)
	c.countTokens(startDay, r.Tokens)
	if r.Straddles {
		c.countRequests(otherDay, r.Requests)
	}
	c.Sent = append(c.Sent, &r)
	if t.refill && c.Debt.Per == 0 {
		c.Debt.Per = t.every
	}
	if t.folds() {
		c.noteOpen(shortID(id))
	}
	c.Fold(t, MaxExact)
	return r
}

// Use counts tokens without a request, for so much longer than a window: what one used later than
// it was reserved. They are summed at once, as if they had been folded.
func (c *Calendar) Use(t Terms, now Instant, tokens int64, longer time.Duration) {
	c.countTokens(t.day(now), tokens)
	c.addFolded(Folded{End: (now + t.length(tokens) + millis(longer)).Ceil(t.grain), Tokens: tokens})
}

// shortID is what is kept of the ID of a reservation that is on its way: three
// bytes, by which the few hundred of a calendar differ.
func shortID(id uint64) uint32 { return uint32(id & (1<<24 - 1)) }

// acrossID is kept beside the short ID of a reservation that was lengthened across a midnight.
// Who knows it as it was admitted doesn't know that, and once it is folded it can't be seen.
func acrossID(id uint64) uint32 { return shortID(id) ^ across }

const across = 1 << 23

// open reports whether a reservation is known to be on its way.
func (c *Calendar) open(id uint64) bool { return slices.Contains(c.Open, shortID(id)) }

// named reports whether Open has anything of a reservation with that ID.
func (c *Calendar) named(id uint64) bool {
	return slices.ContainsFunc(c.Open, func(x uint32) bool { return x|across == shortID(id)|across })
}

// noteOpen adds an entry to Open.
func (c *Calendar) noteOpen(short uint32) {
	// The oldest goes: it is the most likely to be over.
	first := max(0, len(c.Open)+1-MaxOpen)
	c.Open = append(slices.Clip(c.Open[first:]), short)
}

// close notes that a reservation isn't on its way any more, and reports whether it
// was known to be.
func (c *Calendar) close(id uint64) bool {
	i := slices.Index(c.Open, shortID(id))
	if i < 0 {
		return false
	}
	c.Open = slices.Concat(c.Open[:i], c.Open[i+1:])
	if i := slices.Index(c.Open, acrossID(id)); i >= 0 {
		c.Open = slices.Delete(c.Open, i, i+1)
	}
	return true
}

// asCounted returns a reservation, as it was admitted, by the days on which it counts now.
func (c *Calendar) asCounted(id uint64, admitted Reservation) Reservation {
	admitted.Straddles = admitted.Straddles || slices.Contains(c.Open, acrossID(id))
	return admitted
}

// sent returns the position of a sent request that is kept exactly, or -1.
func (c *Calendar) sent(id uint64) int {
	return slices.IndexFunc(c.Sent, func(r *Reservation) bool { return r.ID == id })
}

// editSent returns the i-th sent request for change: a copy of its own.
func (c *Calendar) editSent(i int) *Reservation {
	r := *c.Sent[i]
	c.Sent[i] = &r
	return &r
}

// Fold keeps at most n sent requests exactly. The oldest are rounded: their
// ends up to whole seconds (or a sixtieth of a longer window, a hundredth of a shorter one),
// so they never end early and at most that late. Notes take no request's place, unless there is
// less room than usual; then they are dropped only where there is nothing else.
func (c *Calendar) Fold(t Terms, n int) {
	if n == MaxExact && len(c.Sent) > n {
		n += c.notes()
	}
	for len(c.Sent) > n {
		i := slices.IndexFunc(c.Sent, func(r *Reservation) bool { return !r.Note() })
		if i < 0 {
			c.Sent = c.Sent[len(c.Sent)-n:]
			return
		}
		r := c.Sent[i]
		copy(c.Sent[1:i+1], c.Sent[:i])
		c.Sent = c.Sent[1:]
		c.addFolded(Folded{r.End.Ceil(t.grain), r.Tokens, r.Requests})
	}
}

func (c *Calendar) addFolded(add Folded) {
	i, found := slices.BinarySearchFunc(c.Folded, add.End, func(x Folded, end Instant) int {
		return cmp.Compare(x.End, end)
	})
	if !found {
		c.Folded = slices.Insert(slices.Clip(c.Folded), i, add)
		return
	}
	c.Folded = slices.Clone(c.Folded)
	c.Folded[i].Tokens += add.Tokens
	c.Folded[i].Requests += add.Requests
}

// Coarsen rounds the ends of what was folded up to whole multiples of grain, if that is more than
// they are rounded to anyway.
func (c *Calendar) Coarsen(t Terms, grain Instant) {
	if grain > t.grain {
		c.RoundFolded(grain)
	}
}

// RoundFolded rounds the ends of what was folded up to whole multiples of grain.
func (c *Calendar) RoundFolded(grain Instant) {
	fine := c.Folded
	c.Folded = nil
	for _, x := range fine {
		x.End = x.End.Ceil(grain) // still in order
		if n := len(c.Folded); n > 0 && c.Folded[n-1].End == x.End {
			c.Folded[n-1].Tokens += x.Tokens
			c.Folded[n-1].Requests += x.Requests
			continue
		}
		c.Folded = append(c.Folded, x)
	}
}

// An Outcome is what became of a reservation.
type Outcome struct {
	ID       uint64
	Reserved Reservation // as it was admitted
	Tokens   int64       // negative: unknown
	Requests int64       // as many of those that were reserved were sent; 0: all
	SentAt   Instant     // 0: unknown
	Answered Instant     // 0: unknown
}

// arrival is when what was sent began to count upstream; 0: unknown.
func (s *Outcome) arrival(t Terms) Instant {
	if t.atAnswer {
		return s.Answered
	}
	return s.SentAt
}

// Settle corrects a sent request: its real tokens and its real send time, and how many
// it was. It reports whether the request weighs more or
// longer than was reserved, whether anything changed, and by how many tokens.
// Settling again with the same values changes nothing.
func (c *Calendar) Settle(t Terms, now Instant, s Outcome) (grew, changed bool, tokens int64) {
	i, folded := c.sent(s.ID), false
	s.Reserved = c.asCounted(s.ID, s.Reserved)
	open := c.close(s.ID)
	if i < 0 {
		folded = true
		if i = c.unfold(t, now, s, open); i < 0 && (t.refill && s.Tokens > s.Reserved.Tokens || t.atAnswer && s.Tokens > 0 && s.Reserved.End <= now) {
			// What was taken when isn't known any more: all of it now.
			late := s.Reserved
			late.ID, late.Start, late.End, late.Straddles = s.ID, now, now, false
			c.Sent, i, folded = append(c.Sent, &late), len(c.Sent), false
		}
		if i < 0 {
			return false, open, 0
		}
	}
	r := c.editSent(i)
	before := *r
	if s.Tokens > r.Tokens {
		r.End += t.length(s.Tokens) - t.length(r.Tokens)
	}
	if s.Tokens >= 0 {
		c.countTokens(t.day(r.Start), s.Tokens-r.Tokens)
		r.Tokens = s.Tokens
	}
	if unsent := r.Requests - s.Requests; s.Requests > 0 && unsent > 0 {
		startDay, otherDay := r.days(t)
		c.countRequests(startDay, -unsent)
		if r.Straddles {
			c.countRequests(otherDay, -unsent)
		}
		r.Requests = s.Requests
	}
	if counts := s.arrival(t); counts != 0 {
		c.trimToArrival(t, r, max(min(counts, now), r.Start), now)
	}
	if t.atATime {
		r.End = min(r.End, now+t.skew+1)
	}
	grew = (r.End > now+1 || t.refill) && (t.weight(r.Tokens) > t.weight(before.Tokens) || r.End > before.End)
	changed, tokens = open || *r != before, r.Tokens-before.Tokens
	if folded && r.Tokens <= before.Tokens {
		// Back into a sum, so that others keep their places. What grew stays, so that
		// it is found when it is settled again.
		c.addFolded(Folded{r.End.Ceil(t.grain), r.Tokens, r.Requests})
		c.Sent = slices.Delete(c.Sent, i, i+1)
	}
	c.Fold(t, MaxExact)
	return grew, changed, tokens
}

// unfold takes the request of a settle out of the sum that it was folded into, so
// that it can be corrected, and returns its position, or -1.
//
// One that isn't known to be on its way may have been settled before. Then it is
// corrected only if it weighs more than was reserved: what it may have given back
// already is left in the sum, and it starts as late as its end allows, for if it was
// trimmed it must not be trimmed again.
func (c *Calendar) unfold(t Terms, now Instant, s Outcome, open bool) int {
	was := s.Reserved
	if open {
		return c.takeOut(now-c.kept(&t), s.ID, was)
	}
	if s.Tokens <= was.Tokens {
		return -1
	}
	requests := was
	requests.Tokens = 0
	i := c.takeOut(now-c.kept(&t), s.ID, requests)
	if i >= 0 {
		r := c.Sent[i]
		r.Tokens, r.Start, r.Straddles = was.Tokens, r.End-t.length(was.Tokens), false
	}
	return i
}

// takeOut takes a reservation out of the sum that it was folded into and returns
// its position among what is kept exactly, or -1 if its end is over. It keeps its rounded
// end. A sum that ends earlier than its own may be taken for it; that makes nothing
// end early, for together they weigh what they did.
func (c *Calendar) takeOut(over Instant, id uint64, was Reservation) int {
	if was.End <= over {
		return -1
	}
	i := slices.IndexFunc(c.Folded, func(x Folded) bool {
		return x.End >= was.End && x.Tokens >= was.Tokens && x.Requests >= was.Requests
	})
	if i < 0 {
		return -1
	}
	c.Folded = slices.Clone(c.Folded)
	sum := &c.Folded[i]
	sum.Tokens -= was.Tokens
	sum.Requests -= was.Requests
	was.ID, was.End = id, sum.End
	c.Sent = append(c.Sent, &was)
	if sum.Tokens == 0 && sum.Requests == 0 {
		c.Folded = slices.Delete(c.Folded, i, i+1)
	}
	return len(c.Sent) - 1
}

// trimToArrival trims an interval to the real send time, or lengthens it if the
// request was sent later than the interval allows for, and takes a request off
// the day across midnight when its arrival is clearly on one side. An interval
// that is over is kept for a moment, so that settling again finds it.
func (c *Calendar) trimToArrival(t Terms, r *Reservation, sent, now Instant) {
	end, covered := max(sent+t.length(r.Tokens), now+1), sent+t.every
	if t.refill {
		// One that was settled is found again for a while.
		end, covered = max(sent+t.skew, now+1-t.every), sent
	}
	if end < r.End || covered > r.End {
		r.End = end
	}
	if !r.Straddles {
		return
	}
	day := t.day(sent - t.skew)
	if day != t.day(sent+t.skew) {
		return
	}
	startDay, otherDay := r.days(t)
	r.Straddles = false
	if day == startDay || otherDay < startDay {
		c.countRequests(otherDay, -r.Requests)
		return
	}
	c.countRequests(startDay, -r.Requests)
	r.Start = otherDay.StartIn(t.zone) // it didn't arrive before, and counts there now
}

// days returns the days on which a straddling reservation is counted.
func (r *Reservation) days(t Terms) (startDay, otherDay Day) {
	startDay = t.day(r.Start)
	if before := t.day(r.Start - t.skew); before != startDay {
		return startDay, before
	}
	return startDay, startDay + 1
}

// countDays counts a reservation so many times more on its days; -1: not any more.
func (c *Calendar) countDays(t Terms, r *Reservation, times int64) {
	startDay, otherDay := r.days(t)
	c.countRequests(startDay, times*r.Requests)
	c.countTokens(startDay, times*r.Tokens)
	if r.Straddles {
		c.countRequests(otherDay, times*r.Requests)
	}
}

// Cancel takes back a reservation whose request was never sent, and returns it.
// One that is folded is taken back if it is known to be on its way, and what it was
// when it was admitted; if it is over it still counts on its day.
func (c *Calendar) Cancel(t Terms, now Instant, id uint64, admitted Reservation) (was Reservation, ok bool) {
	admitted = c.asCounted(id, admitted)
	open := c.close(id)
	i := c.sent(id)
	if i < 0 && open && admitted.Start != 0 {
		i = c.takeOut(now-c.kept(&t), id, admitted)
	}
	if i < 0 {
		return was, open
	}
	r := *c.Sent[i]
	c.Sent = slices.Delete(c.Sent, i, i+1)
	c.countDays(t, &r, -1)
	if c.Learned.Probe.ID == id {
		c.Learned.Probe = Probe{}
	}
	return r, true
}

// Exactly finds a reservation, as it was admitted, among what is kept exactly, where it
// is put if it is folded and known to be on its way. It returns its position, or -1.
func (c *Calendar) Exactly(t Terms, now Instant, id uint64, admitted Reservation) int {
	i := c.sent(id)
	if i < 0 && c.open(id) {
		i = c.takeOut(now-c.kept(&t), id, c.asCounted(id, admitted))
	}
	return i
}

// Lengthen has the i-th reservation last as if its request arrived as late as until. Unless
// it was sent it may, and counts on that day too. It returns it, and whether it is longer now
// and whether anything changed.
func (c *Calendar) Lengthen(t Terms, i int, until Instant, unsent bool) (r Reservation, longer, changed bool) {
	own := c.editSent(i)
	was := *own
	own.End = max(own.End, until+t.length(own.Tokens))
	if other := t.day(until + t.skew); unsent && other != t.day(own.Start) && !own.Straddles {
		c.countRequests(other, own.Requests)
		own.Straddles = true
		if c.open(own.ID) {
			c.noteOpen(acrossID(own.ID))
		}
	}
	return *own, own.End > was.End, *own != was
}

// Begin has what a model's calendar holds of requests that were sent count in the calendar's
// window, or as taken out of its bucket when they had arrived, where that is empty, as long as it is
// then. None of them is settled or cancelled here. What counts at a time may be under way for as long as
// the model's calendar has it, unless it has been counted here before.
func (c *Calendar) Begin(t Terms, now Instant, model *Calendar, its Terms) {
	switch {
	case !c.nothingSent(), t.atATime && len(c.Days) > 0:
		return
	case t.atATime:
		t.Limits, t.kind = its.Limits, its.kind
	}
	for _, r := range model.Sent {
		if r.Note() {
			continue
		}
		own := *r
		// Under the limits of then it may have been shorter on the model's than it would be now.
		if own.End = max(r.End+t.length(r.Tokens)-its.length(r.Tokens), r.Start+t.length(r.Tokens)); own.End > now || t.refill && r.End > now {
			c.countDays(t, &own, 1)
			c.Sent = append(c.Sent, &own)
		}
	}
	for _, x := range model.Folded {
		counts := x.End > now
		if x.End += t.length(0) - its.length(0); x.End > now || t.refill && counts {
			day := t.day(x.End - t.length(0))
			c.countRequests(day, x.Requests)
			c.countTokens(day, x.Tokens)
			x.End = x.End.Ceil(t.grain)
			c.addFolded(x)
		}
	}
}

// heldParts is of how many parts of its period it is assumed that as much was sent in each.
const heldParts = 20

// Held has as much count as may have been sent while the calendar had no place and its model was held to other limits:
// on the day, and out of a bucket, as much as these leave to a day; and within a window longer than a minute all that there may
// be, sent evenly. So there is room as it would leave the window. (A bucket is filled as fast as who is held to so much a
// minute empties it.)
func (c *Calendar) Held(t Terms, now Instant, to Limits) {
	day := max(to.RPD, 0)
	switch {
	case t.RPD != Unlimited:
		c.countRequests(t.day(now), day)
	case t.refill && day > 0:
		c.Debt = Debt{At: now, Per: t.every, Requests: day * int64(t.every)}
	case t.refill, t.every <= models.every:
	case day > 0:
		c.addFolded(Folded{End: (now + t.length(0)).Ceil(t.grain), Requests: day})
	case to.RPM > 0 || to.TPM > 0:
		part := func(limit int64) int64 { return instant.CeilDiv(max(limit, 0), heldParts) }
		for i := Instant(1); i <= heldParts; i++ {
			c.addFolded(Folded{End: (now + t.length(0)*i/heldParts).Ceil(t.grain), Tokens: part(t.TPM), Requests: part(t.RPM)})
		}
	}
}

// Copy has what another calendar holds of requests that were sent, and that still count
// there, count on this one too: all of them, or the one with the ID only, where that isn't 0.
// It reports whether there is anything. They are on their way or answered; none of them is
// settled or cancelled here.
func (c *Calendar) Copy(t Terms, now Instant, of *Calendar, only uint64) (copied bool) {
	for _, r := range of.Sent {
		if r.End <= now || c.sent(r.ID) >= 0 || only != 0 && r.ID != only {
			continue
		}
		c.countDays(t, r, 1)
		c.Sent, copied = append(c.Sent, r), true
	}
	slices.SortStableFunc(c.Sent, func(a, b *Reservation) int { return cmp.Compare(a.Start, b.Start) })
	for _, x := range of.Folded {
		if x.End > now && only == 0 {
			day := t.day(x.End - t.every)
			c.countRequests(day, x.Requests)
			c.countTokens(day, x.Tokens)
			c.addFolded(x)
			copied = true
		}
	}
	c.Fold(t, MaxExact)
	return copied
}
