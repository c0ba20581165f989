package fair

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/scheduler"
)

const now = scheduler.Instant(1_000_000)

// contest returns one over a pool of 100 requests and 1,000,000 tokens a window, with what
// its callers were served: requests of no tokens, half a minute ago.
func contest(served map[uint32]int64, weights map[uint32]int64) *Contest {
	k := New(now, func(c uint32) int64 { return weights[c] })
	k.Add(scheduler.Limits{RPM: 60, TPM: 600_000})
	k.Add(scheduler.Limits{RPM: 40, TPM: 400_000})
	for c, n := range served {
		k.Serve(scheduler.Service{Caller: c, Requests: n, At: now - 30_000})
	}
	return k
}

// waits is a request of a caller that came so many seconds ago.
func waits(caller uint32, ago scheduler.Instant) Slot {
	return Slot{Caller: caller, Cost: 10_000, Since: now - 1000*ago, Began: Unknown}
}

// weigh returns a contest with the request that is decided about.
func weigh(k *Contest, mine Slot) *Contest {
	k.Weigh(nil, 0)
	return k.With(mine, now)
}

func TestCost(t *testing.T) {
	k := contest(nil, nil)
	assert.EqualValues(t, 10_000, k.Of(1, 0), "a hundredth of what the pool takes")
	assert.EqualValues(t, 20_000, k.Of(1, 10_000))
	var unlimited Price
	unlimited.Add(scheduler.Limits{RPM: scheduler.Unlimited, TPM: 1000})
	assert.EqualValues(t, 500_000, unlimited.Of(7, 500))
}

// Of those that wait it is the turn of the one that was served least, and of what one
// caller was promised each next one counts with those before it.
func TestTurns(t *testing.T) {
	k := contest(map[uint32]int64{1: 3, 2: 5}, nil)
	for range 3 {
		k.Promise(waits(1, 20))
	}
	k.Promise(waits(2, 25))
	k = weigh(k, waits(2, 10))
	before := func(turn Cost) (n int) {
		for i := range 3 {
			if k.Before(i, turn, Slot{Since: now}) {
				n++
			}
		}
		return n
	}
	assert.Equal(t, 3, before(k.Turn(2)), "turns of 3, 4 and 5, the last for longer")
	assert.EqualValues(t, 60_000, k.TurnOf(Slot{Caller: 2, Since: now - 10_000}), "behind its own that has waited for longer")
	assert.EqualValues(t, 50_000, k.TurnOf(Slot{Caller: 2, Since: now - 30_000}))
	assert.True(t, k.Behind(1, 0))
	assert.False(t, k.Behind(2, 0))
	assert.False(t, k.Ahead(2), "no more than a request")
	assert.False(t, k.Alone(1))
}

func TestBookingsCount(t *testing.T) {
	k := contest(map[uint32]int64{1: 3, 2: 3}, nil)
	k.Book(waits(1, 20))
	k.Book(waits(1, 20))
	k.Book(waits(1, 20))
	k = weigh(k, waits(2, 1))
	assert.EqualValues(t, 60_000, k.Turn(1))
	assert.EqualValues(t, 30_000, k.Turn(2))
	assert.True(t, k.Ahead(1))
}

// Who waits at another instance counts as who waits here, until its time is over, but isn't in anybody's way.
func TestElsewhere(t *testing.T) {
	k := contest(map[uint32]int64{1: 10, 2: 50}, nil)
	x := []scheduler.Waiter{{Model: 7, Caller: 1, Since: now - 5000, Until: now + 2000}, {Model: 8, Caller: 3, Until: now + 1000}, {Model: 7, Caller: 4, Until: now - 1}}
	assert.Equal(t, now+2001, k.Elsewhere(x, 7))
	mine := waits(2, 20)
	k = weigh(k, mine)
	assert.Equal(t, 2, k.Waiting(), "of another model, or no more, the others")
	assert.False(t, k.Alone(2))
	assert.False(t, k.Behind(2, 0))
	assert.Empty(t, k.promises)
	assert.Equal(t, scheduler.Never, k.Elsewhere(nil, 7))
}

// Who waits elsewhere begins where the others are, unless it has asked for something all the time.
func TestWhereWhoWaitsElsewhereBegins(t *testing.T) {
	for since, had := range map[scheduler.Instant]Cost{now - 100_000: 10_000, now - 20_000: 100_000} {
		k := contest(map[uint32]int64{1: 10, 2: 50}, nil)
		k.Serve(scheduler.Service{Caller: 3, Requests: 1, At: now - 90_000})
		k.Promise(waits(1, 20))
		k.Elsewhere([]scheduler.Waiter{{Model: 7, Caller: 3, Since: since, Until: now}}, 7)
		assert.Equal(t, had, weigh(k, waits(2, 10)).Had(3), since)
	}
}

