package fair

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

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
	caller uint32 // scheduler.CallerOf
	weight Cost
	served Cost
	level  Cost              // where it began: the highest on any project
	at     scheduler.Instant // when it was last served; 0: not lately
	last   scheduler.Instant // the same, or as this instance remembers it of whom the projects have forgotten

	waits   bool
	since   scheduler.Instant // when the oldest of its requests that wait came
	began   Cost              // the least of these
	booked  Cost
	largest Cost // of all these
	final   int  // which of the promises is its last, from 1; 0: none
}

// wait adds a request that waits, or what is booked for it.
func (p *party) wait(x Slot) {
	if !p.waits {
		p.since, p.began = x.Since, x.Began
	}
	p.since, p.began = min(p.since, x.Since), min(p.began, x.Began)
	p.waits, p.largest = true, max(p.largest, x.Cost)
}

// had is what it has had, divided by its weight.
func (p *party) had() Cost { return p.level + p.served/p.weight }

// absent reports whether it had nothing to ask for in the window after it was last served.
func (p *party) absent(now scheduler.Instant) bool {
	return p.at == 0 || min(p.since, now).Sub(p.at) > scheduler.Window
}

// active reports whether it waits, or was served lately.
func (p *party) active(now scheduler.Instant) bool {
	return p.waits || now.Sub(p.at) <= scheduler.Window
}

// A Contest is who waits for the calendars of a model, and what each of them has had. Once it
// is weighed any number of goroutines may look at it, each with a request of its own
// ([Contest.With]).
type Contest struct {
	Price

	now      scheduler.Instant
	weight   func(caller uint32) int64
	numbers  map[uint32]int // of callers, in parties
	parties  []party
	promises []promised
	served   *Served // nil: nothing is remembered
	model    uint32  // of those served
	crowded  bool    // somebody waits whom the projects don't keep
	scale

	own int   // which of the parties the caller is whose request is decided about; -1: none
	me  party // it, with that request
}

// A promised is a slot, whose it is, and what its caller has booked and was promised before it,
// divided by its weight.
type promised struct {
	Slot
	by     int // of the parties; -1: it doesn't count
	behind Cost
	before int // which of its caller's comes before it, from 1; 0: none
}

// A scale is what all turns depend on, and what follows from it.
type scale struct {
	waiting int  // callers
	weights Cost // of these
	largest Cost // request of theirs
	least   Cost // that one of them has had that has asked for something all the time; -1: there is none
	most    Cost // that anybody has had that waits or was served lately
	floor   Cost // nobody has had less in the eyes of others

	turns []Cost // of the promises
	sum   Cost   // of the turns of those that wait, times their weights, and what they have booked
}

// New returns a contest in which nobody is known yet. Callers whose weight isn't positive
// have that of 1. First the price is to be set, then all is added, then it is weighed.
func New(now scheduler.Instant, weight func(caller uint32) int64) *Contest {
	return &Contest{now: now, weight: weight, numbers: make(map[uint32]int), own: -1}
}

// Expect says that up to so many promises are going to be added. It comes before these.
func (k *Contest) Expect(promises int) {
	k.promises, k.parties = slices.Grow(k.promises, promises), slices.Grow(k.parties, promises)
	known := k.numbers
	k.numbers = make(map[uint32]int, len(known)+promises)
	maps.Copy(k.numbers, known)
}

// number returns which of the parties a caller is.
func (k *Contest) number(caller uint32) int {
	i, ok := k.numbers[caller]
	if !ok {
		i = len(k.parties)
		k.numbers[caller], k.parties = i, append(k.parties, party{caller: caller, weight: Cost(max(1, k.weight(caller)))})
	}
	return i
}

// party returns a caller, with the request that is decided about.
func (k *Contest) party(caller uint32) *party {
	i, ok := k.numbers[caller]
	switch {
	case ok && i != k.own:
		return &k.parties[i]
	case k.own >= 0:
		return &k.me
	}
	return &party{weight: Cost(max(1, k.weight(caller))), last: k.lastServed(caller)}
}

