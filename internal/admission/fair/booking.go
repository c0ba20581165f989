package fair

// A Booking is what is known of a slot that may be kept for a request.
type Booking struct {
	Asked   bool // its caller asks for bookings
	Has     bool // its caller has booked another
	Far     bool // it begins more than a window and the hold from now
	Crowded bool // more callers wait than there are projects
	Several bool // instances are at work
}

// Untimely reports whether a slot isn't kept for a request, for the sake of other callers that wait, or
// may come. Whoever has one books another only within a window, so that whoever comes next
// waits for no longer. While others wait a caller that merely comes back books only what is
// large for it: what is small finds room beside that, and a slot that is kept stands idle
// until its holder comes. Its first slot it books however far in the future, so that what
// is large doesn't starve, as long as it isn't ahead of the others, by more than a request
// if it asks for a booking; the next ones as long as it isn't with these either. At one of several
// instances it isn't known what those were told that wait at the others, so there it is also as long as it has had
// less, with these, than somebody who was served lately, and what is small is kept a slot once its caller has had less
// than others on average by two of the largest requests that wait: it comes late, say, and the others' instances give
// its slots away.
//
// While more callers wait than there are projects, whose turn it is changes before a booking
// is due, and what is kept stands idle on many calendars: then only a caller is booked
// anything that is far behind, because it comes late, say, and finds its turns taken.
func (k *Contest) Untimely(x Slot, b Booking) bool {
	switch {
	case b.Has && b.Far:
		return true
	case k.Alone(x.Caller):
		return false
	case b.Crowded:
		return !k.FarBehind(x.Caller)
	case !b.Asked && !k.Large(x):
		return !b.Several || k.Turn(x.Caller)+2*k.largest > k.average()
	case b.Has:
		return !k.Behind(x.Caller, x.Cost) && !(b.Several && k.BehindMost(x.Caller, x.Cost))
	case b.Asked:
		return k.Ahead(x.Caller)
	}
	return !k.Behind(x.Caller, 0)
}

// BehindMost reports whether a caller has no more than the one that has had most of those that wait or were served
// lately, with so much beside what it has had and booked.
func (k *Contest) BehindMost(caller uint32, more Cost) bool {
	return k.Turn(caller)+more/k.party(caller).weight <= k.most
}
