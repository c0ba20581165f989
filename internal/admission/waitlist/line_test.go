package waitlist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// A line that is kept is the one that would be made anew, whatever has been told, taken and
// moved since, and however much time has passed.
func TestLineIsAsAnew(t *testing.T) {
	race.Skip(t)
	kept, feature := 0, scheduler.OfFeature("", "search")
	for seed := range uint64(5) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		l := New(scheduler.DefaultHold)
		now := scheduler.Instant(1_000_000_000_000)
		ids := []uint64{0}
		some := func() uint64 { return ids[rnd.IntN(len(ids))] }
		// What a third of them are for weighs on a calendar of both models, and some on the other model's.
		also := func() []scheduler.Weight {
			return [][]scheduler.Weight{nil, {{On: feature, Demand: scheduler.Demand{Tokens: rnd.Int64N(100)}}}, {{On: "m1"}, {On: feature}, {On: feature}}}[rnd.IntN(3)]
		}
		place := func() Place { return Place{fmt.Sprint("p", rnd.IntN(3)), fmt.Sprint("m", rnd.IntN(2))} }
		for step := range 1200 {
			switch rnd.IntN(8) {
			case 0, 1:
				p := Promise{
					Booking: scheduler.Booking{ID: rnd.Uint64(), Hash: rnd.Uint64N(200), Start: now + scheduler.Instant(rnd.IntN(90_000)), Since: now - scheduler.Instant(rnd.IntN(3)*1000)},
					At:      place(), Caller: fmt.Sprint("c", rnd.IntN(8)), Also: also(),
				}
				ids = append(ids, p.ID)
				l.Add(p, now)
			case 2, 3:
				if p := l.Find(some()); p != nil {
					at, start := p.At, p.Start
					p.Early = rnd.IntN(2) == 0
					if rnd.IntN(2) == 0 {
						start = max(now, start-scheduler.Instant(rnd.IntN(80_000)))
					}
					if rnd.IntN(3) == 0 {
						at = place()
					}
					weighs := p.Also
					if at != p.At || start != p.Start {
						weighs = also()
					}
					l.TellAgain(p, at, start, now, weighs...)
				}
			case 4:
				l.Take(some(), now)
			case 5:
				l.TakeStarted(rnd.Uint64N(200), now)
			case 6:
				if rnd.IntN(100) == 0 {
					l.CameHere(now)
				}
			case 7:
				now += scheduler.Instant(rnd.IntN(1500))
			}
			if rnd.IntN(3) > 0 {
				continue
			}
			for _, model := range []string{"m0", "m1", feature} {
				before := l.lines[model]
				line := l.WaitingFor(model, now)
				if line == before {
					kept++
				}
				anew := l.line(model, now)
				require.True(t, slices.Equal(anew.Promises, line.Promises) || sameButTold(anew.Promises, line.Promises), "step %d", step)
				require.Len(t, line.Promises, len(line.On("p0").Slots)+len(line.On("p1").Slots)+len(line.On("p2").Slots))
				for project := range anew.projects {
					got := line.On(project)
					require.Equal(t, starts(anew.On(project).Slots), starts(got.Slots), "step %d", step)
					for i, n := range got.Numbers {
						p := line.Promises[n]
						require.Equal(t, p.slot(model), got.Slots[i])
						require.Equal(t, project, p.At.Project)
						require.Contains(t, p.calendars(), model)
					}
				}
			}
		}
	}
	require.Greater(t, kept, 30, "some were kept")
}

// Who is told to come earlier, and doesn't, is doubted from then on.
func TestLineDoubtsWhoIsToldToComeEarlier(t *testing.T) {
	l, now := New(scheduler.DefaultHold), scheduler.Instant(1_000_000)
	for id, start := range map[uint64]scheduler.Instant{1: 60_000, 63: 50_000} {
		l.Add(Promise{Booking: scheduler.Booking{ID: id, Hash: id, Start: now + start, Since: now}, At: Place{"p", "m"}, Caller: "c"}, now)
	}
	require.Len(t, l.WaitingFor("m", now).Promises, 2)
	l.TellAgain(l.Find(1), Place{"p", "m"}, now+2000, now)
	require.Len(t, l.WaitingFor("m", now+3000).Promises, 2)
	require.Len(t, l.WaitingFor("m", now+3001).Promises, 1)
	l.TellAgain(l.Find(1), Place{"p", "m"}, now+60_000, now+3001)
	require.Len(t, l.WaitingFor("m", now+3001).Promises, 2, "until then it has time")
	l.TellAgain(l.Find(1), Place{"p", "m"}, now+2000, now+3001)
	require.Len(t, l.WaitingFor("m", now+3001).Promises, 1, "it hasn't come by then")
}

// sameButTold reports whether promises differ at most by when they were told last.
func sameButTold(a, b []*Promise) bool {
	return slices.EqualFunc(a, b, func(x, y *Promise) bool {
		return x.Booking == y.Booking && x.At == y.At && x.Caller == y.Caller && x.Order == y.Order && x.Early == y.Early
	})
}

func starts(slots []scheduler.Booking) (out []scheduler.Instant) {
	for _, b := range slots {
		out = append(out, b.Start)
	}
	return out
}

