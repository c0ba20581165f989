package admission

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// doubted has a caller come for one of four times that this instance told it, and reports whether
// the last of what it is told from then on is expected not to be returned to.
func (k *kept) doubted(caller string) bool {
	now := k.Now()
	promise := func(id, hash uint64, start scheduler.Instant) {
		k.waitlist.Add(waitlist.Promise{Booking: scheduler.Booking{ID: id, Hash: hash, Start: start, Since: now}, At: waitlist.Place{Project: "p0", Model: keptModel}, Caller: caller}, now)
	}
	for i := range uint64(16) {
		for j := range uint64(3) {
			promise(1000+4*i+j, 1000+4*i+j, now-10_000)
		}
		promise(1003+4*i, 1003+4*i, now)
		require.NotNil(k, k.waitlist.TakeStarted(1003+4*i, now))
	}
	promise(63, 63, now+60_000) // its number is the first to be doubted
	k.waitlist.WaitingFor(keptModel, now)
	k.sleepUntil(now.Sub(k.began).Seconds() + 1)
	for _, p := range k.waitlist.WaitingFor(keptModel, k.Now()).Promises {
		if p.ID == 63 {
			return false
		}
	}
	return true
}

// Who comes by its own clock, was told an earlier time and comes only at the one before that, was told both
// here. It shows nothing of callers that come to other instances than the one that told them their time.
func TestWhoHammersIsNotAnotherInstances(t *testing.T) {
	inKept(t, 1, func(k *kept) {
		k.sleepUntil(0.05)
		assert.Nil(t, k.asks("a", false))
		k.sleepUntil(0.4)
		req := k.request("hammers", 1)
		assert.Equal(t, k.at(61.4), k.admits(req).Start)
		k.sleepUntil(1)
		k.store.Later(k.rules, "p0", k.waitlist.Share("p0", k.Now(), nil))
		state, err := k.store.View(t.Context(), []string{"p0"})
		require.NoError(t, err)
		require.Len(t, state[0].Waitlist, 1)
		for _, at := range []float64{31.8, 60.2} {
			k.sleepUntil(at)
			assert.Equal(t, k.at(60.8), k.admits(req).Start)
		}
		k.sleepUntil(66)
		_, _, err = k.Admit(t.Context(), req)
		require.NoError(t, err)
		assert.True(t, k.doubted("away"))
	})
}

// ticket is the one that came with a wait.
func (k *kept) ticket(told *Wait) *Ticket {
	k.Helper()
	ticket, err := k.ReadTicket(told.Ticket)
	require.NoError(k, err)
	return ticket
}

// Nor does who comes with its ticket after the hold.
func TestWhoComesLateIsNotAnotherInstances(t *testing.T) {
	inKept(t, 1, func(k *kept) {
		assert.Nil(t, k.asks("a", false))
		req := k.request("late", 1)
		told := k.admits(req)
		k.sleepUntil(75)
		k.waitlist.WaitingFor(keptModel, k.Now())
		req.Ticket = k.ticket(told)
		_, _, err := k.Admit(t.Context(), req)
		require.NoError(t, err)
		assert.True(t, k.doubted("away"))
	})
}

// Nor does who brings a ticket once more, as it got no answer.
func TestWhoComesTwiceIsNotAnotherInstances(t *testing.T) {
	inKept(t, 1, func(k *kept) {
		assert.Nil(t, k.asks("a", false))
		req := k.request("twice", 1)
		told := k.admits(req)
		k.sleepUntil(told.Start.Sub(k.began).Seconds())
		req.Ticket = k.ticket(told)
		for range 2 {
			_, _, err := k.Admit(t.Context(), req)
			require.NoError(t, err)
		}
		assert.True(t, k.doubted("away"))
	})
}

// What another instance told does show that.
func TestWhoComesHereIsAnotherInstances(t *testing.T) {
	inKept(t, 1, func(k *kept) {
		other := *k
		var err error
		other.Controller, err = New(t.Context(), Options{Store: k.store, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return k.rules }})
		require.NoError(t, err)
		assert.Nil(t, k.asks("a", false))
		req := k.request("comes", 1)
		told := k.admits(req)
		k.store.Later(k.rules, "p0", k.waitlist.Share("p0", k.Now(), nil))
		k.sleepUntil(told.Start.Sub(k.began).Seconds())
		_, _, err = other.Admit(t.Context(), req)
		require.NoError(t, err)
		assert.False(t, other.doubted("away"))
	})
}