// Serve adds what a project has served.
func (k *Contest) Serve(x scheduler.Service) {
	p := &k.parties[k.number(x.Caller)]
	p.served += k.Of(x.Requests, x.Tokens)
	p.level, p.at = max(p.level, Cost(x.Level)), max(p.at, x.At)
}

// Elsewhere adds the callers that wait for a model at some instance, and returns the instant from which on one of them doesn't any more.
func (k *Contest) Elsewhere(all []scheduler.Waiter, model uint32) (until scheduler.Instant) {
	until = scheduler.Never
	for _, x := range all {
		if x.Model == model && k.now <= x.Until {
			k.parties[k.number(x.Caller)].wait(Slot{Caller: x.Caller, Since: x.Since, Began: Unknown})
			until = min(until, x.Until+1)
		}
	}
	return until
}

// Book adds a booking.
func (k *Contest) Book(x Slot) {
	p := &k.parties[k.number(x.Caller)]
	p.wait(x)
	p.booked += x.Cost
}

// Promise adds a promise. Promises are numbered from 0, and of each caller come in the
// order in which its requests have waited.
func (k *Contest) Promise(x Slot) {
	i := k.number(x.Caller)
	p := &k.parties[i]
	p.wait(x)
	k.promises = append(k.promises, promised{Slot: x, by: i, before: p.final})
	p.final = len(k.promises)
}

// Skip gives a number to a promise that doesn't count.
func (k *Contest) Skip() { k.promises = append(k.promises, promised{by: -1}) }

// Weigh says whose turn it is on a model, once all is added but the request that is decided
// about. When those were last served that the projects have forgotten it is told; nil: nobody
// remembers that.
func (k *Contest) Weigh(s *Served, model uint32) {
	k.served, k.model = s, model
	k.recall()
	k.scale = scale{least: -1}
	for i := range k.parties {
		k.count(&k.parties[i], k.now)
		k.crowded = k.crowded || k.parties[i].waits && k.parties[i].at == 0
	}
	sums := make([]Cost, len(k.parties))
	for i := range k.promises {
		if x := &k.promises[i]; x.by >= 0 {
			p := &k.parties[x.by]
			x.behind = (p.booked + sums[x.by]) / p.weight
			sums[x.by] += x.Cost
		}
	}
	if k.waiting > 0 {
		k.reckon()
	}
}

// With returns the contest at an instant, with the request that is decided about. If that is
// among the promises it is in nobody's way.
func (k *Contest) With(mine Slot, now scheduler.Instant) *Contest {
	next := *k
	next.now, next.me = now, *k.party(mine.Caller)
	was := next.me
	next.me.wait(mine)
	next.crowded = next.crowded || next.me.at == 0
	if i, ok := k.numbers[mine.Caller]; ok {
		next.own = i
	} else {
		next.own = len(k.parties)
	}
	if was.waits {
		next.waiting, next.weights = next.waiting-1, next.weights-was.weight
	}
	next.count(&next.me, now)
	next.floor = next.lowest()
	if k.waiting == 0 || next.least != k.least || next.floor != k.floor {
		next.reckon()
	} else {
		next.sum += next.share(&next.me) - k.share(&was)
	}
	return &next
}

// count adds what others' turns depend on of a caller.
func (s *scale) count(p *party, now scheduler.Instant) {
	had := p.had()
	if p.waits {
		s.waiting, s.weights, s.largest = s.waiting+1, s.weights+p.weight, max(s.largest, p.largest)
		if !p.absent(now) && (s.least < 0 || had < s.least) {
			s.least = had
		}
	}
	if p.active(now) {
		s.most = max(s.most, had)
	}
}