// What is large is so beside what else its caller waits for or has booked, whatever others do.
func TestLarge(t *testing.T) {
	k := contest(nil, nil)
	mine, small := waits(1, 20), waits(1, 10)
	small.Cost = 7499
	k.Promise(mine)
	k = weigh(k, small)
	assert.False(t, k.Large(small))

	k = contest(nil, nil)
	k.Promise(waits(2, 20))
	k = weigh(k, small)
	assert.True(t, k.Large(small), "for its caller, which has no other")

	k = contest(nil, nil)
	small.Cost = 7500
	k.Book(mine)
	k = weigh(k, small)
	assert.True(t, k.Large(small), "it is three quarters")
}

func TestWeights(t *testing.T) {
	k := contest(map[uint32]int64{1: 9, 2: 3}, map[uint32]int64{1: 3})
	k.Promise(waits(1, 20))
	k = weigh(k, waits(2, 20))
	assert.Equal(t, k.Turn(1), k.Turn(2))
	assert.EqualValues(t, 30_000+3333, k.TurnOf(Slot{Caller: 1, Since: now}))
}

// Who had nothing to ask for in the window after it was served last begins at the least of
// those that wait, even if it was never served.
func TestNobodySavesUp(t *testing.T) {
	for _, c := range []struct {
		why   string
		at    scheduler.Instant // when it was last served, seconds ago; 0: never
		since scheduler.Instant // how long it waits
		began Cost
		want  Cost
	}{
		{"it has asked for something all the time", 30, 20, Unknown, 300_000},
		{"and still does, though it isn't served", 90, 80, Unknown, 300_000},
		{"it was away", 90, 10, Unknown, 500_000},
		{"it is new", 0, 1, Unknown, 500_000},
		{"it is new, and has waited since others had less", 0, 20, 400_000, 400_000},
		{"they have less by now", 0, 20, 800_000, 500_000},
		{"nobody else waited when it came", 0, 20, 0, 0},
	} {
		k := contest(map[uint32]int64{2: 50, 3: 70}, nil)
		if c.at != 0 {
			k.Serve(scheduler.Service{Caller: 1, Requests: 30, At: now - 1000*c.at})
		}
		k.Promise(waits(2, 1))
		k.Promise(waits(3, 1))
		mine := waits(1, c.since)
		mine.Began = c.began
		k = weigh(k, mine)
		credit := Cost(2*window/3 + 3*10_000)
		assert.Equal(t, max(c.want, 700_000-credit), k.Had(1), c.why)
	}
}

// What one is put forward by is kept as its level, and of two levels the higher holds.
func TestLevel(t *testing.T) {
	k := contest(map[uint32]int64{1: 10, 2: 500}, nil)
	k.Promise(waits(2, 1))
	k = weigh(k, waits(1, 1))
	behind := Cost(5_000_000 - 2*window/2 - 3*10_000)
	assert.Equal(t, behind, k.Had(1), "two windows of its share, and three requests")
	level := k.Level(1)
	assert.EqualValues(t, behind-100_000, level)

	k = contest(map[uint32]int64{1: 12, 2: 500}, nil)
	k.Serve(scheduler.Service{Caller: 1, Level: level, At: now})
	k.Serve(scheduler.Service{Caller: 1, Level: level - 5, At: now})
	k.Promise(waits(2, 1))
	k = weigh(k, waits(1, 1))
	assert.Equal(t, behind+20_000, k.Had(1))
	assert.Equal(t, level, k.Level(1))
}

// A request that has waited for longer than what else its caller waits for may show that this one was
// there all the time. Then who is new begins where that is, if it is the least.
func TestARequestShowsThatItsCallerWasThere(t *testing.T) {
	k := contest(map[uint32]int64{2: 50}, nil)
	k.Serve(scheduler.Service{Caller: 1, Requests: 30, At: now - 90_000})
	for caller := range uint32(3) {
		k.Promise(waits(caller+1, 10)) // who is served first, though, was away for eighty seconds
	}
	k.Weigh(nil, 0)
	short := k.With(waits(1, 10), now)
	assert.False(t, short.Before(2, 400_000, waits(1, 10)))
	long := k.With(waits(1, 40), now)
	assert.True(t, long.Before(2, 400_000, waits(1, 40)))
}

