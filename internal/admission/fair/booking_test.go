package fair

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/scheduler"
)

// For whom a slot is kept, where a has had one, b three and c five of ten requests of a minute, and of whom it is
// known that they wait but for c, which was served lately.
func TestUntimely(t *testing.T) {
	const a, b, c = 1, 2, 3
	k := New(1_000_000, func(uint32) int64 { return 1 })
	k.Add(scheduler.Limits{RPM: 10})
	for caller, n := range map[uint32]int64{a: 1, b: 3, c: 5} {
		k.Serve(scheduler.Service{Caller: caller, Requests: n, At: 999_000})
	}
	one := k.Of(1, 0)
	for _, caller := range []uint32{a, b} {
		k.Promise(Slot{Caller: caller, Cost: one, Since: 999_500, Began: Unknown})
	}
	k.Weigh(nil, 0)
	for name, x := range map[string]struct {
		caller uint32
		cost   Cost
		of     Booking
		keeps  bool
	}{
		"it has had least":                            {a, one, Booking{}, true},
		"it has had more":                             {b, one, Booking{}, false},
		"it has had more, and asks":                   {b, one, Booking{Asked: true}, true},
		"it has had more by more than one, and asks":  {c, one, Booking{Asked: true}, false},
		"a small one":                                 {a, one / 2, Booking{}, false},
		"a small one where others may wait elsewhere": {a, one / 2, Booking{Several: true}, false},
		"one more, far ahead":                         {a, one, Booking{Has: true, Far: true}, false},
		"one more":                                    {a, one, Booking{Has: true}, true},
		"one more of who has had more":                {b, one, Booking{Has: true}, false},
		"where others may wait elsewhere":             {b, one, Booking{Has: true, Several: true}, true},
		"of who has had most":                         {c, one, Booking{Has: true, Several: true}, false},
		"in a crowd":                                  {a, one, Booking{Crowded: true, Asked: true}, true},
		"in a crowd, who has had no less":             {b, one, Booking{Crowded: true, Asked: true}, false},
	} {
		slot := Slot{Caller: x.caller, Cost: x.cost, Since: 1_000_000, Began: Unknown}
		assert.Equal(t, !x.keeps, k.With(slot, 1_000_000).Untimely(slot, x.of), name)
	}

	mine := Slot{Caller: a, Cost: one, Since: 1_000_000, Began: Unknown}
	assert.True(t, k.With(mine, 1_000_000).BehindMost(a, 4*one))
	assert.False(t, k.With(mine, 1_000_000).BehindMost(a, 4*one+1))

	k = New(1_000_000, func(uint32) int64 { return 1 })
	k.Add(scheduler.Limits{RPM: 10})
	k.Serve(scheduler.Service{Caller: a, Requests: 1, At: 999_000})
	k.Serve(scheduler.Service{Caller: b, Requests: 7, At: 999_000})
	for _, caller := range []uint32{a, b} {
		k.Promise(Slot{Caller: caller, Cost: one, Since: 999_500, Began: Unknown})
	}
	k.Weigh(nil, 0)
	small := Slot{Caller: a, Cost: one / 2, Since: 1_000_000, Began: Unknown}
	assert.True(t, k.With(small, 1_000_000).Untimely(small, Booking{}), "a small one, far behind")
	assert.False(t, k.With(small, 1_000_000).Untimely(small, Booking{Several: true}), "three less than the average, where others may wait elsewhere")
}
