package merge

import (
	"cmp"
	"maps"
	"slices"
	"sort"

	"fluxgate.dev/fluxgate/scheduler"
)

// A calendars joins calendars of two states.
type calendars struct {
	since     scheduler.Instant // when the known state was last changed
	unrelated bool              // the found state has nothing of the known one
	ranks     map[uint64]uint64 // of bookings that only the found state has, by ID
}

const window = scheduler.Instant(scheduler.Window / 1e6) // in milliseconds

// join returns the union of two states of one calendar.
func (j *calendars) join(known, found *scheduler.Calendar) *scheduler.Calendar {
	next := &scheduler.Calendar{Model: known.Model}
	next.Sent = sent(known.Sent, found.Sent)
	next.Folded = folded(known.Folded, found.Folded)
	for _, id := range known.Open {
		// One that isn't open in one of them may have given back what it weighs too much.
		if slices.Contains(found.Open, id) {
			next.Open = append(next.Open, id)
		}
	}
	next.Bookings = j.bookings(known.Bookings, found.Bookings)
	next.Days = j.days(known, found)
	next.Debt = debts(known.Debt, found.Debt)
	next.Block = known.Block
	if found.Block.Until > known.Block.Until {
		next.Block = found.Block
	}
	next.Block.Strikes = max(known.Block.Strikes, found.Block.Strikes)
	if next.Block.Cause == scheduler.NoCause {
		next.Block = scheduler.Block{}
	}
	next.Learned = lessons(known.Learned, found.Learned)
	next.Refused = known.Refused
	if found.Refused > 0 && (known.Refused == 0 || found.Refused < known.Refused) {
		next.Refused = found.Refused
	}
	return next
}

// sent returns the union by name, in the order of starts. Of two states of one request
// it weighs the more, for the longer; of two notes the later holds.
func sent(known, found []*scheduler.Reservation) []*scheduler.Reservation {
	all := slices.Clone(known)
	for _, r := range found {
		i := slices.IndexFunc(known, func(k *scheduler.Reservation) bool { return k.ID == r.ID })
		if i < 0 {
			all = append(all, r)
			continue
		}
		if r.Note() && known[i].Note() {
			if r.Start > known[i].Start {
				all[i] = r
			}
			continue
		}
		both := *known[i]
		both.Start, both.End = min(both.Start, r.Start), max(both.End, r.End)
		both.Tokens, both.Requests = max(both.Tokens, r.Tokens), max(both.Requests, r.Requests)
		both.Straddles = both.Straddles || r.Straddles
		all[i] = &both
	}
	slices.SortStableFunc(all, func(a, b *scheduler.Reservation) int { return cmp.Compare(a.Start, b.Start) })
	return all
}

// folded returns the sums of both, by their ends.
func folded(known, found []scheduler.Folded) (all []scheduler.Folded) {
	both := slices.Concat(known, found)
	inOrder(both, func(a, b *scheduler.Folded) bool { return a.End < b.End })
	for _, x := range both {
		if n := len(all); n > 0 && all[n-1].End == x.End {
			all[n-1].Tokens += x.Tokens
			all[n-1].Requests += x.Requests
			continue
		}
		all = append(all, x)
	}
	return all
}

// bookings returns the union by name, in order of rank: those that only the found state
// has were made later. Of two states of one booking the later start holds, for bookings
// are only ever moved back.
func (j *calendars) bookings(known, found []scheduler.Booking) []scheduler.Booking {
	all := slices.Clone(known)
	for _, b := range found {
		if i := slices.IndexFunc(known, func(k scheduler.Booking) bool { return k.ID == b.ID }); i >= 0 {
			all[i].Start, all[i].Since = max(all[i].Start, b.Start), min(all[i].Since, b.Since)
			all[i].Hold = max(all[i].Hold, b.Hold)
			continue
		}
		b.Rank = j.ranks[b.ID]
		all = append(all, b)
	}
	inOrder(all, older)
	return all
}

// older reports whether a booking was made before another.
func older(a, b *scheduler.Booking) bool { return a.Rank < b.Rank }

// inOrder sorts what comes before something else to its front, and leaves the rest as it is. States are
// merged seldom: that is worth no sorting routine for each type, which package slices has compiled.
func inOrder[T any](all []T, before func(a, b *T) bool) {
	sort.SliceStable(all, func(i, j int) bool { return before(&all[i], &all[j]) })
}

// days returns what was counted of every day. What was added counts on each day that it
// may have been on, whatever zone the calendar's midnight is in.
func (j *calendars) days(known, found *scheduler.Calendar) (all []scheduler.DayCount) {
	of := func(c *scheduler.Calendar) map[scheduler.Day]scheduler.DayCount {
		byDay := make(map[scheduler.Day]scheduler.DayCount, len(c.Days))
		for _, d := range c.Days {
			byDay[d.Day] = d
		}
		return byDay
	}
	first, second, added := of(known), of(found), j.added(found)
	names := maps.Clone(first)
	maps.Copy(names, second)
	for _, day := range slices.Sorted(maps.Keys(names)) {
		a, b := first[day], second[day]
		x := scheduler.DayCount{Day: day, Requests: max(a.Requests, b.Requests), Tokens: max(a.Tokens, b.Tokens)}
		switch {
		case j.unrelated:
			x.Requests, x.Tokens = a.Requests+b.Requests, a.Tokens+b.Tokens
		case day >= scheduler.DayOf(j.since)-1:
			x.Requests = max(x.Requests, a.Requests+min(added, b.Requests))
		}
		all = append(all, x)
	}
	return all
}

// added returns how many requests the found state has that start after the last change
// that is known, of which those that were folded only say that they don't start later
// than a minute before their end.
func (j *calendars) added(found *scheduler.Calendar) (n int64) {
	for _, r := range found.Sent {
		if r.Start > j.since && !r.Note() {
			n += r.Requests
		}
	}
	for _, x := range found.Folded {
		if x.End-window > j.since {
			n += x.Requests
		}
	}
	return n
}

// debts returns the sum of what is missing in two states of a bucket, as of the later,
// though the earlier may have been refilled since.
func debts(known, found scheduler.Debt) scheduler.Debt {
	switch {
	case found.Per == 0:
		return known
	case known.Per == 0:
		return found
	}
	in := func(n int64) int64 { // rounded up to the length that the known one is reckoned in
		if found.Per == known.Per {
			return n
		}
		return (n/int64(found.Per) + 1) * int64(known.Per)
	}
	return scheduler.Debt{
		At: max(known.At, found.At), Per: known.Per, Tokens: known.Tokens + in(found.Tokens), Requests: known.Requests + in(found.Requests),
	}
}

// lessons returns of each limit what was learned last, the lesser of two of one instant.
func lessons(known, found scheduler.Learned) scheduler.Learned {
	next := known
	for i, l := range next.Each() {
		if f := *found.Each()[i]; f.At > l.At || f.At == l.At && f.Limit < l.Limit {
			*l = f
		}
	}
	if found.Probe.Until > known.Probe.Until {
		next.Probe = found.Probe
	}
	return next
}