// Whatever the request adds, what follows from it is as if all were reckoned with it.
func TestWithIsReckoned(t *testing.T) {
	same := 0
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		slot := func() Slot {
			s := waits(uint32(1+rnd.IntN(5)), scheduler.Instant(rnd.IntN(100)))
			s.Order, s.Cost, s.Began = rnd.Uint64N(9), Cost(rnd.IntN(50_000)), Cost(rnd.IntN(2_000_000))
			return s
		}
		k := contest(nil, map[uint32]int64{2: 3})
		for c := range uint32(7) {
			if rnd.IntN(3) > 0 {
				k.Serve(scheduler.Service{Caller: c, Requests: rnd.Int64N(200), Level: rnd.Int64N(500_000), At: now - scheduler.Instant(rnd.IntN(100_000))})
			}
		}
		for range rnd.IntN(5) {
			k.Promise(slot())
		}
		for range rnd.IntN(3) {
			k.Book(slot())
		}
		k.Weigh(nil, 0)
		next := k.With(slot(), now)
		anew := *next
		anew.reckon()
		if len(k.turns) > 0 && &k.turns[0] == &next.turns[0] {
			same++
			mine := next.own
			for i := range next.turns {
				if next.promises[i].by != mine { // of its own it is asked only which are older
					assert.Equal(t, anew.turns[i], next.turns[i])
				}
			}
		}
		assert.Equal(t, anew.sum, next.sum)
		assert.Equal(t, anew.floor, next.floor)
	}
	assert.Greater(t, same, 50)
}

// Who would be further ahead than it may be waits for as long as others take to get as much.
func TestTooSoon(t *testing.T) {
	size := func(caller uint32, cost Cost) Slot {
		s := waits(caller, 1)
		s.Cost = cost
		return s
	}
	begin := func(served ...int64) *Contest {
		had := make(map[uint32]int64)
		for i, n := range served {
			had[uint32(i+1)] = n
		}
		k := contest(had, nil)
		for i := range served {
			k.Promise(size(uint32(i+1), 100_000))
		}
		k.Weigh(nil, 0)
		return k
	}
	soon := func(k *Contest, x Slot, several bool) time.Duration { return k.With(x, now).TooSoon(x, several) }
	k := begin(100, 100, 100, 100, 100)
	assert.Zero(t, soon(k, size(1, 500_000), false), "nobody has had less")
	k = begin(100, 100, 100, 100, 90)
	const ahead = 20_000 // each of the first four is
	for _, c := range []struct {
		cost    Cost
		several bool
		beyond  Cost
	}{
		{80_000 - ahead, false, 0}, // a share of a window is 400,000, and a fifth of that a margin in any case
		{80_000 - ahead, true, 0},
		{200_000 - ahead, false, 120_000}, // of the largest it is 72,000
		{400_000 - ahead, false, 400_000 - (400_000-ahead)*4/10},
		{400_000 - ahead, true, 400_000 - (400_000-ahead)/4},
	} {
		assert.Equal(t, time.Duration((c.beyond*60+399_999)/400_000)*time.Second, soon(k, size(1, c.cost), c.several), "%+v", c)
	}
	assert.Equal(t, time.Second, soon(k, size(1, 80_001-ahead), true))
	assert.Zero(t, soon(k, size(5, 900_000), true), "it has had least")

	k = contest(nil, nil)
	for i := range uint32(9) {
		k.Promise(size(i+1, 100_000))
	}
	k.Weigh(nil, 0)
	assert.Zero(t, soon(k, size(1, 900_000), false), "nobody has been served")
	had := []int64{300, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	k = begin(had...)
	assert.Zero(t, soon(k, size(3, 400_000), false), "all but one begin alike, as they are too far behind that")
	assert.Positive(t, soon(k, size(1, 400_000), false))
}

// Who is ahead of all others by most of what they are taken to be behind at most waits until it isn't; whoever has no more than
// they on average may send anything.
func TestFarAhead(t *testing.T) {
	const credit = 2*window/5 + 3*10_000
	far := func(had int64, x Slot) time.Duration {
		k := contest(map[uint32]int64{1: had, 2: 10, 3: 10, 4: 10, 5: 10}, nil)
		for caller := range uint32(5) {
			k.Promise(waits(caller+1, 1))
		}
		return weigh(k, x).FarAhead(x)
	}
	most := int64(10 + (3*credit/4-10_000)*5/4/10_000) // of which four fifths are ahead of the average
	assert.Zero(t, far(most, waits(1, 1)))
	assert.Equal(t, 2*time.Second, far(most+1, waits(1, 1)))
	assert.Equal(t, time.Duration((credit*4/5+10_000-credit*3/4)*60/(2*window/5)+1)*time.Second, far(1000, waits(1, 1)), "it is taken to be no further ahead")
	large := waits(2, 1)
	large.Cost = 500_000
	assert.Zero(t, far(10, large))
	assert.Zero(t, far(1000, large))
}
