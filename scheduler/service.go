package scheduler

import (
	"hash/fnv"
	"slices"
	"time"
)

const (
	// MaxServices is of how many callers, each on one model, a project keeps what it
	// served them. Of more it keeps those that were served last.
	MaxServices = 32
	// ServiceFor is how long after its last request it is kept: so long that no caller that
	// waits all the time goes without a request on one of the projects. What one of them
	// forgot it would be served once more.
	ServiceFor = time.Hour
)

// A Service is what one caller was served on one model of the project, by which it is
// known to every instance who of those that wait has had least. It is kept until nothing
// was served for ServiceFor. A project that only one caller has used today, and in the
// last ServiceFor, keeps none unless others wait for it ([Reserve].Contested) as that is admitted: what it
// turns out to weigh later changes what is kept, and not whether it is.
type Service struct {
	Model            uint32 // NameOf
	Caller           uint32 // CallerOf
	Requests, Tokens int64  // as reserved or settled
	// Level is where the caller began in the eyes of whoever compares it with others, in
	// units of theirs ([Reserve].Level). The highest on any project holds.
	Level int64
	At    Instant // when it was last served
}

// CallerOf returns what is kept of a caller's name, 31 bits; 0 for who has none.
func CallerOf(name string) uint32 {
	if name == "" {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return uint32(max(h.Sum64()>>33, 1))
}

// serve counts what a caller is served, or gives back, on a model.
func (p *Project) serve(now Instant, r *Reserve, requests, tokens int64) {
	shared := r.Contested || slices.ContainsFunc(p.Today(now).Callers, func(x CallerTotal) bool { return x.Caller != r.Caller })
	if len(p.Services) == 0 && !shared {
		return
	}
	x := Service{Model: NameOf(r.Model), Caller: CallerOf(r.Caller)}
	kept := make([]Service, 0, len(p.Services)+1)
	for _, s := range p.Services {
		switch {
		case now.Sub(s.At) >= ServiceFor:
		case s.Model == x.Model && s.Caller == x.Caller:
			x = s
		default:
			kept, shared = append(kept, s), shared || s.Caller != x.Caller
		}
	}
	if !shared && requests > 0 {
		p.Services = nil
		return
	}
	if x.At == 0 && requests <= 0 {
		return // what was given back was forgotten
	}
	x.Requests, x.Tokens, x.Level = max(0, x.Requests+requests), max(0, x.Tokens+tokens), max(x.Level, r.Level)
	if requests > 0 {
		x.At = now - now%second
	}
	p.Services = append(kept, x) // the last served is the last
	if n := len(p.Services) - MaxServices; n > 0 {
		p.Services = p.Services[n:]
	}
}