// lowest returns what nobody has had less than in the eyes of others: two windows of its share
// less than the one that has had most, and what large requests make uneven.
func (s *scale) lowest() Cost { return s.most - 2*window/s.weights - 3*s.largest }

// reckon reckons all turns.
func (k *Contest) reckon() {
	k.floor, k.sum = k.lowest(), 0
	of := make([]Cost, len(k.parties))
	for i := range k.parties {
		p := &k.parties[i]
		if i == k.own {
			p = &k.me
		}
		of[i] = k.turn(p)
		k.sum += k.share(p)
	}
	if k.own == len(k.parties) {
		k.sum += k.share(&k.me)
	}
	k.turns = make([]Cost, len(k.promises))
	for i := range k.promises {
		if x := &k.promises[i]; x.by >= 0 {
			k.turns[i] = of[x.by] + x.behind
		}
	}
}

// turn is what a caller has had in the eyes of others, divided by its weight.
func (k *Contest) turn(p *party) Cost {
	had := p.had()
	if p.waits && p.absent(k.now) {
		had = max(had, min(k.least, p.began))
	}
	return max(had, k.floor)
}

// share is what a caller adds to the sum.
func (k *Contest) share(p *party) Cost {
	if !p.waits {
		return 0
	}
	return p.weight*k.turn(p) + p.booked
}

// Alone reports whether no other caller waits or was served lately.
func (k *Contest) Alone(caller uint32) bool {
	i, ok := k.numbers[caller]
	if !ok {
		i = -1
	}
	for j := range k.parties {
		p := &k.parties[j]
		if j == k.own {
			p = &k.me
		}
		if j != i && p.active(k.now) {
			return false
		}
	}
	return true
}

// Absent reports whether a caller had nothing to ask for in the window after it was last served.
func (k *Contest) Absent(caller uint32) bool { return k.party(caller).absent(k.now) }

// Until returns the instant from which on somebody isn't active any more that is.
func (k *Contest) Until() scheduler.Instant {
	until := scheduler.Never
	for i := range k.parties {
		if p := &k.parties[i]; !p.waits && p.active(k.now) {
			until = min(until, p.at.Add(scheduler.Window)+1)
		}
	}
	return until
}

// Had returns what a caller has had in the eyes of others, divided by its weight.
func (k *Contest) Had(caller uint32) Cost { return k.turn(k.party(caller)) }

// Level is where a caller begins in the eyes of whoever compares it with others, for
// scheduler.Service.
func (k *Contest) Level(caller uint32) int64 {
	p := k.party(caller)
	return int64(k.turn(p) - p.served/p.weight)
}

// Turn returns the turn of a caller's next request: what it has had and has booked.
func (k *Contest) Turn(caller uint32) Cost {
	p := k.party(caller)
	return k.turn(p) + p.booked/p.weight
}

// TurnOf returns the turn of a request that waits: behind what was promised to those of the
// same caller that have waited for longer.
func (k *Contest) TurnOf(x Slot) Cost {
	sum, p := Cost(0), k.party(x.Caller)
	for i := p.final; i > 0; i = k.promises[i-1].before {
		if y := &k.promises[i-1]; y.Older(x) {
			sum += y.Cost
		}
	}
	return k.Turn(x.Caller) + sum/p.weight
}

// By returns whose the i-th promise is; 0 of one that was skipped.
func (k *Contest) By(i int) uint32 { return k.promises[i].Caller }

// Before reports whether the i-th promise has its turn before that of another caller's
// request: of equal ones the one that has waited for longer. For how long that is may be known
// only to the instance that told it to wait, so where some wait whom the projects have forgotten, it
// is first that of the caller that was served longest ago, times its weight, which every instance
// has seen. Not where all are known, whose turns tell them apart already: who was told a time
// would find that somebody else's has come to be before it, and the slot would wait for that.
func (k *Contest) Before(i int, turn Cost, x Slot) bool {
	if t := k.turns[i]; t != turn {
		return t < turn
	}
	p := &k.promises[i]
	if p.by >= 0 && k.crowded {
		if other, mine := k.unserved(&k.parties[p.by]), k.unserved(&k.me); other != mine {
			return other > mine
		}
	}
	return p.Older(x)
}

