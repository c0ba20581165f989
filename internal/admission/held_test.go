package admission

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// admits has a request decided that waits.
func (k *kept) admits(req Request) *Wait {
	k.Helper()
	grant, wait, err := k.Admit(k.Context(), req)
	require.NoError(k, err)
	require.Nil(k, grant)
	return wait
}

// Of two bookings of a request one that comes early comes for that which starts first, wherever that lies.
func TestWhoComesEarlyHoldsTheFirst(t *testing.T) {
	inKept(t, 1, func(k *kept) {
		second := k.request("a", 2)
		second.Projects = k.pool[1:]
		_, _, err := k.Admit(t.Context(), second)
		require.NoError(t, err)
		k.sleepUntil(20)
		assert.Nil(t, k.asks("a", false))
		req := k.request("a", 2)
		req.Book = true
		first, later := k.admits(req), k.admits(req)
		require.True(t, first.Booked && later.Booked)
		require.Equal(t, []string{"p1", "p0"}, []string{first.Project, later.Project})
		require.Less(t, first.Start, later.Start)
		k.sleepUntil(30)
		assert.Equal(t, first.Start, k.admits(req).Start)
	})
}

// Who comes early for a booking leaves what another of the same was told, which isn't kept as it is more than a window ahead.
func TestWhoComesEarlyForABookingLeavesTheOther(t *testing.T) {
	inKept(t, 1, func(k *kept) {
		assert.Nil(t, k.asks("a", false))
		req := k.request("a", 1)
		req.Book = true
		booked, told := k.admits(req), k.admits(req)
		require.True(t, booked.Booked)
		require.False(t, told.Booked)
		k.sleepUntil(30)
		assert.Equal(t, booked.Start, k.admits(req).Start)
		left := k.waitlist.Waiting(req.Hash, k.Now()+1000)
		require.NotNil(t, left)
		assert.Equal(t, told.Start, left.Start)
		assert.False(t, left.Early)
	})
}
