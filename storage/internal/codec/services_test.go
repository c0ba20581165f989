package codec

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fluxgate.dev/fluxgate/scheduler"
)

// anyServices draws what callers were served.
func anyServices(t *rapid.T, now scheduler.Instant) (all []scheduler.Service) {
	n := func(name string) int64 { return rapid.Int64Min(0).Draw(t, name) }
	for range rapid.IntRange(0, scheduler.MaxServices).Draw(t, "services") {
		all = append(all, scheduler.Service{
			Model: rapid.Uint32().Draw(t, "model"), Caller: rapid.Uint32().Draw(t, "caller"),
			Requests: n("requests"), Tokens: n("tokens"), Level: n("level"),
			At: (now - scheduler.Instant(rapid.Int64Range(0, 1<<40).Draw(t, "ago"))) / servedGrain * servedGrain,
		})
	}
	return all
}

func TestServicesRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := anyProject(rt)
		p.Services = anyServices(rt, p.Latest)
		_, data := services.Take(nil, p)
		bare, err := decode(encode(p))
		require.NoError(rt, err)
		for _, current := range []bool{true, false} {
			require.Equal(rt, p.Services, services.Give(bare, data, current).Services)
		}
		if len(data) > 0 {
			cut := rapid.IntRange(0, len(data)-1).Draw(rt, "cut")
			require.Empty(rt, services.Give(bare, data[:cut], true).Services, "damaged, it is as good as none")
		}
	})
}

// What callers were served takes a few hundred bytes, and where there is no room for that
// beside what limits depend on, it gives way.
func TestServicesGiveWay(t *testing.T) {
	c, rules := New(Sections()...), rulesFor(scheduler.Limits{RPM: 20_000, TPM: 1 << 40, RPD: 1 << 40})
	p := state(1, 0, 0)
	for i := range scheduler.MaxServices {
		p.Services = append(p.Services, scheduler.Service{
			Model: 1, Caller: uint32(i), Requests: 100_000, Tokens: 1 << 32, Level: 1 << 32, At: p.Latest / servedGrain * servedGrain,
		})
	}
	doc, err := c.Pack(rules, p.Latest, p, nil)
	require.NoError(t, err)
	assert.Less(t, len(doc.Sections), 900)
	back, err := c.Unpack(doc)
	require.NoError(t, err)
	assert.Equal(t, p.Services, back.Services)

	p.Calendars[0].Folded = []scheduler.Folded{{End: (p.Latest/1000 + 60) * 1000, Tokens: 1, Requests: scheduler.MaxOpen}}
	for i := range scheduler.MaxOpen {
		p.Calendars[0].Open = append(p.Calendars[0].Open, uint32(i))
	}
	doc, err = c.Pack(rules, p.Latest, p, nil)
	require.NoError(t, err)
	back, err = c.Unpack(doc)
	require.NoError(t, err)
	assert.Empty(t, back.Services)
	assert.Len(t, back.Calendars[0].Open, scheduler.MaxOpen)
}
