package packing

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// Pack returns the candidates, those first on which a request leaves least unused, and how to choose of them,
// where requests have so many tokens on average that wait. Where it may go elsewhere and is too small for some
// beside these, it is the others, if one of them has room for it soon. Where those that wait use up a minute's
// requests before its tokens, it is by chance.
func Pack(rules *scheduler.Rules, now scheduler.Instant, all []scheduler.Candidate, model string, req scheduler.Request, average int64, elsewhere bool) (packed []scheduler.Candidate, choose func(int) int) {
	if len(all) < 2 || !Large(rules, now, all, model, average) {
		return all, rand.IntN
	}
	packed = all
	if elsewhere {
		if fit := Fitting(rules, now, all, model, req.Demand, average); len(fit) < len(all) {
			if o, cause := scheduler.Plan(rules, now, fit, req, rand.IntN); cause == scheduler.NoCause && o.Wait <= Patience {
				packed = fit
			}
		}
	}
	Evenly(rules, now, packed, model, req.Demand)
	return packed, func(int) int { return 0 }
}

// A room is what a calendar has left of its limits, as parts of them; 0 if it has none.
type room struct{ requests, tokens float64 }

// Evenly sorts candidates that have room for a request now: those first of whose room it takes
// the most, requests and tokens in the proportion in which they are left.
func Evenly(rules *scheduler.Rules, now scheduler.Instant, candidates []scheduler.Candidate, model string, d scheduler.Demand) {
	takes := make(map[string]float64, len(candidates))
	for _, c := range candidates {
		takes[c.ID] = taken(rules.Of(c.ID), now, c.State.Calendar(model), d)
	}
	slices.SortStableFunc(candidates, func(a, b scheduler.Candidate) int { return cmp.Compare(takes[b.ID], takes[a.ID]) })
}

// taken returns which part of the room on a calendar a request takes.
func taken(rules *scheduler.Rules, now scheduler.Instant, c *scheduler.Calendar, d scheduler.Demand) float64 {
	limits := c.EffectiveLimits(rules, now).Limits
	requests, tokens := c.InWindow(rules, now)
	left := room{left(requests, limits.RPM), left(tokens, limits.TPM)}
	if left == (room{}) {
		return 0
	}
	own := room{part(d.Count(), limits.RPM), part(d.Tokens, limits.TPM)}
	return (own.requests*left.requests + own.tokens*left.tokens) / (left.requests*left.requests + left.tokens*left.tokens)
}

func left(used, limit int64) float64 {
	if limit <= 0 {
		return 0
	}
	return max(0, 1-part(used, limit))
}

