package standing

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/recent"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

// maxRecorded bounds the calendars of which it is remembered what others used.
const maxRecorded = 4096

// A Record remembers how much this instance has laid to others' charge, so that what several answers
// tell of is counted once. It is safe for use by any number of goroutines.
type Record struct {
	mu     sync.Mutex
	others *recent.Map[string, charged] // by project and calendar
	shares *recent.Map[string, []share] // by project and model
}

// charged is what was laid to others' charge.
type charged struct {
	all     scheduler.Demand
	evenly  bool // what was told of the limits has shown that they are filled evenly
	windows bool // or that they aren't
	refills bool // the same of a limit of an hour or more, whose provider isn't known for it
	cut     bool
	crowded scheduler.Instant // when it was last told that its calendar has no place; 0: never
	lately  []charge          // what weighs still, the oldest first
}

// A charge is what somebody else was found to have sent, what is left free beside that, until when
// the provider counts it, and until when it weighs.
type charge struct {
	demand, spare   scheduler.Demand
	counted, weighs scheduler.Instant
}

// maxLately bounds the charges of a calendar that are remembered one by one.
const maxLately = 256

// NewRecord returns an empty one.
func NewRecord() *Record {
	return &Record{others: recent.New[string, charged](maxRecorded), shares: recent.New[string, []share](maxRecorded)}
}

// Sent is what was counted when a request was sent.
type Sent struct {
	at scheduler.Instant
	// unknown says that it wasn't looked up, so that it isn't known what of what is told others have used.
	unknown bool
	// counted are requests and tokens by calendar, less what had been laid to others' charge in
	// all by then: what is added to that later wasn't counted then.
	counted map[string]scheduler.Demand
	// missing is the same of limits that are filled evenly.
	missing map[string]scheduler.Demand
	// refused is what of it the request itself was, where it is known to have been refused.
	refused map[string]scheduler.Demand
	// again is after how long that said to come again; 0: it didn't say.
	again time.Duration
}

// Answered returns it for a request of a grant that was answered with an HTTP status, and told when to come again. One that was
// refused stays counted here, for all that is known, but what is told is without it.
func (s Sent) Answered(grant *admission.Grant, status int, again time.Duration) Sent {
	if status != http.StatusTooManyRequests {
		return s
	}
	s.again = again
	own := func(r scheduler.Reservation) scheduler.Demand {
		return scheduler.Demand{Requests: r.Requests, Tokens: r.Tokens}
	}
	s.refused = map[string]scheduler.Demand{grant.Model: own(grant.Reservation)}
	for _, x := range grant.Also {
		s.refused[x.On] = own(x.Reservation)
	}
	return s
}

// Sent returns what is counted on the calendars of a grant now, as its request is about to be sent
// to a provider that is known to say how much is used, or has done so. Of another nothing is
// returned: its first answer is believed of what the limits are, and not yet of who used them.
func (r *Record) Sent(ctx context.Context, ctl *admission.Controller, grant *admission.Grant, says bool) Sent {
	if !says && !r.heard(grant) {
		return Sent{at: ctl.Now(), unknown: true}
	}
	states, err := ctl.View(ctx, []string{grant.Project})
	if err != nil {
		return Sent{} // then what is used may be anybody's, and no limit that is known is raised
	}
	on := []string{grant.Model}
	for _, x := range grant.Also {
		on = append(on, x.On)
	}
	return r.counted(grant.Project, states[0], ctl.Rules().Of(grant.Project), ctl.Now(), on...)
}

func (r *Record) counted(project string, p *scheduler.Project, rules *scheduler.Rules, now scheduler.Instant, calendars ...string) Sent {
	s := Sent{at: now, counted: make(map[string]scheduler.Demand, len(calendars)), missing: make(map[string]scheduler.Demand, len(calendars))}
	for _, name := range calendars {
		c, others := p.Calendar(name), r.total(project+" "+name)
		requests, tokens := c.Counted(rules, now)
		s.counted[name] = minus(scheduler.Demand{Requests: requests, Tokens: tokens}, others)
		requests, tokens = c.Missing(rules, now)
		s.missing[name] = minus(scheduler.Demand{Requests: requests, Tokens: tokens}, others)
	}
	return s
}

// heard reports whether anything was told of a grant's model on its project.
func (r *Record) heard(grant *admission.Grant) bool {
	_, ok := r.others.Get(grant.Project + " " + grant.Model)
	return ok
}

