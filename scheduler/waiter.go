package scheduler

import "slices"

// MaxWaiters is of how many callers, each on one model, a project keeps that they wait. Of more it keeps
// those that were told last.
const MaxWaiters = 32

// A Waiter is a caller that some instance told a time of a model, on whatever project, and that is expected to come
// for it. By it every instance knows whose turns are to be kept in mind, whomever it told a time itself. No slot is kept
// by it, and no limit depends on it.
type Waiter struct {
	Model  uint32  // NameOf
	Caller uint32  // CallerOf
	Since  Instant // when the oldest of its requests that wait came
	Until  Instant // until when it is taken to wait, a [Window] after this was written at most
}

// Waiting returns what is known of two lists of waiters at an instant, of one that is in both since when it has waited and until
// when it does. Those of the second are the last. Neither is changed.
func Waiting(known, found []Waiter, now Instant) []Waiter {
	all := make([]Waiter, 0, len(known)+len(found))
	for _, k := range known {
		if i := waiter(found, k); now <= k.Until && (i < 0 || now > found[i].Until) {
			all = append(all, k)
		}
	}
	for _, x := range found {
		if now > x.Until {
			continue // it was said a while ago
		}
		if i := waiter(known, x); i >= 0 && now <= known[i].Until {
			x.Since, x.Until = min(x.Since, known[i].Since), max(x.Until, known[i].Until)
		}
		all = append(all, x)
	}
	return all[max(0, len(all)-MaxWaiters):]
}

func waiter(all []Waiter, of Waiter) int {
	return slices.IndexFunc(all, func(x Waiter) bool { return x.Model == of.Model && x.Caller == of.Caller })
}

// OthersWait reports whether another caller than that one waits for a model at some instance, as far as the projects say.
func OthersWait(projects []*Project, model, caller string, now Instant) bool {
	waits := func(which func(w Waiter) bool) bool {
		return slices.ContainsFunc(projects, func(p *Project) bool { return p != nil && slices.ContainsFunc(p.Waiters, which) })
	}
	if !waits(func(w Waiter) bool { return now <= w.Until }) {
		return false // it is asked for each request, and mostly nobody waits
	}
	name, own := NameOf(model), CallerOf(caller)
	return waits(func(w Waiter) bool { return w.Model == name && w.Caller != own && now <= w.Until })
}
