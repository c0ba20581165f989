package lateness

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// How late holders come is their habit; what commits take is chance, of which
// more is to come.
func TestSlack(t *testing.T) {
	const hold = 5 * time.Second
	type use struct{ late, took time.Duration }
	for name, c := range map[string]struct {
		use
		want time.Duration
	}{
		"all in time":    {use{}, lateMargin},
		"one came late":  {use{late: 2 * time.Second}, 2*time.Second + lateMargin},
		"slow commit":    {use{took: time.Second}, 1500*time.Millisecond + lateMargin},
		"both":           {use{late: time.Second, took: time.Second}, 2500*time.Millisecond + lateMargin},
		"as late as can": {use{late: hold}, hold},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewHolders(hold)
			assert.Equal(t, hold, p.Slack(Manner{}), "nothing is known yet")
			p.Used(Manner{}, c.late, c.took)
			for range 127 {
				p.Used(Manner{Caller: "another"}, 0, 0)
			}
			assert.Equal(t, c.want, p.Slack(Manner{}), "little is known of it, and of all this")
			p.Used(Manner{Caller: "another"}, 0, 0)
			assert.Equal(t, lateMargin, p.Slack(Manner{}), "the 128 last are remembered")
		})
	}
}

// One caller that comes late makes its own bookings longer and nobody else's, and who
// says that it is punctual is believed until it is late.
func TestSlackOfAManner(t *testing.T) {
	const hold = 5 * time.Second
	p := NewHolders(hold)
	late, inTime, says := Manner{Caller: "late"}, Manner{Caller: "in time"}, Manner{Caller: "late", Punctual: true}
	assert.Equal(t, lateMargin, p.Slack(says), "before anything is known")
	for n := range enough {
		assert.Equal(t, hold, p.Slack(inTime), "after %d", n)
		p.Used(late, 2*time.Second, 0)
		p.Used(inTime, 0, 0)
		p.Used(says, 0, 0)
	}
	assert.Equal(t, 2500*time.Millisecond+lateMargin, p.Slack(late), "and a quarter, for it isn't seen often")
	assert.Equal(t, lateMargin, p.Slack(inTime))
	assert.Equal(t, lateMargin, p.Slack(says))
	assert.Equal(t, hold, p.Slack(Manner{Caller: "new"}))
	p.Used(says, time.Second, 0)
	assert.Equal(t, 1250*time.Millisecond+lateMargin, p.Slack(says))
	for range last {
		p.Used(says, 0, 0)
	}
	assert.Equal(t, lateMargin, p.Slack(says), "the last are remembered")
	for n := range 2 * maxKnown {
		p.Used(Manner{Caller: strconv.Itoa(n)}, 0, 0)
	}
	assert.LessOrEqual(t, len(p.known), maxKnown)
}
