package scheduler

import (
	"hash/fnv"
	"iter"
	"slices"

	"fluxgate.dev/fluxgate/scheduler/limits"
)

const (
	// MinOthers is how many places are left to models beside the chain, however long
	// that is. Its first models are sure of theirs.
	MinOthers = 4
	// MaxIdle is how many calendars that gave up their places are remembered one by one.
	MaxIdle = 16
)

// An Idle is what is kept of a calendar that gave up its place.
type Idle struct {
	Name    uint32   // by which the model is found again: NameOf
	Day     DayCount // the last on which it was used
	Block   Block
	Learned Learned // without a probe
	Refused int64
}

// OtherModels stands for models that gave up their places and whose names aren't known.
const OtherModels = "(others)"

// Away returns, by model, the last day on which models were used that gave up their places
// since, for reports only. Of the model no more than a short hash is kept, so those that
// aren't among the names are added up by day, as OtherModels.
func (p *Project) Away(names iter.Seq[string]) map[string][]DayCount {
	if p == nil || len(p.Idle) == 0 {
		return nil
	}
	known := map[uint32]string{}
	for name := range names {
		known[NameOf(name)] = name
	}
	away := map[string][]DayCount{}
	for _, x := range p.Idle {
		name, ok := known[x.Name]
		if !ok {
			name = OtherModels
		}
		days := away[name]
		if i := slices.IndexFunc(days, func(d DayCount) bool { return d.Day == x.Day.Day }); i >= 0 {
			days[i].Requests += x.Day.Requests
			days[i].Tokens += x.Day.Tokens
		} else if x.Day.Requests > 0 {
			days = append(days, x.Day)
		}
		away[name] = days
	}
	return away
}

// NameOf returns what is kept of the name of a model whose calendar has no place.
func NameOf(model string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(model)) // never fails
	return h.Sum32()
}

// isSure reports whether a place is kept for a model.
func isSure(r *Rules, model string) bool {
	i := slices.Index(r.Policy.Chain(Both), model)
	return i >= 0 && i < MaxModels-MinOthers
}

// place reports whether there is a place for a calendar that the project doesn't
// have, and which one has to give its own up for that; -1: none.
func (p *Project) place(rules *Rules, now Instant, model string, edited ...side) (victim int, ok bool) {
	others := func(c *Calendar) bool { return !isSure(rules, c.Model) }
	places, sure := MaxModels, isSure(rules, model)
	most := places
	if !IsModel(model) {
		places, most = MaxOthers, MaxOthers
	} else if !sure {
		most -= min(len(rules.Policy.Chain(Both)), MaxModels-MinOthers)
	}
	used, all := 0, 0 // of those that this one may have, and of its kind
	for _, c := range p.Calendars {
		if IsModel(c.Model) != IsModel(model) {
			continue
		}
		all++
		if sure || others(c) {
			used++
		}
	}
	if used < most && all < places {
		return -1, true
	}
	for _, may := range []func(*Calendar) bool{
		func(c *Calendar) bool { return c.Vacant(rules, now) },
		func(c *Calendar) bool { return others(c) && c.Quiet(rules, now) },
		func(c *Calendar) bool { return used < most && c.Quiet(rules, now) },
	} {
		i := slices.IndexFunc(p.Calendars, func(c *Calendar) bool {
			return IsModel(c.Model) == IsModel(model) && (used < most || others(c)) && may(c) &&
				!slices.ContainsFunc(edited, func(x side) bool { return x.c == c })
		})
		if i >= 0 {
			return i, true
		}
	}
	return -1, false
}

// PlaceFrom returns the first instant at which there is a place for the calendar of a model, if nothing else is sent by then: now, if there is
// one. Where it isn't known when one that has a place is quiet it is a window after now.
func (p *Project) PlaceFrom(rules *Rules, now Instant, model string) Instant {
	if p.room(rules, now, model) {
		return now
	}
	var all []Instant
	for _, c := range p.Calendars {
		if IsModel(c.Model) == IsModel(model) {
			all = append(all, c.QuietFrom(rules, now))
		}
	}
	slices.Sort(all)
	for _, at := range all {
		if _, ok := p.place(rules, at, model); ok && at > now {
			return at
		}
	}
	return now.Add(Window)
}