func part(n, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// Large reports whether requests of so many tokens on average use up a minute's tokens before its
// requests, on one of the candidates.
func Large(rules *scheduler.Rules, now scheduler.Instant, candidates []scheduler.Candidate, model string, average int64) bool {
	return slices.ContainsFunc(candidates, func(c scheduler.Candidate) bool {
		return large(c.State.Calendar(model).EffectiveLimits(rules.Of(c.ID), now).Limits, scheduler.Demand{Tokens: average})
	})
}

// large reports whether a request has more tokens than a minute has for each of its requests.
func large(l scheduler.Limits, d scheduler.Demand) bool {
	return l.RPM > 0 && l.TPM > 0 && part(d.Tokens, l.TPM) > part(d.Count(), l.RPM)
}

// much is which part of what projects take in a minute is left only where fewer come than wait, as many were told to.
const much = 0.1

// MuchLeft reports whether much would be left beside a request of what candidates take in a minute, of requests or
// tokens, whichever is less, or hardly anything is used, however large it is. Those that are blocked don't count.
func MuchLeft(rules *scheduler.Rules, now scheduler.Instant, candidates []scheduler.Candidate, model string, d scheduler.Demand) bool {
	free, all := 0.0, 0.0
	for _, c := range candidates {
		calendar := c.State.Calendar(model)
		l := calendar.EffectiveLimits(rules.Of(c.ID), now).Limits
		if l.RPM <= 0 || l.TPM <= 0 || calendar.Block.Until > now {
			continue
		}
		requests, tokens := calendar.InWindow(rules.Of(c.ID), now)
		free, all = free+float64(l.TPM)*min(left(requests, l.RPM), left(tokens, l.TPM)), all+float64(l.TPM)
	}
	return free-float64(d.Tokens) > much*all || all > 0 && free >= (1-much)*all
}

// Patience is for how long a request waits for room on a project that it isn't too small for.
const Patience = 20 * time.Second

// Fitting returns the candidates for which a request isn't too small. It is where more tokens are
// left for each request than a minute has, and it has less than four fifths of that. Where those
// that wait have so few on average that a minute's requests are used up before its tokens, nothing
// is too small. What they have isn't compared with what is left: of those that wait the large ones
// wait for longest, so they have more than what is sent.
func Fitting(rules *scheduler.Rules, now scheduler.Instant, candidates []scheduler.Candidate, model string, d scheduler.Demand, average int64) []scheduler.Candidate {
	fit := make([]scheduler.Candidate, 0, len(candidates))
	for _, c := range candidates {
		calendar := c.State.Calendar(model)
		l := calendar.EffectiveLimits(rules.Of(c.ID), now).Limits
		if large(l, scheduler.Demand{Tokens: average}) {
			requests, tokens := calendar.InWindow(rules.Of(c.ID), now)
			requests, tokens = l.RPM-requests, l.TPM-tokens
			if requests > 0 && part(tokens, l.TPM) > part(requests, l.RPM) && 5*d.Tokens*requests < 4*tokens*d.Count() {
				continue
			}
		}
		fit = append(fit, c)
	}
	return fit
}

// Bounds of what is waited for longer, so that less stands idle.
const (
	// worth is how many milliseconds longer a request waits for as much as stands idle for
	// one less, had it been all the tokens of a window.
	worth = 2
	// longest is how much longer it waits at most.
	longest = scheduler.Instant(20_000)
)

// LeastIdle returns the offer for which least is kept idle: the first that there is, or one of
// another project for the same model that is a little later, and isn't to be used after the first's. That is for requests that have more
// tokens than a minute has for each of its requests: what is smaller finds room beside others.
func LeastIdle(rules *scheduler.Rules, now scheduler.Instant, candidates []scheduler.Candidate, req scheduler.Request, first scheduler.Offer) scheduler.Offer {
	if len(candidates) < 2 {
		return first
	}
	at := slices.IndexFunc(candidates, func(c scheduler.Candidate) bool { return c.ID == first.Project })
	if !large(candidates[at].State.Calendar(first.Model).EffectiveLimits(rules.Of(first.Project), now).Limits, req.Demand) {
		return first
	}
	by := make(map[string]*scheduler.Calendar, len(candidates))
	for _, c := range candidates {
		by[c.ID] = c.State.Calendar(first.Model)
	}
	cost := func(o *scheduler.Offer) float64 {
		return float64(o.Start-first.Start) + worth*idle(rules.Of(o.Project), now, by[o.Project], o.Start, req.Demand.Tokens)
	}
	req.Chain = []string{first.Model}
	best, least := first, cost(&first)
	for _, o := range scheduler.Offers(rules, now, candidates, req) {
		if o.Start == scheduler.Never || o.Probe != scheduler.NoCause || o.Start > first.Start+longest || rules.Prefers(first.Project) && !rules.Prefers(o.Project) {
			continue
		}
		if c := cost(&o); c < least {
			best, least = o, c
			best.Rank = first.Rank
		}
	}
	return best
}

// idle returns for how long tokens are kept idle on a calendar for a request that is to start
// then, in milliseconds of all the tokens of a window: those that become free before and that it
// needs beside what else there is room for.
func idle(rules *scheduler.Rules, now scheduler.Instant, c *scheduler.Calendar, start scheduler.Instant, tokens int64) float64 {
	limit := c.EffectiveLimits(rules, now).TPM
	free := limit // at the start
	for _, b := range c.Bookings {
		if now <= b.Until(rules) {
			free -= b.Demand.Tokens
		}
	}
	var ends []*scheduler.Reservation // what is over by then, the last first
	for _, r := range c.Sent {
		switch {
		case r.End > start:
			free -= r.Tokens
		case r.End > now:
			ends = append(ends, r)
		}
	}
	slices.SortFunc(ends, func(a, b *scheduler.Reservation) int { return cmp.Compare(b.End, a.End) })
	kept, sum := min(free, tokens), 0.0
	for _, r := range ends {
		if kept <= 0 {
			return sum
		}
		sum += float64(start-r.End) * part(min(kept, r.Tokens), limit)
		kept -= r.Tokens
	}
	return sum + float64(start-now)*part(max(0, kept), limit)
}
