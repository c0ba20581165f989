package scheduler

import (
	"cmp"
	"slices"
	"time"
)

// A Candidate is a project that a request may go to.
type Candidate struct {
	ID    string
	State *Project // nil: nothing known yet
}

// A Request is what planning needs to know.
type Request struct {
	Chain  []string // models in order of preference; one for a pinned model
	Demand Demand
	// Serves, if not nil, reports whether a project has a model at all: of other projects it
	// isn't asked. Nil: every project has every model of the chain.
	Serves func(project, model string) bool
	// MaxWait, if not nil, has the fallback computed: the first model of the
	// chain that can start within it on some project wins; if none can, the
	// earliest start of all.
	MaxWait *time.Duration
	// Near is the candidate that is to be taken if others are no better; empty: any.
	Near string
	// Waitlist, if not nil, returns the slots on a calendar, of a model or not, that
	// this instance told callers without keeping them. They keep nobody from going now,
	// unless Queue says so, but whoever must wait is told a time after them, so that many
	// waiting callers are told different times, whichever calendar they wait for. In the order
	// of their starts they take least to plan around. They need be right only until it is called
	// for another project.
	Waitlist func(project, calendar string) []Booking
	// Instances is as how many of them each of these counts where a day is spent, as that many instances tell times of
	// the next one: nobody writes until it begins, so none knows of what others tell. 0: one.
	Instances int
	// Queue says that the request goes after those even if there is room now.
	Queue bool
	// From is the first start that is asked for. 0: now.
	From Instant
	// Book says that a booking is planned that is made of the same demand: on short windows it lasts
	// for whole ones.
	Book bool
	// Also, if not nil, returns what the request weighs beside a model's calendar, if it
	// goes to that model.
	Also func(model string) []Weight
}

func (r *Request) serves(project, model string) bool {
	return r.Serves == nil || r.Serves(project, model)
}

// An Offer is when a candidate's model could take the request.
type Offer struct {
	Project string
	Model   string
	Rank    int     // of the model in the chain, 0 first
	Start   Instant // Never: see Cause
	Wait    time.Duration
	Cause   Cause    // what keeps it from now
	Probe   Cause    // the limit that it goes beyond to see whether it (still) holds
	On      string   // the calendar on which it does; empty: the model's
	Also    []Weight // what it weighs beside the model's calendar
	// Instances is the request's, where it is told of another day as this one is spent; 0: it isn't.
	Instances int
}

// Now reports whether the request can go at once.
func (o Offer) Now() bool { return o.Wait == 0 && o.Start != Never }

// sooner compares offers: by their start, the place in the chain, and whether they are probes.
func (o *Offer) sooner(other *Offer) int {
	switch {
	case o.Wait != other.Wait:
		return cmp.Compare(o.Wait, other.Wait)
	case o.Rank != other.Rank:
		return cmp.Compare(o.Rank, other.Rank)
	}
	return o.probes(other)
}

// probes compares offers by whether they are probes: where there is room none is needed.
func (o *Offer) probes(other *Offer) int {
	switch {
	case (o.Probe != NoCause) == (other.Probe != NoCause):
		return 0
	case o.Probe != NoCause:
		return 1
	}
	return -1
}

// Plan chooses the project and model that can take the request first: the
// earliest start wins, then chain rank, then the projects that are to be used first
// ([Rules].Prefer), then chance, which keeps instances from colliding. Every project offers
// its current model, the first of the chain that it has and whose day is not spent there; one
// whose days are all spent offers them all.
// rnd returns a number in [0, n); 0 keeps the order of the candidates.
//
// With no offer the request fits nowhere, ever, and the cause says why:
// TooLarge, or Unavailable when there is no usable project or model.
func Plan(rules *Rules, now Instant, candidates []Candidate, req Request, rnd func(n int) int) (Offer, Cause) {
	s := search{Request: req, rules: rules, now: now, waitlist: req.Queue}
	best, cause := s.choose(candidates, rnd)
	if !s.told || cause != NoCause || best.Now() {
		return best, cause
	}
	// There is no room now, and others were told times.
	s.waitlist = true
	return s.choose(candidates, rnd)
}

// A search looks for the best offer. It is kept on the stack, with room for what a request of
// the usual kind needs.
type search struct {
	Request
	rules    *Rules
	now      Instant
	waitlist bool // those that were told times go first
	told     bool // some were, of a calendar that was looked at without regard to them
	few      [4]side
}