// giveUp takes the place of the i-th calendar, on which nothing weighs.
func (p *Project) giveUp(rules *Rules, now Instant, i int) {
	c := p.Calendars[i]
	p.Calendars = slices.Delete(p.Calendars, i, i+1)
	p.Idle = slices.DeleteFunc(slices.Clone(p.Idle), func(x Idle) bool {
		return x.Name == NameOf(c.Model) || x.Calendar("").Vacant(rules, now)
	})
	if c.Vacant(rules, now) {
		return
	}
	p.Idle = append(p.Idle, IdleOf(c))
	p.BoundIdle(now)
}

// remember keeps what upstream says of a calendar of another provider's model that has no place: until there is one its
// model is held to that.
func (p *Project) remember(rules *Rules, now Instant, r RecordRefusal) Result {
	if !limits.OfOther(r.Model) {
		return Result{}
	}
	c := p.comeBack(r.Model)
	was := IdleOf(c)
	c.Learned.Record(r.Limits, now)
	if r.Block.Cause != NoCause {
		c.Keep(rules, now, r.Block, r.Admitted)
	}
	is := IdleOf(c)
	if is == was {
		return Result{}
	}
	p.Idle = slices.DeleteFunc(slices.Clone(p.Idle), func(x Idle) bool { return x.Name == is.Name })
	p.Idle = append(p.Idle, is)
	p.BoundIdle(now)
	return Result{Changed: true, NoPlace: true}
}

// IdleOf returns what is kept of a calendar that gives up its place.
func IdleOf(c *Calendar) Idle {
	x := Idle{Name: NameOf(c.Model), Block: c.Block, Learned: c.Learned, Refused: c.Refused}
	x.Learned.Probe = Probe{}
	for _, d := range c.Days {
		x.Day = d.Later(x.Day)
	}
	return x
}

// Calendar returns what is kept as the calendar of a model.
func (x Idle) Calendar(model string) *Calendar {
	c := &Calendar{Model: model, Block: x.Block, Learned: x.Learned, Refused: x.Refused}
	if x.Day.Requests > 0 {
		c.Days = []DayCount{x.Day}
	}
	return c
}

// BoundIdle forgets those of a project of one's own that are beyond MaxIdle: of which least
// was learned, and that were used least. Whatever is forgotten counts as used as often today
// as the most used of those that are.
func (p *Project) BoundIdle(now Instant) {
	worth := func(x Idle) int64 {
		n := x.Day.Requests
		if x.Learned.Worth(now) || x.Block.Until > now || x.Refused > 0 {
			n += 1 << 40
		}
		return n
	}
	for len(p.Idle) > MaxIdle {
		i := 0
		for j := range p.Idle {
			if worth(p.Idle[j]) < worth(p.Idle[i]) {
				i = j
			}
		}
		p.Forgotten = p.Forgotten.Later(p.Idle[i].Day)
		p.Idle = slices.Delete(p.Idle, i, i+1)
	}
}

// comeBack returns the calendar of a model that has no place: what is kept of it, or
// an empty one.
func (p *Project) comeBack(model string) *Calendar {
	c := p.remembered(model)
	if !IsModel(model) && p != nil && p.Unsure.At != 0 {
		c.Unsure = p.Unsure
	}
	return c
}

// remembered returns what is kept of a calendar that has no place.
func (p *Project) remembered(model string) *Calendar {
	if p == nil || len(p.Idle) == 0 && p.Forgotten.Requests == 0 {
		return &Calendar{Model: model}
	}
	if i := p.idle(model); i >= 0 {
		return p.Idle[i].Calendar(model)
	}
	return Idle{Day: DayCount{Day: p.Forgotten.Day, Requests: p.Forgotten.Requests}}.Calendar(model)
}

// idle returns the position of what is kept of a calendar without a place, or -1.
func (p *Project) idle(model string) int {
	if len(p.Idle) == 0 {
		return -1
	}
	name := NameOf(model)
	return slices.IndexFunc(p.Idle, func(x Idle) bool { return x.Name == name })
}
