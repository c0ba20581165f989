package waitlist

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"fluxgate.dev/fluxgate/internal/admission/returns"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Line is the promises for a model whose callers are expected to come. It isn't changed, and
// the same is returned as long as nothing else is known.
type Line struct {
	// Of is another one wherever others wait, or others are expected: of two lines of the same
	// the promises have the same numbers, but may lie elsewhere.
	Of uint64
	// Promises are those first that have waited for longest.
	Promises []*Promise

	calendar    string
	projects    map[string]Stretch
	from, until scheduler.Instant // when it is right, if nobody comes
}

// A Stretch is what a line has on one project, in the order of the starts.
type Stretch struct {
	Numbers []int // among the line's promises
	Slots   []scheduler.Booking
}

// On returns what a line has on a project.
func (x *Line) On(project string) Stretch { return x.projects[project] }

// Within reports whether it has nothing on other projects than those.
func (x *Line) Within(those func(project string) bool) bool {
	for project, s := range x.projects {
		if len(s.Numbers) > 0 && !those(project) {
			return false
		}
	}
	return true
}

// Number returns which of them a promise is, and whether it is one of them.
func (x *Line) Number(p *Promise) (number int, ok bool) {
	return slices.BinarySearchFunc(x.Promises, p, byAge)
}

// Demand returns what one of them weighs on the line's calendar.
func (x *Line) Demand(number int) scheduler.Demand { return x.Promises[number].slot(x.calendar).Demand }

// Tomorrow returns which promises, by number, are before one more of a caller that is told of another day: of those that
// were told of it too all of its own, and as many of each other's as it then has, by their weights. An instance
// knows of those that came to it, of one caller by chance somewhat fewer than of another; so it is a few more.
func (x *Line) Tomorrow(caller uint32, weight func(caller uint32) int64) (before func(number int) bool) {
	of, nth := make(map[uint32]int64), make([]int64, len(x.Promises))
	for i, p := range x.Promises {
		if p.Tells > 0 {
			of[p.Tag]++
			nth[i] = of[p.Tag]
		}
	}
	mine, own := of[caller]+1+int64(2*math.Sqrt(float64(of[caller]))), max(1, weight(caller))
	return func(i int) bool {
		return nth[i] > 0 && nth[i]*own <= mine*max(1, weight(x.Promises[i].Tag))
	}
}

// WaitingFor returns the promises for a calendar, a model's or one that several models share, whose callers are expected to come. Who hasn't
// come a second after its time counts as one that doesn't for what else its caller was told,
// until it does.
func (l *List) WaitingFor(calendar string, now scheduler.Instant) *Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line := l.lines[calendar]; line != nil && line.from <= now && now < line.until {
		return line
	}
	at := make(map[Place]bool)
	for _, p := range l.queues[calendar] {
		at[p.At] = true
	}
	for place := range at {
		l.expire(place, now)
	}
	line := l.line(calendar, now)
	if len(l.queues[calendar]) > 0 { // though nobody may be expected
		l.lines[calendar] = line
	}
	return line
}

// line makes a line of a calendar's queue. The lock is held.
func (l *List) line(calendar string, now scheduler.Instant) *Line {
	queue := l.queues[calendar]
	l.lineups++
	line := &Line{Of: l.lineups, calendar: calendar, Promises: make([]*Promise, 0, len(queue)), projects: make(map[string]Stretch), from: now, until: scheduler.Never}
	if l.trusting(now) {
		line.until = l.foreign + elsewhere
	}
	doubts := make(map[string]returns.Record) // of whom somebody is overdue
	for _, p := range queue {
		line.until = min(line.until, l.changes(p, now))
		if p.Overdue(now) {
			r, ok := doubts[p.Caller]
			if !ok {
				r = l.returns.Of(p.Caller)
			}
			doubts[p.Caller] = r.And(false)
		}
	}
	for _, p := range queue {
		r, ok := doubts[p.Caller]
		if !ok || p.Overdue(now) {
			r = l.returns.Of(p.Caller)
		}
		if l.likely(p, r, now) {
			s := line.projects[p.At.Project]
			s.Numbers = append(s.Numbers, len(line.Promises))
			line.projects[p.At.Project], line.Promises = s, append(line.Promises, p)
		}
	}
	for project, s := range line.projects {
		byStart := func(a, b int) int { return cmp.Compare(line.Promises[a].Start, line.Promises[b].Start) }
		slices.SortFunc(s.Numbers, byStart)
		s.Slots = make([]scheduler.Booking, 0, len(s.Numbers))
		for _, i := range s.Numbers {
			s.Slots = append(s.Slots, line.Promises[i].slot(calendar))
		}
		line.projects[project] = s
	}
	return line
}

