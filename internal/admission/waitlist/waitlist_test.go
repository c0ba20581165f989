package waitlist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// held counts everything that a waitlist remembers.
func (l *List) held() (slots, hashes, news int) {
	for _, s := range l.slots {
		slots += len(s)
	}
	for _, places := range l.byHash {
		hashes += len(places)
	}
	for _, n := range l.unshared {
		news += len(n)
	}
	return slots, hashes, news
}

func promiseOf(project, model string, id, hash uint64, start scheduler.Instant) Promise {
	return Promise{Booking: scheduler.Booking{ID: id, Hash: hash, Start: start}, At: Place{project, model}}
}

// An instance that lives for days and is refused to by callers that never
// return must not grow: neither by their number nor by the places that they
// were told of.
func TestLedgerIsBounded(t *testing.T) {
	race.Skip(t)
	l := New(scheduler.DefaultHold)
	now := scheduler.Instant(1_000_000_000_000)
	for i := range 15_000 {
		now += 10
		model := fmt.Sprintf("model-%d", i%4)
		l.Add(promiseOf("p", model, ticket.NewID(), uint64(i+1), now+60_000), now)
	}
	slots, hashes, news := l.held()
	assert.LessOrEqual(t, slots, 4*maxToldPerCalendar)
	assert.Equal(t, slots, hashes)
	assert.LessOrEqual(t, news, scheduler.MaxWaitlist)

	// Nor by the number of calendars.
	all := New(scheduler.DefaultHold)
	for i := range maxTold + 5000 {
		all.Add(promiseOf("p", fmt.Sprint("model-", i%64), ticket.NewID(), uint64(i+1), now+60_000), now)
	}
	slots, _, _ = all.held()
	assert.Equal(t, maxTold, slots)

	// Places that nobody asks for any more are forgotten too.
	for i := range 2000 {
		now += 1000
		l.Add(promiseOf(fmt.Sprintf("project-%d", i), "m", ticket.NewID(), uint64(i+1), now+60_000), now)
	}
	slots, hashes, news = l.held()
	assert.Less(t, slots, 200, "a minute's worth, and until the next sweep")
	assert.Equal(t, slots, hashes)
	assert.Less(t, news, 200)
	assert.Less(t, len(l.slots), 200)
	assert.Less(t, len(l.unshared), 200)
}

// A slot is found by its hash when it has started, the oldest first, and by
// its ID at any time; then it is forgotten.
func TestLedgerTakesOnce(t *testing.T) {
	l := New(scheduler.DefaultHold)
	for i, start := range []scheduler.Instant{70_000, 61_000, 500_000} {
		l.Add(promiseOf("p", "m", uint64(i+1), 7, start), 0)
	}
	take := func(now scheduler.Instant) (*Promise, int) {
		started, waiting := l.TakeStarted(7, now), 0
		l.each(7, func(*Promise) { waiting++ })
		return started, waiting
	}
	started, waiting := take(59_999)
	assert.Nil(t, started)
	assert.Equal(t, 3, waiting)
	started, waiting = take(60_000)
	if assert.NotNil(t, started, "a second early is as good as in time") {
		assert.EqualValues(t, 2, started.ID)
	}
	assert.Equal(t, 2, waiting)
	assert.NotNil(t, l.Take(3, 60_000))
	assert.Nil(t, l.Take(3, 60_000))
	started, waiting = take(71_000)
	if assert.NotNil(t, started) {
		assert.EqualValues(t, 1, started.ID)
	}
	assert.Zero(t, waiting)
	slots, hashes, _ := l.held()
	assert.Zero(t, slots+hashes)
}

// What was told to callers that never return must not make others wait: when
// few come back, a slot counts with four times the share of those that did.
func TestGhostsAreNotWaitedFor(t *testing.T) {
	l := New(scheduler.DefaultHold)
	now := scheduler.Instant(0)
	// round tells 200 callers and returns how many of the slots are in the way of
	// the next; then one in every comes back, and the time of the others passes.
	round := func(every int) (promised int) {
		ids := make([]uint64, 200)
		for i := range ids {
			ids[i] = ticket.NewID()
			l.Add(promiseOf("p", "m", ids[i], ids[i], now+60_000), now)
		}
		promised = len(l.Promised("p", "m", now, Asker{}))
		order := rand.Perm(len(ids))
		now += scheduler.Instant(time.Hour.Milliseconds())
		for n, i := range order {
			if every > 0 && n%every == 0 {
				assert.NotNil(t, l.Take(ids[i], now))
			} else {
				l.mu.Lock()
				l.drop(Place{"p", "m"}, func(p *Promise) bool { return p.ID == ids[i] })
				l.note("", false)
				l.mu.Unlock()
			}
		}
		return promised
	}
	assert.Equal(t, 200, round(0), "until it is known better all are expected")
	assert.Zero(t, round(1), "none came")
	assert.Equal(t, 200, round(2), "all came")
	assert.Equal(t, 200, round(4), "one in two came")
	assert.Equal(t, 200, round(8), "one in four came")
	assert.InDelta(t, 100, round(1), 40, "one in eight came")
	assert.Equal(t, 200, round(1))
}