// unserved is for how long a caller hasn't been served, times its weight.
func (k *Contest) unserved(p *party) Cost {
	if p.last == 0 {
		return math.MaxInt64
	}
	return p.weight * Cost(max(0, k.now-p.last))
}

// Older reports whether a request has waited for longer than another.
func (x Slot) Older(other Slot) bool {
	return cmp.Or(cmp.Compare(x.Since, other.Since), cmp.Compare(x.Order, other.Order)) < 0
}

// average is the turn of those that wait, with what they have booked.
func (k *Contest) average() Cost { return k.sum / k.weights }

// Behind reports whether a caller has no more than others have on average, with so much
// beside what it has had and booked.
func (k *Contest) Behind(caller uint32, more Cost) bool {
	return k.Turn(caller)+more/k.party(caller).weight <= k.average()
}

// Ahead reports whether a caller has had and booked more than others have on average, by
// more than the largest request that waits.
func (k *Contest) Ahead(caller uint32) bool { return k.Turn(caller) > k.average()+k.largest }

// FarBehind reports whether a caller has had and booked less than others have on average, by
// the largest request that waits or more.
func (k *Contest) FarBehind(caller uint32) bool { return k.Turn(caller)+k.largest <= k.average() }

// Margins say by how much a caller may be ahead of others on average by its next request, as parts of the largest that
// waits: where one instance is at work, and where several are. There each knows only some of those that wait, so more
// is sent out of turn, and less is lost by who has to wait for others.
const (
	marginAlone   = 0.4
	marginSeveral = 0.25
	// marginShare is as much in any case, as a part of what a caller gets in a window.
	marginShare = 0.2
)

// TooSoon returns how long it takes, in whole seconds, until a request doesn't bring its caller further ahead of
// others than it may be; 0: it brings it no further now. Who has had least in the eyes of others may send anything, and so
// may anybody where none of those that wait has asked for something all the time: so there is always one that may go.
func (k *Contest) TooSoon(x Slot, several bool) time.Duration {
	part := marginAlone
	if several {
		part = marginSeveral
	}
	share := float64(2*window) / float64(k.weights) // its requests and its tokens
	most := max(part*float64(k.largest), marginShare*share)
	beyond := float64(k.Turn(x.Caller)+x.Cost/k.party(x.Caller).weight-k.average()) - most
	if beyond <= 0 || k.least < 0 || k.Had(x.Caller) <= max(k.least, k.floor) {
		return 0
	}
	return time.Duration(math.Ceil(beyond/share*scheduler.Window.Seconds())) * time.Second
}

// farAhead is how much of the most that others are taken to be behind a caller may be ahead of them on average, by its next request.
const farAhead = 0.75

// FarAhead returns how long it takes, in whole seconds, until a request doesn't bring its caller almost as far ahead of others on
// average as any of them is taken to be behind (see lowest); 0: it doesn't now. Where hardly any of them waits here, nobody's
// promise is in its way, and what it gets beyond that would be forgotten.
func (k *Contest) FarAhead(x Slot) time.Duration {
	share := float64(2*window) / float64(k.weights)
	beyond := float64(k.Turn(x.Caller)+x.Cost/k.party(x.Caller).weight-k.average()) - farAhead*(share+3*float64(k.largest))
	if beyond <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(beyond/share*scheduler.Window.Seconds())) * time.Second
}

// Waiting returns how many callers wait.
func (k *Contest) Waiting() int { return k.waiting }

// Large reports whether a request is at least three quarters as large as the largest of its
// caller's that waits or is booked.
func (k *Contest) Large(x Slot) bool { return 4*x.Cost >= 3*k.party(x.Caller).largest }
