package fair

import (
	"cmp"
	"math"
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// A Slot is what a request of a caller was promised, or has booked, or asks for.
type Slot struct {
	Caller uint32 // scheduler.CallerOf
	Cost   Cost
	Since  scheduler.Instant // when its caller was first told to wait for it
	Order  uint64            // of those that were told at the same instant the lower came first
	// Began is what its caller had had then, as [Contest.Had] says; 0 if nobody else waited,
	// Unknown for what is new, booked, or was told by another instance.
	Began Cost
}

// Unknown is more than any caller has had.
const Unknown = Cost(math.MaxInt64)

// A party is one caller.
type party struct {
	weight Cost
	served Cost
	level  Cost              // where it began: the highest on any project
	at     scheduler.Instant // when it was last served; 0: not lately

	waits    bool
	since    scheduler.Instant // when the oldest of its requests that wait came
	began    Cost              // the least of these
	booked   Cost
	promised Cost // as far as they are counted
	largest  Cost // of all these

	turn Cost // what it has had, divided by its weight
}

// absent reports whether it had nothing to ask for in the window after it was last served.
func (p *party) absent(now scheduler.Instant) bool {
	return p.at == 0 || min(p.since, now).Sub(p.at) > scheduler.Window
}

// A Contest is who waits for the calendars of a model, and what each of them has had.
type Contest struct {
	Price

	now      scheduler.Instant
	weight   func(caller uint32) int64
	parties  map[uint32]*party
	promises []promised
	largest  Cost // request that waits
	average  Cost // turn of those that wait, with what they have booked
}

// A promised is a slot and its turn.
type promised struct {
	Slot
	by   *party
	turn Cost
}

// New returns a contest in which nobody is known yet. Callers whose weight isn't positive
// have that of 1. First the price is to be set, then all is added, then it is weighed.
func New(now scheduler.Instant, weight func(caller uint32) int64) *Contest {
	return &Contest{now: now, weight: weight, parties: make(map[uint32]*party)}
}

func (k *Contest) party(caller uint32) *party {
	p := k.parties[caller]
	if p == nil {
		p = &party{weight: Cost(max(1, k.weight(caller)))}
		k.parties[caller] = p
	}
	return p
}

// Serve adds what a project has served.
func (k *Contest) Serve(x scheduler.Service) {
	p := k.party(x.Caller)
	p.served += k.Of(x.Requests, x.Tokens)
	p.level, p.at = max(p.level, Cost(x.Level)), max(p.at, x.At)
}

// Book adds a booking.
func (k *Contest) Book(x Slot) { k.wait(x).booked += x.Cost }

// Expect says that up to so many promises are going to be added.
func (k *Contest) Expect(promises int) { k.promises = slices.Grow(k.promises, promises) }

// Promise adds a promise. Promises are numbered from 0, and of each caller come in the
// order in which its requests have waited.
func (k *Contest) Promise(x Slot) {
	k.promises = append(k.promises, promised{Slot: x, by: k.wait(x)})
}

func (k *Contest) wait(x Slot) *party {
	p := k.party(x.Caller)
	if !p.waits {
		p.since, p.began = x.Since, x.Began
	}
	p.since, p.began = min(p.since, x.Since), min(p.began, x.Began)
	p.waits, p.largest, k.largest = true, max(p.largest, x.Cost), max(k.largest, x.Cost)
	return p
}

// Weigh says whose turn it is, once all is added but the request that is decided about.
func (k *Contest) Weigh(mine Slot) {
	k.wait(mine)
	least, most, weights := Cost(-1), Cost(0), Cost(0)
	for _, p := range k.parties {
		p.turn = p.level + p.served/p.weight
		if p.waits {
			weights += p.weight
		}
		if p.waits && !p.absent(k.now) && (least < 0 || p.turn < least) {
			least = p.turn
		}
		if k.active(p) {
			most = max(most, p.turn)
		}
	}
	// Two windows of its share, and what large requests make uneven.
	credit := 2*window/weights + 3*k.largest
	sum := Cost(0)
	for _, p := range k.parties {
		if p.waits && p.absent(k.now) {
			p.turn = max(p.turn, min(least, p.began))
		}
		p.turn = max(p.turn, most-credit)
		if p.waits {
			sum += p.weight*p.turn + p.booked
		}
	}
	k.average = sum / weights
	for i := range k.promises {
		x := &k.promises[i]
		x.turn = x.by.turn + (x.by.booked+x.by.promised)/x.by.weight
		x.by.promised += x.Cost
	}
}

// active reports whether a caller waits, or was served lately.
func (k *Contest) active(p *party) bool { return p.waits || k.now.Sub(p.at) <= scheduler.Window }

// Alone reports whether no other caller waits or was served lately.
func (k *Contest) Alone(caller uint32) bool {
	for c, p := range k.parties {
		if c != caller && k.active(p) {
			return false
		}
	}
	return true
}

// Had returns what a caller has had in the eyes of others, divided by its weight.
func (k *Contest) Had(caller uint32) Cost { return k.party(caller).turn }

// Level is where a caller begins in the eyes of whoever compares it with others, for
// scheduler.Service.
func (k *Contest) Level(caller uint32) int64 {
	p := k.party(caller)
	return int64(p.turn - p.served/p.weight)
}

// Turn returns the turn of a caller's next request: what it has had and has booked.
func (k *Contest) Turn(caller uint32) Cost {
	p := k.party(caller)
	return p.turn + p.booked/p.weight
}

// TurnOf returns the turn of a request that waits: behind what was promised to those of the
// same caller that have waited for longer.
func (k *Contest) TurnOf(x Slot) Cost {
	sum := Cost(0)
	for i := range k.promises {
		if p := &k.promises[i]; p.Caller == x.Caller && p.Older(x) {
			sum += p.Cost
		}
	}
	return k.Turn(x.Caller) + sum/k.party(x.Caller).weight
}

// Before reports whether the i-th promise has its turn before that of another caller's
// request: of equal ones the one that has waited for longer.
func (k *Contest) Before(i int, turn Cost, x Slot) bool {
	p := &k.promises[i]
	return p.turn < turn || p.turn == turn && p.Older(x)
}

// Older reports whether a request has waited for longer than another.
func (x Slot) Older(other Slot) bool {
	return cmp.Or(cmp.Compare(x.Since, other.Since), cmp.Compare(x.Order, other.Order)) < 0
}

// Behind reports whether a caller has no more than others have on average, with so much
// beside what it has had and booked.
func (k *Contest) Behind(caller uint32, more Cost) bool {
	return k.Turn(caller)+more/k.party(caller).weight <= k.average
}

// Ahead reports whether a caller has had and booked more than others have on average, by
// more than the largest request that waits.
func (k *Contest) Ahead(caller uint32) bool { return k.Turn(caller) > k.average+k.largest }

// FarBehind reports whether a caller has had and booked less than others have on average, by
// the largest request that waits or more.
func (k *Contest) FarBehind(caller uint32) bool { return k.Turn(caller)+k.largest <= k.average }

// Waiting returns how many callers wait.
func (k *Contest) Waiting() (n int) {
	for _, p := range k.parties {
		if p.waits {
			n++
		}
	}
	return n
}

// Large reports whether a request is at least half as large as the largest of its caller's
// that waits or is booked.
func (k *Contest) Large(x Slot) bool { return 2*x.Cost >= k.party(x.Caller).largest }
