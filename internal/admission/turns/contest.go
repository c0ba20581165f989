package turns

import (
	"math"
	"slices"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Contest is who waits for a calendar, in the eyes of one request.
type Contest struct {
	*fair.Contest
	*Standings
	Calendar string
	Mine     uint32 // whose the request is
	Request  fair.Slot
	promise  *waitlist.Promise // what it was told, if it comes early
	buffer   []scheduler.Booking
}

// An Asker is the request that is decided about.
type Asker struct {
	Caller  uint32            // scheduler.CallerOf
	Since   scheduler.Instant // when it was first told to wait; now: it wasn't
	Began   fair.Cost         // what its caller had had then, on the calendar Turn
	Turn    string
	Promise *waitlist.Promise // what it was told, if it comes early; nil: it doesn't
}

// contest returns the contest for a calendar on which the request weighs so much.
func (b *Book) contest(in Setting, who Asker, calendar string, weighs scheduler.Demand) *Contest {
	k := &Contest{Standings: b.Standings(in, calendar), Calendar: calendar, Mine: who.Caller, promise: who.Promise}
	k.Request = fair.Slot{Caller: who.Caller, Cost: cost(k.All, weighs), Since: who.Since, Order: math.MaxUint64, Began: who.Began}
	if who.Began != 0 && who.Turn != calendar {
		k.Request.Began = fair.Unknown
	}
	if who.Promise != nil {
		k.Request.Order = who.Promise.Order
	}
	k.Contest = k.All.With(k.Request, in.Now)
	return k
}

// Alone reports whether no other caller waits or was served lately.
func (k *Contest) Alone() bool { return k.Contest.Alone(k.Mine) }

// Crowded reports whether more callers wait than there are projects, and more than two.
func (k *Contest) Crowded() bool { return k.Waiting() > max(2, k.open) }

// Average is how many tokens others have on average that wait.
func (k *Contest) Average() int64 { return k.average(k.promise) }

// first says which promises keep the request from going now, though it has room:
// those of callers that have had less, and those for requests of its own caller that have
// waited for longer. But one of these that is due, and no larger, it goes in place of. Who
// hasn't come a second after its time isn't waited for; but who came late for others is waited for as much
// longer while more callers wait than there are projects, and little is booked, and by a caller that has had
// more than others by the largest request.
func (k *Contest) first(now scheduler.Instant) func(number int) bool {
	turn, patient := k.Turn(k.Mine), k.Crowded() || k.Ahead(k.Mine)
	return func(i int) bool {
		switch p := k.line.Promises[i]; {
		case p.Overdue(now) && (!patient || p.Missed(now)):
			return false
		case p.Tag == k.Mine:
			return k.older(p) && (p.Start > now || cost(k.Contest, k.line.Demand(i)) > k.Request.Cost)
		}
		return k.Before(i, turn, k.Request)
	}
}

// before says which promises have their turn before the request.
func (k *Contest) before() func(number int) bool {
	turn := k.TurnOf(k.Request)
	return func(i int) bool {
		if k.By(i) == k.Mine {
			return k.older(k.line.Promises[i])
		}
		return k.Before(i, turn, k.Request)
	}
}

// older reports whether a promise is for a request of the caller that has waited for longer
// than this one, and as it was told to: who doesn't need not be waited for.
func (k *Contest) older(p *waitlist.Promise) bool {
	return !p.Early && fair.Slot{Since: p.Since, Order: p.Order}.Older(k.Request)
}

// forWantOf restricts what matches to promises that wait for the contest's calendar. Who waits for another that it weighs on,
// for its model's say, can't use this one before: so nothing of it stands idle for that.
func (k *Contest) forWantOf(match func(number int) bool) func(number int) bool {
	return func(i int) bool { return k.line.Promises[i].WaitsFor(k.Calendar) && match(i) }
}

// slots returns the promises that match, by number, as they lie on the contest's calendar. They
// are right until others are asked for.
func (k *Contest) slots(match func(number int) bool, project string) []scheduler.Booking {
	s := k.line.On(project)
	k.buffer = slices.Grow(k.buffer[:0], len(s.Slots))
	return s.Those(match, k.buffer)
}

// beside returns them as they lie on another one.
func (k *Contest) beside(match func(number int) bool, project, calendar string) (out []scheduler.Booking) {
	for _, i := range k.line.On(project).Numbers {
		if match(i) {
			out = k.line.Promises[i].On(out, calendar)
		}
	}
	return out
}
