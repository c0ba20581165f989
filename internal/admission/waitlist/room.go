package waitlist

import (
	"maps"
	"slices"
)

// room reports whether there is room for a promise, on its calendar and at all, and which one is to be forgotten
// for that. It is what was told last to the caller that has most there, if that has at least two more than this
// caller: so nobody's requests, however many, keep those of others from being remembered. The lock is held.
func (l *List) room(p *Promise) (last *Promise, ok bool) {
	told, places := l.of, []Place{p.At}
	switch full := len(l.slots[p.At]) >= maxToldPerCalendar; {
	case !full && l.kept < maxTold:
		return nil, true
	case l.kept == len(l.of):
		return nil, false // nobody has two
	case full:
		told = make(map[string]int)
		for _, x := range l.slots[p.At] {
			told[x.Caller]++
		}
	default:
		places = slices.Collect(maps.Keys(l.slots))
	}
	most, whose := told[p.Caller]+1, p.Caller
	for caller, n := range told {
		if n > most {
			most, whose = n, caller
		}
	}
	if whose == p.Caller {
		return nil, false
	}
	for _, at := range places {
		for _, x := range l.slots[at] {
			if x.Caller == whose && (last == nil || x.Order > last.Order) {
				last = x
			}
		}
	}
	return last, true
}
