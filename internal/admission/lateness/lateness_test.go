package lateness

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	decisions "fluxgate.dev/fluxgate/internal/admission/patience"
)

const hold = 5 * time.Second

// Who doesn't say that it is punctual may come until the hold is over, however often it
// has come in time; and then its commit takes what it takes.
func TestSlack(t *testing.T) {
	p := NewHolders(hold)
	m := Manner{Caller: "in time"}
	for range 2 * last {
		assert.Equal(t, hold, p.Slack(m))
		p.Used(m, 0, 0)
	}
	p.Used(Manner{Caller: "another"}, 0, time.Second)
	assert.Equal(t, hold+1500*time.Millisecond, p.Slack(m))
	p.Used(Manner{Caller: "another"}, 0, time.Minute)
	assert.Equal(t, hold+mostTook, p.Slack(m), "a decision takes no longer")
	assert.Equal(t, decisions.GiveUp, mostTook)
	for range last {
		p.Used(m, 0, 0)
	}
	assert.Equal(t, hold, p.Slack(m), "the last are remembered")
}

// Who says that it is punctual is believed until it is late, and nobody else for it.
func TestSlackOfThePunctual(t *testing.T) {
	p := NewHolders(hold)
	says, other := Manner{Caller: "says", Punctual: true}, Manner{Caller: "other", Punctual: true}
	assert.Equal(t, lateMargin, p.Slack(says), "before anything is known")
	p.Used(says, 2*time.Second, 0)
	assert.Equal(t, 2500*time.Millisecond+lateMargin, p.Slack(says), "and a quarter, for it isn't seen often")
	assert.Equal(t, lateMargin, p.Slack(other))
	p.Used(says, hold, 0)
	assert.Equal(t, hold, p.Slack(says), "as late as can be")
	for range last {
		p.Used(says, 0, 0)
	}
	assert.Equal(t, lateMargin, p.Slack(says), "the last are remembered")
	for n := range 2 * maxKnown {
		p.Used(Manner{Caller: strconv.Itoa(n), Punctual: true}, 0, 0)
	}
	assert.LessOrEqual(t, len(p.punctual), maxKnown)
}