// changes returns the first instant at which time alone changes who is expected: when a promise
// is overdue, or over. The lock is held.
func (l *List) changes(p *Promise, now scheduler.Instant) scheduler.Instant {
	if p.Overdue(now) {
		return p.Start.Add(l.hold) + 1
	}
	return p.Start + Early + 1
}

// TellAgain notes that a promise was told to its caller before its time, with the place
// and start that it has now.
func (l *List) TellAgain(p *Promise, at Place, start, now scheduler.Instant, also ...scheduler.Weight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.slots[p.At], func(x *Promise) bool { return x.ID == p.ID })
	if i < 0 {
		return
	}
	was := l.slots[p.At][i]
	next := *was
	next.Told, next.Early, next.For = now, next.Early || p.Early, p.For
	lines := make(map[string]*Line)
	for _, calendar := range was.calendars() {
		lines[calendar] = l.lines[calendar]
	}
	if next.At == at && next.Start == start {
		l.slots[at][i] = &next
		for _, calendar := range next.calendars() {
			j, _ := slices.BinarySearchFunc(l.queues[calendar], &next, byAge)
			l.queues[calendar][j] = &next
		}
		if next.Early == was.Early {
			return
		}
		l.renew(&next)
	} else {
		l.drop(p.At, func(x *Promise) bool { return x.ID == p.ID })
		next.At, next.Start, next.Also = at, start, also
		l.put(&next)
	}
	for _, calendar := range next.calendars() {
		if was.slot(calendar).Demand != next.slot(calendar).Demand {
			continue // it costs something else there
		}
		if line := l.moved(lines[calendar], was, &next, now); line != nil {
			l.lines[calendar] = line
		}
	}
}

// moved returns the line with a promise that has another start or project, or is known to be
// early; nil if it isn't known any more who is expected. The lock is held.
func (l *List) moved(line *Line, was, is *Promise, now scheduler.Instant) *Line {
	if line == nil || was.Overdue(now) || is.Overdue(now) {
		return nil
	}
	next := *line
	next.until = min(next.until, l.changes(is, now))
	i, ok := slices.BinarySearchFunc(line.Promises, is, byAge)
	if !ok {
		return &next // its caller isn't expected
	}
	next.Promises = slices.Clone(line.Promises)
	next.Promises[i] = is
	if was.At == is.At && was.Start == is.Start {
		return &next
	}
	next.projects = maps.Clone(line.projects)
	next.projects[was.At.Project] = next.projects[was.At.Project].without(i)
	next.projects[is.At.Project] = next.projects[is.At.Project].with(i, is.slot(line.calendar))
	return &next
}

// Those returns the slots of those that match, which aren't to be changed. If these aren't all
// they are in the buffer, as far as it has room.
func (s Stretch) Those(match func(number int) bool, buffer []scheduler.Booking) []scheduler.Booking {
	same := 0
	for same < len(s.Numbers) && match(s.Numbers[same]) {
		same++
	}
	if same == len(s.Numbers) {
		return s.Slots
	}
	out := append(buffer[:0], s.Slots[:same]...)
	for i := same + 1; i < len(s.Numbers); i++ {
		if match(s.Numbers[i]) {
			out = append(out, s.Slots[i])
		}
	}
	return out
}

func (s Stretch) without(number int) Stretch {
	i := slices.Index(s.Numbers, number)
	return Stretch{slices.Delete(slices.Clone(s.Numbers), i, i+1), slices.Delete(slices.Clone(s.Slots), i, i+1)}
}

func (s Stretch) with(number int, b scheduler.Booking) Stretch {
	i, _ := slices.BinarySearchFunc(s.Slots, b, func(x, y scheduler.Booking) int { return cmp.Compare(x.Start, y.Start) })
	return Stretch{slices.Insert(slices.Clip(s.Numbers), i, number), slices.Insert(slices.Clip(s.Slots), i, b)}
}
