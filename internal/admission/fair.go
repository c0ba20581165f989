package admission

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/scheduler"
)

// Where several callers wait for the same calendars, who has had less has its turn first.
//
// The currency is windows: a request costs its tokens by TPM and one by RPM of the
// calendar that it is counted on, so that requests and tokens are one thing. What a caller
// has used is what weighs on the calendars now; whose that is, IDs say ([ticket.NewIDOf]). So
// nothing is kept for it, every instance knows the same, and who comes back after a minute
// of nothing begins like anybody else. Who waits an instance knows of its own callers, and
// of bookings.

// needy is the part of its share below which a waiting caller has its turn before others
// that were told earlier. Above it, first come is first served: to keep to shares exactly
// costs capacity, and makes what was told untrue.
const needy = 0.75

// light is the part of what a caller has used that another may have at most whose promise
// keeps it from going now. Otherwise who is here uses what there is.
const light = 0.25

// A party is what one caller has of a model's calendars, in windows.
type party struct {
	used     float64 // sent, and counting now
	waits    float64 // booked and promised
	promised []promise
	costs    []float64 // of each of these
}

// demand is what it would use of a window.
func (p *party) demand() float64 { return p.used + p.waits }

// A contest is who uses a model's calendars and who waits for them.
type contest struct {
	model    string
	parties  map[uint64]*party // by ticket.CallerTag
	mine     *party
	cost     float64            // of the request that is decided about
	capacity float64            // of a window, for requests of the usual size
	share    float64            // what each may use of it
	turn     map[uint64]float64 // of a promise, by ID: what its caller has with it
}

// contestFor counts who uses and waits for a model; nil if no caller that waits has got
// much less than its share.
func (d *decision) contestFor(model string) *contest {
	now := d.c.Now()
	k := &contest{model: model, parties: make(map[uint64]*party)}
	k.mine = k.party(ticket.CallerTag(d.req.Caller))
	limits := make(map[string]scheduler.Limits, len(d.ids))
	// What is sent, and what is asked for, says what size is usual.
	requests, tokens := float64(max(d.demand.Requests, 1)), float64(d.demand.Tokens)
	for i, state := range d.states {
		c := state.Calendar(model)
		if !d.usable(i) || c.Block.Until > now {
			continue
		}
		l := c.EffectiveLimits(d.rules, now).Limits
		limits[d.ids[i]] = l
		for _, r := range c.Sent {
			if r.End > now {
				requests, tokens = requests+float64(r.Requests), tokens+float64(r.Tokens)
			}
		}
		k.count(l, c, d, now)
	}
	for _, p := range d.c.waitlist.waitingFor(model, now) {
		if l, ok := limits[p.at.project]; ok && (d.promise == nil || p.ID != d.promise.ID) {
			x, each := k.party(ticket.CallerTag(p.caller)), cost(l, p.Demand.Tokens, p.Demand.Requests)
			x.promised, x.costs, x.waits = append(x.promised, p), append(x.costs, each), x.waits+each
		}
	}
	for _, l := range limits {
		k.cost = max(k.cost, cost(l, d.demand.Tokens, d.demand.Requests))
		k.capacity += capacity(l, tokens/requests)
	}
	if !k.unfair() {
		return nil
	}
	k.turns()
	return k
}

func (k *contest) party(tag uint64) *party {
	p := k.parties[tag]
	if p == nil {
		p = new(party)
		k.parties[tag] = p
	}
	return p
}

// count counts what is sent and booked on one calendar, but for what the caller holds.
func (k *contest) count(l scheduler.Limits, c *scheduler.Calendar, d *decision, now scheduler.Instant) {
	exact, folded := 0.0, 0.0
	for _, x := range c.Folded {
		folded += cost(l, x.Tokens, x.Requests)
	}
	for _, r := range c.Sent {
		if r.End > now {
			exact += cost(l, r.Tokens, r.Requests)
		}
	}
	// Of what is summed it isn't known whose it was: as is that of which it is known.
	more := 1.0
	if exact > 0 {
		more += folded / exact
	}
	for _, r := range c.Sent {
		if r.End > now {
			k.party(ticket.TagOf(r.ID)).used += more * cost(l, r.Tokens, r.Requests)
		}
	}
	for _, b := range c.Bookings {
		if b.ID != d.held && now <= b.Start.Add(d.rules.Hold) {
			k.party(ticket.TagOf(b.ID)).waits += cost(l, b.Demand.Tokens, b.Demand.Requests)
		}
	}
}

// cost is what a request takes of a calendar's window. No requests are one, as in a
// [scheduler.Demand].
func cost(l scheduler.Limits, tokens, requests int64) (sum float64) {
	if l.TPM > 0 {
		sum += float64(tokens) / float64(l.TPM)
	}
	if l.RPM > 0 {
		sum += float64(max(requests, 1)) / float64(l.RPM)
	}
	return sum
}