// A line is kept even if nobody in it is expected: a thousand that don't come back aren't looked at for each answer.
func TestLineOfNobodyIsKept(t *testing.T) {
	l, now := New(scheduler.DefaultHold), scheduler.Instant(1_000_000)
	for range 64 {
		l.note("c", false)
	}
	l.Add(Promise{Booking: scheduler.Booking{ID: 63, Hash: 1, Start: now + 60_000, Since: now}, At: Place{"p", "m"}, Caller: "c"}, now)
	line := l.WaitingFor("m", now)
	require.Empty(t, line.Promises)
	require.Same(t, line, l.WaitingFor("m", now+1))
	l.Add(Promise{Booking: scheduler.Booking{ID: 64, Hash: 2, Start: now + 60_000, Since: now}, At: Place{"p", "m"}, Caller: "d"}, now+1)
	require.Len(t, l.WaitingFor("m", now+1).Promises, 1)
	l.Take(64, now+1)
	l.Take(63, now+1)
	require.Empty(t, l.WaitingFor("m", now+1).Promises)
	require.Empty(t, l.lines)
}

// A line that is kept isn't right any more once who is overdue is over, where callers aren't trusted any more to come
// to others, nor for an instant before it was made.
func TestLineIsKeptForItsTime(t *testing.T) {
	l, now := New(scheduler.DefaultHold), scheduler.Instant(1_000_000)
	add := func(id uint64, start scheduler.Instant) {
		l.Add(Promise{Booking: scheduler.Booking{ID: id, Hash: id, Start: start, Since: now}, At: Place{"p", "m"}, Caller: "c"}, now)
	}
	l.CameHere(now)
	add(1, now+10_000)
	add(2, now+900_000)
	line := l.WaitingFor("m", now+12_000)
	require.Same(t, line, l.WaitingFor("m", now+15_000))
	require.NotSame(t, line, l.WaitingFor("m", now+11_999))
	require.Len(t, l.WaitingFor("m", now+12_000).Promises, 2)
	line = l.WaitingFor("m", now+15_001)
	require.Len(t, line.Promises, 1, "the hold of the other is over")
	require.Same(t, line, l.WaitingFor("m", now+elsewhere-1))
	require.NotSame(t, line, l.WaitingFor("m", now+elsewhere))
}

// Whatever promises are made, moved and taken on calendars that models share, each is on the queues of those on which it weighs
// something, and nothing is left of it when it goes.
func TestNothingIsLeftOfSharedCalendars(t *testing.T) {
	models, search, project := []string{"m", "n"}, scheduler.OfFeature("", "search"), scheduler.OfProject
	weights := []scheduler.Weight{{On: search}, {On: scheduler.OfFeature("m", "search")}, {On: "n"}, {On: project}, {On: search}}
	for seed := range uint64(200) {
		r, l, now := rand.New(rand.NewPCG(seed, 0)), New(scheduler.DefaultHold), scheduler.Instant(1_000_000)
		some := func() (also []scheduler.Weight) {
			for _, w := range weights {
				if r.IntN(2) == 0 {
					also = append(also, w)
				}
			}
			return also
		}
		at := func() Place { return Place{string(rune('p' + r.IntN(2))), models[r.IntN(2)]} }
		for id := range uint64(30) {
			place := at()
			p := promiseOf(place.Project, place.Model, id+1, r.Uint64N(4), now+scheduler.Instant(r.IntN(60_000)))
			p.Also, p.Since = some(), now-scheduler.Instant(r.IntN(3))
			l.Add(p, now)
			for _, calendar := range []string{"m", "n", search, project} {
				if r.IntN(2) == 0 {
					l.WaitingFor(calendar, now)
				}
			}
			one := l.Find(r.Uint64N(id+1) + 1)
			switch {
			case one == nil:
			case r.IntN(2) == 0:
				one.Early = true
				l.TellAgain(one, at(), now+scheduler.Instant(r.IntN(60_000)), now, some()...)
			case r.IntN(2) == 0:
				l.Take(one.ID, now)
			}
			on := map[string]int{}
			for _, slots := range l.slots {
				for _, p := range slots {
					for _, calendar := range p.calendars() {
						on[calendar]++
						assert.Contains(t, l.queues[calendar], p)
					}
				}
			}
			for calendar, queue := range l.queues {
				assert.Len(t, queue, on[calendar])
			}
		}
		for id := range uint64(30) {
			l.Take(id+1, now)
		}
		assert.Empty(t, l.queues)
		assert.Empty(t, l.lines)
		assert.Empty(t, l.slots)
		assert.Empty(t, l.byHash)
		assert.Empty(t, l.of)
	}
}

// Who comes early is moved on the lines of all its calendars, which aren't made anew: thousands may wait. But one is where it weighs
// something else than before.
func TestLinesOfSharedCalendarsAreMoved(t *testing.T) {
	l, now, search := New(scheduler.DefaultHold), scheduler.Instant(1_000_000), scheduler.OfFeature("", "search")
	weighs := scheduler.Weight{On: search, Demand: scheduler.Demand{Tokens: 10}}
	p := promiseOf("p", "m", 1, 1, now+30_000)
	p.Also = []scheduler.Weight{weighs}
	l.Add(p, now)
	of := func() [2]uint64 { return [2]uint64{l.WaitingFor("m", now).Of, l.WaitingFor(search, now).Of} }
	was, early := of(), l.Find(1)
	early.Early = true
	l.TellAgain(early, p.At, p.Start, now, weighs)
	assert.Equal(t, was, of())
	l.TellAgain(early, Place{"q", "m"}, now+20_000, now, weighs)
	assert.Equal(t, was, of())
	weighs.Demand.Tokens = 20
	l.TellAgain(l.Find(1), p.At, now+10_000, now, weighs)
	assert.Equal(t, was[0], of()[0])
	assert.NotEqual(t, was[1], of()[1])
}
