package codec

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/scheduler"
)

func TestWaitersRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := anyProject(rt)
		at := func(name string) scheduler.Instant {
			return p.Latest + scheduler.Instant(rapid.Int64Range(-1<<40, 1<<40).Draw(rt, name))
		}
		for range rapid.IntRange(0, scheduler.MaxWaiters).Draw(rt, "waiters") {
			p.Waiters = append(p.Waiters, scheduler.Waiter{
				Model: rapid.Uint32().Draw(rt, "model"), Caller: rapid.Uint32().Draw(rt, "caller"), Since: at("since"), Until: at("until"),
			})
		}
		_, data := waiters.Take(nil, p)
		bare, err := decode(encode(p))
		require.NoError(rt, err)
		require.Empty(rt, bare.Waiters)
		for _, current := range []bool{true, false} {
			require.Equal(rt, p.Waiters, waiters.Give(bare, data, current).Waiters)
		}
		if len(data) > 0 {
			cut := rapid.IntRange(0, len(data)-1).Draw(rt, "cut")
			require.Empty(rt, waiters.Give(bare, data[:cut], true).Waiters, "damaged, it is as good as none")
		}
	})
}

// What a build has stored of it, other builds read: the bytes stay as they are.
func TestGoldenWaiters(t *testing.T) {
	p := &scheduler.Project{Latest: 1_781_550_000_000}
	p.Waiters = []scheduler.Waiter{
		{Model: 0x01020304, Caller: 0x05060708, Since: p.Latest - 9000, Until: p.Latest + 35_000}, {Model: 1, Caller: 2, Since: p.Latest + 1, Until: p.Latest - 1},
	}
	_, data := waiters.Take(nil, p)
	assert.Equal(t, "809ebdcad967020102030405060708d08c01f0a20400000001000000020101", fmt.Sprintf("%x", data))
	assert.EqualValues(t, 25, waiters.Tag)
}

// Who waits takes less than half a kilobyte, and gives way where there is no room for that beside what limits depend on.
func TestWaitersGiveWay(t *testing.T) {
	c, rules := New(Sections()...), rulesFor(scheduler.Limits{RPM: 20_000, TPM: 1 << 40, RPD: 1 << 40})
	p := state(1, 0, 0)
	for i := range scheduler.MaxWaiters {
		p.Waiters = append(p.Waiters, scheduler.Waiter{Model: 1, Caller: uint32(i), Since: p.Latest - 3_600_000, Until: p.Latest + 60_000})
	}
	doc, err := c.Pack(rules, p.Latest, p, nil)
	require.NoError(t, err)
	assert.Less(t, len(doc.Sections), 500)
	back, err := c.Unpack(doc)
	require.NoError(t, err)
	assert.Equal(t, p.Waiters, back.Waiters)

	p.Calendars[0].Folded = []scheduler.Folded{{End: (p.Latest/1000 + 60) * 1000, Tokens: 1, Requests: scheduler.MaxOpen}}
	for i := range scheduler.MaxOpen {
		p.Calendars[0].Open = append(p.Calendars[0].Open, uint32(i))
	}
	doc, err = c.Pack(rules, p.Latest, p, nil)
	require.NoError(t, err)
	back, err = c.Unpack(doc)
	require.NoError(t, err)
	assert.Empty(t, back.Waiters)
	assert.Len(t, back.Calendars[0].Open, scheduler.MaxOpen)
}

// Who waits gives way before what callers were served and for how long bookings are kept: by these turns go, and what holders were told.
func TestWaitersGiveWayFirst(t *testing.T) {
	c, rules := New(Sections()...), rulesFor(scheduler.Limits{RPM: 20_000, TPM: 1 << 40, RPD: 1 << 40})
	for _, fine := range []scheduler.Instant{0, 300} {
		p := state(1, 0, 0)
		now := p.Latest / 1000 * 1000
		p.Latest = now
		for i := range scheduler.MaxServices {
			p.Services = append(p.Services, scheduler.Service{Model: 1, Caller: uint32(i), Requests: 9, Tokens: 1 << 20, At: now})
			p.Waiters = append(p.Waiters, scheduler.Waiter{Model: 1, Caller: uint32(i), Since: now - 3_600_000, Until: now + 60_000})
		}
		x := p.Calendars[0]
		x.Bookings = []scheduler.Booking{{ID: 1, Rank: 1, Start: now + 60_000, Since: now, Hold: 30 * time.Second}}
		x.Folded = []scheduler.Folded{{End: now + 59_000 + fine, Tokens: 1, Requests: 400}}
		for i := range 400 {
			x.Open = append(x.Open, uint32(i))
		}
		doc, err := c.Pack(rules, now, p, nil)
		require.NoError(t, err)
		back, err := c.Unpack(doc)
		require.NoError(t, err)
		assert.Empty(t, back.Waiters)
		assert.Equal(t, p.Services, back.Services)
		assert.Equal(t, 30*time.Second, back.Calendars[0].Bookings[0].Hold)
		assert.Equal(t, x.Folded, back.Calendars[0].Folded)
		assert.Len(t, back.Calendars[0].Open, 400)
	}
}