// capacity is what the requests of a size that a calendar takes in a window cost together.
func capacity(l scheduler.Limits, tokens float64) (sum float64) {
	n := math.Inf(1)
	if l.RPM > 0 {
		n = float64(l.RPM)
	}
	if l.TPM > 0 && tokens > 0 {
		n = min(n, float64(l.TPM)/tokens)
	}
	if math.IsInf(n, 1) {
		return 0
	}
	if l.TPM > 0 {
		sum += n * tokens / float64(l.TPM)
	}
	if l.RPM > 0 {
		sum += n / float64(l.RPM)
	}
	return sum
}

// level returns what each caller may use of a window: as much as every other, but for what
// others don't want; +Inf if there is enough for all.
func (k *contest) level() float64 {
	all := slices.SortedFunc(maps.Values(k.parties), func(a, b *party) int { return cmp.Compare(a.demand(), b.demand()) })
	left := k.capacity
	for i, p := range all {
		if share := left / float64(len(all)-i); p.demand() > share {
			return share
		}
		left -= p.demand()
	}
	return math.Inf(1)
}

// unfair reports whether a caller that waits has got much less than its share.
func (k *contest) unfair() bool {
	k.mine.waits += k.cost
	defer func() { k.mine.waits -= k.cost }()
	if k.share = k.level(); math.IsInf(k.share, 1) || len(k.parties) < 2 {
		return false
	}
	for _, p := range k.parties {
		if p.waits > 0 && p.used < needy*min(k.share, p.demand()) {
			return true
		}
	}
	return false
}

// turns says for every promise what its caller has with it: what it used and booked, and
// what it was promised before.
func (k *contest) turns() {
	k.turn = make(map[uint64]float64)
	for _, p := range k.parties {
		sum := p.demand()
		for _, c := range p.costs {
			sum -= c
		}
		for i := range p.promised {
			sum += p.costs[i]
			k.turn[p.promised[i].ID] = sum
		}
	}
}

// lighter returns the promises that keep the request from going now, though it has room:
// those of callers that have had much less.
func (k *contest) lighter() func(project, calendar string) []scheduler.Booking {
	most := light * (k.mine.used + k.cost)
	return k.slots(func(whose *party, p *promise) bool { return whose != k.mine && !p.early && k.turn[p.ID] <= most })
}

// before returns the promises that have their turn before a request that must wait: those
// within a window, in the order in which they were made, and of later ones those of
// callers that don't have more. A promise of somebody else that was told a later time may
// thereby come in vain; its caller is booked then, for it has come back. Who doesn't wait
// for its time is waited for only by those that have more than their share, as long as it
// has less. With older only promises made before that count, and without own none of its
// caller's.
func (k *contest) before(now scheduler.Instant, older uint64, own bool) func(project, model string) []scheduler.Booking {
	turn, soon := k.mine.demand()+k.cost, now.Add(scheduler.Window)
	if older != 0 {
		soon = 0 // what it was told was planned around those
	}
	over := k.mine.used+k.cost > k.share
	return k.slots(func(whose *party, p *promise) bool {
		switch {
		case older != 0 && p.order >= older:
			return false
		case whose == k.mine:
			return own && !p.early
		case p.early:
			return over && whose.used+k.cost <= k.share && k.turn[p.ID] < turn
		}
		return p.Start < soon || k.turn[p.ID] <= turn
	})
}

// slots returns the promises that match.
func (k *contest) slots(match func(whose *party, p *promise) bool) func(project, model string) []scheduler.Booking {
	by := make(map[string][]*promise)
	for _, whose := range k.parties {
		for i := range whose.promised {
			if p := &whose.promised[i]; match(whose, p) {
				by[p.at.project] = append(by[p.at.project], p)
			}
		}
	}
	return func(project, calendar string) (out []scheduler.Booking) {
		for _, p := range by[project] {
			out = p.on(out, calendar)
		}
		return out
	}
}

// far reports whether a slot is further ahead than is booked where callers share projects.
// Who comes next finds a window's worth of bookings in its way and no more. Beyond that a
// caller has one booking, so that what is large doesn't starve.
func (d *decision) far(offer scheduler.Offer) bool {
	now := d.c.Now()
	if offer.Start.Sub(now) <= scheduler.Window+d.rules.Hold || !d.shared(now) {
		return false
	}
	n := 0
	d.ownBookings(func(scheduler.Booking) { n++ })
	return n > 0
}

// shared reports whether another caller has used one of the projects today.
func (d *decision) shared(now scheduler.Instant) bool {
	for _, state := range d.states {
		for _, x := range state.Today(now).Callers {
			if x.Caller != d.req.Caller && d.req.Caller != "" {
				return true
			}
		}
	}
	return false
}
