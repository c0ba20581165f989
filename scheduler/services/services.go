package services

import (
	"hash/fnv"
	"time"

	"fluxgate.dev/fluxgate/scheduler/instant"
)

const (
	// Max is of how many callers, each on one model, a project keeps what it
	// served them. Of more it keeps those that were served last.
	Max = 32
	// For is how long after its last request it is kept: so long that no caller that
	// waits all the time goes without a request on one of the projects. What one of them
	// forgot it would be served once more.
	For = time.Hour
)

// A Service is what one caller was served on one model of the project, by which it is
// known to every instance who of those that wait has had least. It is kept until nothing
// was served for [For]. A project that only one caller has used today, and in the
// last hour, keeps none unless others wait for it as that is admitted, or may, at other instances: what it
// turns out to weigh later changes what is kept, and not whether it is.
type Service struct {
	Model            uint32 // the model's name, hashed; or another calendar's that it weighed on and others wait for
	Caller           uint32 // CallerOf
	Requests, Tokens int64  // as reserved or settled
	// Level is where the caller began in the eyes of whoever compares it with others, in
	// units of theirs. The highest on any project holds.
	Level int64
	At    instant.Instant // when it was last served
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

// Keeps reports whether anything is kept of a model.
func Keeps(all []Service, model uint32, now instant.Instant) bool {
	for i := range all {
		if all[i].Model == model && now.Sub(all[i].At) < For {
			return true
		}
	}
	return false
}

// Count returns services with what a caller is served on a model, or gives back. Its Model, Caller and Level are given.
// Shared says that others than that caller use the project, or wait for it: without that nothing is kept. The services that it is
// given aren't changed.
func Count(all []Service, now instant.Instant, x Service, requests, tokens int64, shared bool) []Service {
	level := x.Level
	kept := make([]Service, 0, len(all)+1)
	for _, s := range all {
		switch {
		case now.Sub(s.At) >= For:
		case s.Model == x.Model && s.Caller == x.Caller:
			x = s
		default:
			kept, shared = append(kept, s), shared || s.Caller != x.Caller
		}
	}
	if !shared && requests > 0 {
		return nil
	}
	if x.At == 0 && requests <= 0 {
		return all // what was given back was forgotten
	}
	x.Requests, x.Tokens, x.Level = max(0, x.Requests+requests), max(0, x.Tokens+tokens), max(x.Level, level)
	if requests > 0 {
		x.At = now - now%instant.Instant(time.Second/time.Millisecond)
	}
	kept = append(kept, x) // the last served is the last
	return kept[max(0, len(kept)-Max):]
}
