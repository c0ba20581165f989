package admission

import (
	"math/rand/v2"
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// candidates are the projects that have a usable key; that of the preferred key
// alone if it is usable.
func (d *decision) candidates() []scheduler.Candidate {
	list := make([]scheduler.Candidate, 0, len(d.ids))
	for i, p := range d.req.Projects {
		if !d.usable(i) {
			continue
		}
		cand := scheduler.Candidate{ID: p.ID, State: d.states[i]}
		if d.prefers(i) {
			return []scheduler.Candidate{cand}
		}
		list = append(list, cand)
	}
	return list
}

// prefers reports whether the preferred key is one of the i-th project and may be used:
// then the request goes nowhere else.
func (d *decision) prefers(i int) bool {
	return d.req.Prefer != "" && slices.Contains(d.req.Projects[i].Keys, d.req.Prefer) && d.states[i].Usable(d.req.Prefer)
}

// tooLarge says why the request fits on no calendar of the candidates.
func (d *decision) tooLarge() error {
	e := &TooLargeError{Tokens: d.demand.Tokens, Requests: max(1, d.demand.Requests)}
	for _, cand := range d.candidates() {
		for _, model := range d.chain {
			if d.serves(cand.ID, model) {
				e.allow(cand.State.Calendar(model), d.rules.Of(cand.ID), d.c.Now())
			}
		}
	}
	return e
}

// noProject says why no candidate can take the request: where a model could be had but for its place, or that of what it weighs on
// beside, when there is one.
func (d *decision) noProject() error {
	first, now := scheduler.Never, d.c.Now()
	for _, cand := range d.candidates() {
		if cand.State == nil || cand.State.Unreadable != "" {
			continue
		}
		rules, from := d.rules.Of(cand.ID), max(now, cand.State.Latest)
		for _, model := range d.chain {
			if !d.serves(cand.ID, model) {
				continue
			}
			at := from
			for _, x := range append([]scheduler.Weight{{On: model, Demand: d.demand}}, d.req.also(model)...) {
				c := cand.State.Calendar(x.On)
				if t := c.Terms(rules, now); c.Barred(&t, now, x.Demand) != scheduler.NoCause {
					at = scheduler.Never
					break
				}
				at = max(at, cand.State.PlaceFrom(rules, from, x.On))
			}
			if at > from {
				first = min(first, at)
			}
		}
	}
	if first == scheduler.Never {
		return ErrNoProject
	}
	return &NoPlaceError{first.Sub(now)}
}

// key chooses the key of a project that the request is sent with: the preferred
// one if it is usable there, else any that is.
func (d *decision) key(project string) string {
	i := slices.Index(d.ids, project)
	if i < 0 {
		return ""
	}
	usable := make([]string, 0, len(d.req.Projects[i].Keys))
	for _, k := range d.req.Projects[i].Keys {
		if !d.mayUse(i, k) {
			continue
		}
		if k == d.req.Prefer {
			return k
		}
		usable = append(usable, k)
	}
	if len(usable) == 0 {
		return ""
	}
	return usable[rand.IntN(len(usable))]
}

// usable reports whether the i-th project has a key that may be used.
func (d *decision) usable(i int) bool {
	return slices.ContainsFunc(d.req.Projects[i].Keys, func(key string) bool { return d.mayUse(i, key) })
}

// mayUse reports whether a key of the i-th project may be used: it is usable, or the
// one that is to be tried all the same.
func (d *decision) mayUse(i int, key string) bool {
	return d.states[i].Usable(key) || d.req.TryKey != "" && key == d.req.TryKey && !d.states[i].Mark(key).Disabled
}