// total returns all that was laid to others' charge.
func (r *Record) total(of string) scheduler.Demand {
	x, _ := r.others.Get(of)
	return x.all
}

// lingers returns how much of it weighs at an instant though the provider doesn't count it, for it
// was sent too long ago, or not at all.
func (r *Record) lingers(of string, now scheduler.Instant) (sum scheduler.Demand) {
	x, _ := r.others.Get(of)
	for _, c := range x.lately {
		if now < c.weighs {
			sum = plus(sum, c.spare)
		}
		if c.counted <= now && now < c.weighs {
			sum = plus(sum, c.demand)
		}
	}
	return sum
}

// spare returns what is to be left free beside what was found to have been sent, and more that is
// found now: a part of all that.
func (r *Record) spare(of string, now scheduler.Instant, more scheduler.Demand) scheduler.Demand {
	var free scheduler.Demand
	x, _ := r.others.Get(of)
	for _, c := range x.lately {
		if now < c.counted {
			more, free = plus(more, c.demand), plus(free, c.spare)
		}
	}
	part := func(all, free int64) int64 { return max(0, (all+spare-1)/spare-free) }
	return scheduler.Demand{Requests: part(more.Requests, free.Requests), Tokens: part(more.Tokens, free.Tokens)}
}

// evenly reports whether limits are filled evenly: their provider is known for that, and what was
// told of them, between two instants and before, shows nothing else.
func (r *Record) evenly(of string, s standing, from, to scheduler.Instant) bool {
	if from == 0 {
		return false // nobody knows when it was sent
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x, _ := r.others.Get(of)
	for _, l := range []*ratelimits.Limit{s.requests, s.tokens} {
		switch {
		case l == nil || l.Remaining < 0 || l.Limit <= 0 || l.Remaining >= l.Limit:
		case !l.Bucket || !l.Evenly(from.Time(), to.Time()):
			x.windows = true
		case l.Remaining >= l.Limit/4: // of a window that is full it looks alike
			x.evenly = true
		}
	}
	r.others.Put(of, x)
	return x.evenly && !x.windows
}

// refilled reports whether a limit of an hour or more is filled evenly. Where only its resets can tell, one that
// contradicts it counts for good, and one of a limit that is nearly used up shows nothing: that of a window that is full
// looks alike. Then it is what is known of it.
func (r *Record) refilled(of string, l *ratelimits.Limit, known bool) bool {
	if l.Bucket || l.Limit <= 0 || l.Remaining < 0 || l.Remaining >= l.Limit || l.Reset.IsZero() {
		return l.Refills
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x, _ := r.others.Get(of)
	x.cut = x.cut || !l.Refills
	x.refills = x.refills || l.Refills && l.Remaining >= l.Limit/4
	r.others.Put(of, x)
	return !x.cut && (x.refills || known)
}

// crowdedFor is for how long it isn't told again that a calendar has no place: where there are more limits than can be
// remembered, each answer tells of one again.
const crowdedFor = 24 * time.Hour

// tellsCrowded reports whether it is to be told that a calendar has no place.
func (r *Record) tellsCrowded(of string, now scheduler.Instant) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, _ := r.others.Get(of)
	if x.crowded != 0 && now.Sub(x.crowded) < crowdedFor {
		return false
	}
	x.crowded = now
	r.others.Put(of, x)
	return true
}

// inWindows reports whether what was told of limits has shown that they aren't filled evenly.
func (r *Record) inWindows(of string) bool {
	x, _ := r.others.Get(of)
	return x.windows
}

func (r *Record) add(of string, now scheduler.Instant, c charge) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, _ := r.others.Get(of)
	x.all = plus(x.all, plus(c.demand, c.spare))
	lately := slices.DeleteFunc(slices.Clone(x.lately), func(c charge) bool { return c.weighs <= now })
	x.lately = append(lately[max(0, len(lately)+1-maxLately):], c)
	r.others.Put(of, x)
}

func plus(a, b scheduler.Demand) scheduler.Demand {
	return scheduler.Demand{Requests: a.Requests + b.Requests, Tokens: a.Tokens + b.Tokens}
}

func minus(a, b scheduler.Demand) scheduler.Demand {
	return scheduler.Demand{Requests: a.Requests - b.Requests, Tokens: a.Tokens - b.Tokens}
}