// Callers whose time passes unused are noted without anybody's doing.
func TestGhostsAreNoticed(t *testing.T) {
	l := New(scheduler.DefaultHold)
	for i := range 100 {
		l.Add(promiseOf("p", "m", ticket.NewID(), uint64(i+1), 60_000), 0)
	}
	assert.Len(t, l.Promised("p", "m", 65_000, Asker{}), 100, "the hold isn't over")
	l.Add(promiseOf("p", "m", ticket.NewID(), 1000, 120_000), 65_001)
	assert.Empty(t, l.Promised("p", "m", 65_001, Asker{}))
}

// An instance that callers come to for what another told them doesn't take those for
// no-shows that go to another for what it told them itself.
func TestReturnsElsewhereAreNoNoShows(t *testing.T) {
	l := New(scheduler.DefaultHold)
	for range 16 {
		l.note("alice", true)
		for range 3 {
			l.note("alice", false)
		}
	}
	p := &Promise{Booking: scheduler.Booking{ID: 63}, Caller: "alice"}
	const now = 1_000_000
	alice := l.returns.Of("alice")
	assert.False(t, l.likely(p, alice, now))
	l.CameHere(now)
	assert.True(t, l.likely(p, alice, now+1000), "three of four return elsewhere")
	assert.False(t, l.likely(p, alice, now+elsewhere))
	p.Tells = 1
	assert.True(t, l.likely(p, alice, now+elsewhere), "who was told of another day may go to any")
}

// Whether anybody waits for a model is known without looking at all promises.
func TestWaitsKnowsWhoWaits(t *testing.T) {
	l := New(scheduler.DefaultHold)
	now := scheduler.Instant(1_000_000_000_000)
	rng := rand.New(rand.NewPCG(1, 2))
	callers := []string{"", "a", "b", "c"}
	models := []string{"m0", "m1", "m2"}
	var ids []uint64
	for range 3000 {
		now += scheduler.Instant(rng.IntN(2000))
		p := promiseOf("p", models[rng.IntN(len(models))], ticket.NewID(), rng.Uint64N(40), now+scheduler.Instant(rng.IntN(60_000)))
		p.Caller = callers[rng.IntN(len(callers))]
		switch rng.IntN(4) {
		case 0:
			l.Add(p, now)
			ids = append(ids, p.ID)
		case 1:
			if len(ids) > 0 {
				l.Take(ids[rng.IntN(len(ids))], now)
			}
		case 2:
			if first := l.Waiting(p.Hash, now); first != nil {
				l.TellAgain(first, Place{"q", "m0"}, first.Start+1000, now)
			}
		case 3:
			l.TakeStarted(p.Hash, now)
			l.expire(p.At, now)
		}
		for _, model := range models {
			var promised []*Promise
			for at, slots := range l.slots {
				if at.Model == model {
					promised = append(promised, slots...)
				}
			}
			assert.Equal(t, len(promised) > 0, l.Waits(model))
			slices.SortFunc(promised, byAge)
			assert.Equal(t, promised, slices.Clone(l.queues[model]), "in the order in which they have waited")
		}
	}
}

// Of a caller that comes late what it was told is missed as much later, but no later than when the hold is
// over, and sooner again once it comes in time.
func TestHowLateACallerComes(t *testing.T) {
	l, now := New(scheduler.DefaultHold), scheduler.Instant(0)
	comes := func(late scheduler.Instant) (missed scheduler.Instant) {
		l.Add(promiseOf("p", "m", 1, 1, now+60_000), now)
		p := l.Find(1)
		for missed = p.Start; !p.Missed(missed); missed++ {
		}
		now = p.Start + late
		require.NotNil(t, l.TakeStarted(1, now-Early))
		return missed - p.Start - 1
	}
	assert.EqualValues(t, 1000, comes(3000))
	assert.EqualValues(t, 4000, comes(1000))
	assert.Greater(t, comes(1000), scheduler.Instant(3500), "once in time says little")
	for range 40 {
		comes(0)
	}
	assert.Less(t, comes(4800), scheduler.Instant(1500))
	assert.EqualValues(t, 5000, comes(0), "as long as the hold")
}

