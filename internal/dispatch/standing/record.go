package standing

import (
	"context"
	"sync"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/recent"
	"fluxgate.dev/fluxgate/scheduler"
)

// maxRecorded bounds the calendars of which it is remembered what others used.
const maxRecorded = 4096

// A Record remembers how much this instance has laid to others' charge, so that what several answers
// tell of is counted once. It is safe for use by any number of goroutines.
type Record struct {
	mu     sync.Mutex
	others *recent.Map[string, scheduler.Demand] // in all, by project and calendar
}

// NewRecord returns an empty one.
func NewRecord() *Record {
	return &Record{others: recent.New[string, scheduler.Demand](maxRecorded)}
}

// Sent is what was counted when a request was sent.
type Sent struct {
	at scheduler.Instant
	// counted are requests and tokens by calendar, less what had been laid to others' charge in
	// all by then: what is added to that later wasn't counted then.
	counted map[string]scheduler.Demand
}

// Sent returns what is counted on the calendars of a grant now, as its request is about to be sent
// to a provider that says how much is used, as Gemini doesn't.
func (r *Record) Sent(ctx context.Context, ctl *admission.Controller, grant *admission.Grant, says bool) Sent {
	if !says {
		return Sent{}
	}
	states, err := ctl.View(ctx, []string{grant.Project})
	if err != nil {
		return Sent{} // then what is used may be anybody's
	}
	on := []string{grant.Model}
	for _, x := range grant.Also {
		on = append(on, x.On)
	}
	return r.counted(grant.Project, states[0], ctl.Rules().Of(grant.Project), ctl.Now(), on...)
}

func (r *Record) counted(project string, p *scheduler.Project, rules *scheduler.Rules, now scheduler.Instant, calendars ...string) Sent {
	s := Sent{now, make(map[string]scheduler.Demand, len(calendars))}
	for _, name := range calendars {
		requests, tokens := p.Calendar(name).Counted(rules, now)
		others := r.total(project + " " + name)
		s.counted[name] = scheduler.Demand{Requests: requests - others.Requests, Tokens: tokens - others.Tokens}
	}
	return s
}

// total returns all that was laid to others' charge.
func (r *Record) total(of string) scheduler.Demand {
	d, _ := r.others.Get(of)
	return d
}

func (r *Record) add(of string, d scheduler.Demand) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.total(of)
	r.others.Put(of, scheduler.Demand{Requests: all.Requests + d.Requests, Tokens: all.Tokens + d.Tokens})
}