func (s *search) choose(candidates []Candidate, rnd func(n int) int) (Offer, Cause) {
	var best, within pick
	missing := Unavailable
	var o Offer
	var someOrder [32]int // a pool of the usual size needs nothing allocated
	order, preferred := preferredFirst(s.rules, candidates, someOrder[:0])
	for i := range order {
		// In random order the first of those that tie is any of them with the same
		// chance, and most of the time the others needn't be looked at.
		alike := len(order)
		if i < preferred {
			alike = preferred
		}
		if left := alike - i; left > 1 {
			j := i + rnd(left)
			if i == 0 && s.Near != "" {
				if near := slices.IndexFunc(order[:alike], func(k int) bool { return candidates[k].ID == s.Near }); near >= 0 {
					j = near
				}
			}
			order[i], order[j] = order[j], order[i]
		}
		cand := &candidates[order[i]]
		// What it puts forward: its current model; every model if the fallback is to be
		// computed or if all are spent for the day.
		var own pick
		for rank, model := range s.Chain {
			if !s.serves(cand.ID, model) {
				continue
			}
			spent := s.offer(&o, cand, model, rank)
			if o.Start == Never {
				if o.Cause == TooLarge {
					missing = TooLarge
				}
				continue
			}
			if !spent && s.MaxWait == nil {
				own = pick{o, true}
				break
			}
			own.consider(&o, o.sooner(&own.Offer))
			if s.MaxWait != nil && o.Wait <= *s.MaxWait {
				within.consider(&o, cmp.Or(cmp.Compare(o.Rank, within.Rank), cmp.Compare(o.Wait, within.Wait), o.probes(&within.Offer)))
			}
		}
		if !own.seen {
			continue
		}
		if own.Wait == 0 && own.Rank == 0 && own.Probe == NoCause {
			return own.Offer, NoCause // nothing is better, whatever is asked
		}
		best.consider(&own.Offer, own.sooner(&best.Offer))
	}
	switch {
	case within.seen:
		return within.Offer, NoCause
	case best.seen:
		return best.Offer, NoCause
	}
	return Offer{Start: Never, Cause: missing}, missing
}

// preferredFirst appends the positions of the candidates to order, those first that are to be
// used first, and says how many these are.
func preferredFirst(rules *Rules, candidates []Candidate, order []int) ([]int, int) {
	if rules.Prefer != "" {
		for i := range candidates {
			if rules.Prefers(candidates[i].ID) {
				order = append(order, i)
			}
		}
	}
	preferred := len(order)
	for i := range candidates {
		if rules.Prefer == "" || !rules.Prefers(candidates[i].ID) {
			order = append(order, i)
		}
	}
	return order, preferred
}

// A pick is the best offer seen so far, the first of those that tie.
type pick struct {
	Offer
	seen bool
}

// consider takes an offer into account that compares like that with the best so far.
func (p *pick) consider(o *Offer, compared int) {
	if !p.seen || compared < 0 {
		p.Offer, p.seen = *o, true
	}
}

// Offers returns what every model of every candidate could do, in the order of
// the candidates and the chain, for whoever wants to know when and why.
func Offers(rules *Rules, now Instant, candidates []Candidate, req Request) []Offer {
	s := search{Request: req, rules: rules, now: now, waitlist: true}
	all := make([]Offer, 0, len(candidates)*len(req.Chain))
	for i := range candidates {
		cand := &candidates[i]
		for rank, model := range req.Chain {
			if req.serves(cand.ID, model) {
				var o Offer
				s.offer(&o, cand, model, rank)
				all = append(all, o)
			}
		}
	}
	return all
}

// offer computes the start of a request on one model of a candidate, and whether that model's
// day is spent there.
func (s *search) offer(o *Offer, cand *Candidate, model string, rank int) (spent bool) {
	now, rules := s.now, s.rules.Of(cand.ID)
	if cand.State != nil {
		now = max(now, cand.State.Latest)
	}
	*o = Offer{Project: cand.ID, Model: model, Rank: rank, Start: Never}
	if s.Also != nil {
		o.Also = s.Also(model)
	}
	all, cause := cand.State.sides(s.few[:0], rules, now, model, s.Demand, o.Also, false)
	if o.Cause = cause; cause != NoCause {
		return false
	}
	if s.Book {
		last(all)
	}
	if s.waitlist && s.Waitlist != nil {
		for i := range all {
			all[i].told = s.Waitlist(cand.ID, all[i].c.Model)
		}
	}
	from := max(now, s.From)
	o.Start, o.Cause, o.On, o.Probe, _ = startOfAll(rules, all, now, from)
	ended, on := spentOn(all, now)
	spent = ended != NoCause && o.Probe == NoCause
	if o.Cause != ByTest && (o.Cause.Daily() || spent && ended.Daily()) {
		if o.Instances = s.Instances; s.waitlist && s.Instances > 1 {
			for i := range all {
				all[i].told = timesAsMany(all[i].told, int64(s.Instances))
			}
			o.Start, o.Cause, o.On, o.Probe, _ = startOfAll(rules, all, now, from)
		}
	}
	o.Wait = o.Start.Sub(now)
	if spent && o.Cause != ByTest {
		o.Cause, o.On = ended, on
	}
	if !s.waitlist && s.Waitlist != nil && o.Wait > 0 {
		for i := 0; i < len(all) && !s.told; i++ {
			s.told = len(s.Waitlist(cand.ID, all[i].c.Model)) > 0
		}
	}
	return spent
}

// spentOn returns why the day is spent of what a request weighs on, and on which calendar first; NoCause if it is on none.
func spentOn(all []side, now Instant) (cause Cause, on string) {
	for i := range all {
		if cause = all[i].c.Spent(&all[i].t, now, all[i].d); cause != NoCause {
			return cause, all[i].name(i)
		}
	}
	return NoCause, ""
}

// timesAsMany returns bookings of n times as much.
func timesAsMany(bookings []Booking, n int64) []Booking {
	all := slices.Clone(bookings)
	for i := range all {
		d := &all[i].Demand
		d.Requests, d.Tokens = d.Count()*n, d.Tokens*n
	}
	return all
}
