package admission_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// An apart is a store as an instance sees it whose clock is apart from the
// others', and which knows that it may be off.
type apart struct {
	storage.Store
	clock *time.Duration // of whoever asks the shared store
	mine  time.Duration
	off   time.Duration // known bound of mine
}

func (s *apart) Now() scheduler.Instant {
	*s.clock = s.mine
	return s.Store.Now()
}

func (s *apart) Between() (earliest, latest scheduler.Instant) {
	now := scheduler.At(time.Now().Add(s.mine))
	return now.Add(-s.off), now.Add(s.off)
}

// instancesApart returns two benches over one store whose clocks are ahead by
// those times, and known to be off by no more.
func instancesApart(t *testing.T, here, there time.Duration) (*bench, *bench) {
	var clock time.Duration
	shared := storage.NewMemory(func() time.Time { return time.Now().Add(clock) })
	b := newBench(t, &apart{shared, &clock, here, here.Abs()}, []string{"p"})
	store := &apart{shared, &clock, there, there.Abs()}
	g, err := admission.New(t.Context(), admission.Options{Store: store, Rules: func(storage.Control) *scheduler.Rules { return b.rules }})
	require.NoError(t, err)
	other := *b
	other.Controller, other.shared = g, store
	return b, &other
}

// A holder that comes when it was told to is in time at every instance, however
// far apart their clocks are within what they know.
func TestHolderIsInTimeByEveryClock(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range [][2]time.Duration{{0, 0}, {40 * ms, 0}, {0, -40 * ms}, {40 * ms, -40 * ms}, {-40 * ms, 40 * ms}} {
		synctest.Test(t, func(t *testing.T) {
			here, there := instancesApart(t, c[0], c[1])
			here.granted(here.request())
			req := here.request()
			req.Book = true
			_, wait := here.admit(req)
			require.True(t, wait.Booked)
			time.Sleep(here.Left(wait))
			late := time.Since(wait.Start.Time())
			assert.GreaterOrEqual(t, late, time.Duration(0), "it has begun")
			assert.LessOrEqual(t, late, 2*c[0].Abs(), "and it isn't told more than the clock may be off")
			grant := there.granted(req)
			assert.True(t, grant.Booked)
			assert.GreaterOrEqual(t, grant.Reservation.Start, wait.Start, "it begins when its predecessor has ended")
		})
	}
}

// Whoever is early by more than that is told the rest.
func TestHolderIsEarlyByEveryClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := instancesApart(t, 0, -40*time.Millisecond)
		here.granted(here.request())
		req := here.request()
		req.Book = true
		_, wait := here.admit(req)
		time.Sleep(here.Left(wait) - 41*time.Millisecond)
		_, again := there.admit(req)
		require.NotNil(t, again)
		assert.True(t, again.Booked)
		assert.Equal(t, wait.Start, again.Start)
		time.Sleep(there.Left(again))
		assert.True(t, here.granted(req).Booked)
	})
}

// A wait for which nothing is kept stays a whole number of seconds.
func TestLeftOfWhatIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, _ := instancesApart(t, 40*time.Millisecond, 0)
		here.granted(here.request())
		_, wait := here.admit(here.request())
		require.False(t, wait.Booked)
		assert.Equal(t, 61*time.Second, here.Left(wait))
		time.Sleep(2 * time.Minute)
		assert.Equal(t, time.Millisecond, here.Left(wait), "never nothing")
	})
}

// While the claim of a holder is on its way to the database somebody books the
// slot behind it. The claim takes long, and the other is still in time.
func TestBookedBehindASlowClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: storage.NewMemory(time.Now)}
		b := newBench(t, slow, []string{"p"})
		b.granted(b.request())
		one := b.request()
		wait := b.booked(one)
		b.until(wait.Start)

		slow.commit.Store(int64(2 * time.Second))
		var wg sync.WaitGroup
		wg.Go(func() {
			grant := b.granted(one)
			assert.NoError(t, b.Settle(t.Context(), grant, 10, time.Now()))
		})
		synctest.Wait() // until it is applied, but not known to be durable
		slow.commit.Store(0)
		other := b.request()
		behind := b.booked(other)
		wg.Wait()
		assert.Equal(t, 2*time.Second, b.Now().Sub(wait.Start))
		b.until(behind.Start)
		assert.True(t, b.granted(other).Booked)
	})
}

// The same behind a request to which nothing was promised. Sent that late it
// would still count when the holder comes, so it isn't sent.
func TestSlowWalkInGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: storage.NewMemory(time.Now)}
		b := newBench(t, slow, []string{"p"})
		slow.commit.Store(int64(2 * time.Second))
		var wg sync.WaitGroup
		wg.Go(func() {
			wait := b.refused(b.request())
			assert.False(t, wait.Booked)
		})
		synctest.Wait()
		slow.commit.Store(0)
		holder := b.request()
		wait := b.booked(holder)
		assert.Equal(t, 61*time.Second, b.left(wait))
		wg.Wait()
		b.until(wait.Start)
		assert.True(t, b.granted(holder).Booked)
	})
}
