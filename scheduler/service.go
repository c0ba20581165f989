package scheduler

import (
	"slices"

	"fluxgate.dev/fluxgate/scheduler/services"
)

// Service is [services.Service].
type Service = services.Service

// The bounds of what is kept of these, as package services explains them.
const MaxServices, ServiceFor = services.Max, services.For

// CallerOf is [services.CallerOf].
func CallerOf(name string) uint32 { return services.CallerOf(name) }

// A Level says that other callers wait for a calendar beside a model's, and where one begins there; see [Service].
type Level struct {
	On    string
	Level int64
}

// serve counts what a caller is served, or gives back, on a model.
func (p *Project) serve(now Instant, r *Reserve, requests, tokens int64) {
	shared := r.Contested || len(r.Levels) > 0 || slices.ContainsFunc(p.Today(now).Callers, func(x CallerTotal) bool { return x.Caller != r.Caller })
	if len(p.Services) > 0 || shared {
		x := Service{Model: NameOf(r.Model), Caller: CallerOf(r.Caller), Level: r.Level}
		p.Services = services.Count(p.Services, now, x, requests, tokens, shared)
	}
}

// serveBeside counts it on another calendar, if others wait for that, or did lately. Of most nothing is kept: what is served on
// a model is.
func (p *Project) serveBeside(now Instant, r *Reserve, on string, requests, tokens int64) {
	if r.Caller == "" || len(r.Levels) == 0 && len(p.Services) == 0 {
		return
	}
	x := Service{Model: NameOf(on), Caller: CallerOf(r.Caller)}
	i := slices.IndexFunc(r.Levels, func(l Level) bool { return l.On == on })
	if i >= 0 {
		x.Level = r.Levels[i].Level
	}
	if i >= 0 || services.Keeps(p.Services, x.Model, now) {
		p.Services = services.Count(p.Services, now, x, requests, tokens, true)
	}
}