// Who hasn't come a second after its time counts as one that doesn't, until it does.
func TestOverdueIsNotWaitedFor(t *testing.T) {
	l := New(scheduler.DefaultHold)
	for i := range 4 {
		l.Add(promiseOf("p", "m", uint64(i), uint64(i+1), 61_000), 0)
	}
	l.Add(promiseOf("p", "m", 63, 63, 122_000), 0)
	assert.Len(t, l.WaitingFor("m", 62_000).Promises, 5)
	assert.Len(t, l.WaitingFor("m", 62_001).Promises, 4, "one in five at most is taken to come")
	for i := range 4 {
		assert.NotNil(t, l.Take(uint64(i), 61_000))
	}
	assert.Len(t, l.WaitingFor("m", 62_001).Promises, 1, "all came")
}

// Who comes after the hold is recognised once, for half as long again as it was told to wait,
// and what is remembered for that is bounded.
func TestLateIsKnownForHalfOfTheWait(t *testing.T) {
	l := New(scheduler.DefaultHold)
	for i, start := range []scheduler.Instant{60_000, 60_000, 300_000} {
		l.Add(promiseOf("p", "m", uint64(i+1), uint64(i+1), start), 0)
	}
	assert.Nil(t, l.TakeLate(1, 65_000), "it is in time")
	assert.NotNil(t, l.TakeStarted(1, 64_000))
	assert.Nil(t, l.TakeStarted(2, 64_001), "it is late")
	if p := l.TakeLate(2, 92_000); assert.NotNil(t, p) {
		assert.EqualValues(t, 2, p.ID)
	}
	assert.Nil(t, l.TakeLate(2, 92_000), "once")
	assert.Nil(t, l.TakeLate(3, 452_001), "too late")

	now := scheduler.Instant(1_000_000_000_000)
	for i := range 20_000 {
		now += 10
		l.Add(promiseOf(fmt.Sprint("p", i%40), "m", ticket.NewID(), uint64(i+10), now+1000), now)
		assert.LessOrEqual(t, len(l.late), maxLate)
	}
	l.Add(promiseOf("p", "m", 1, 1, now+2*sweepEvery), now+2*sweepEvery)
	assert.Zero(t, len(l.late))
}

// However many requests of one caller wait, those of others are remembered, on the same calendar and on others,
// until each has as many; what was told last gives way.
func TestNobodyTakesAllTheRoom(t *testing.T) {
	l := New(scheduler.DefaultHold)
	now := scheduler.Instant(1_000_000_000_000)
	id := uint64(0)
	tell := func(caller, model string) uint64 {
		id++
		p := promiseOf("p", model, id, id, now+60_000)
		p.Caller = caller
		l.Add(p, now)
		return id
	}
	known := func(caller, model string) (n int) {
		for _, p := range l.slots[Place{"p", model}] {
			if p.Caller == caller {
				n++
			}
		}
		return n
	}
	for range maxToldPerCalendar {
		tell("many", "m0")
	}
	last := id
	assert.Nil(t, l.Find(tell("many", "m0")), "there is no room for more of the same")
	assert.NotNil(t, l.Find(tell("one", "m0")))
	assert.Nil(t, l.Find(last))
	assert.NotNil(t, l.Find(last-1))
	for range maxToldPerCalendar {
		tell("one", "m0")
	}
	assert.Equal(t, maxToldPerCalendar/2, known("many", "m0"))
	assert.Equal(t, maxToldPerCalendar/2, known("one", "m0"))

	for i := range maxTold / maxToldPerCalendar {
		for range maxToldPerCalendar {
			tell("many", fmt.Sprint("m", i))
		}
	}
	for range maxToldPerCalendar {
		tell("many", "more")
	}
	assert.Equal(t, maxTold, l.kept)
	assert.NotNil(t, l.Find(tell("two", "other")))
	assert.Equal(t, maxTold, l.kept)
	for model, n := range map[string]int{"m0": maxToldPerCalendar / 2, "other": 1} {
		assert.Equal(t, n, known("one", model)+known("two", model))
	}
	told := make(map[string]int)
	for _, slots := range l.slots {
		for _, p := range slots {
			told[p.Caller]++
		}
	}
	assert.Equal(t, told, l.of)
}

// Of a crowd of which each has one request nobody gives way.
func TestNobodyOfACrowdGivesWay(t *testing.T) {
	l := New(scheduler.DefaultHold)
	for i := range uint64(maxToldPerCalendar + 10) {
		p := promiseOf("p", "m", i+1, i+1, 60_000)
		p.Caller = fmt.Sprint("c", i)
		l.Add(p, 0)
		assert.Equal(t, i < maxToldPerCalendar, l.Find(i+1) != nil)
	}
}
