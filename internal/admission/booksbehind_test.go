package admission_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Where all are one caller, as without tokens, who asks for a booking at the first refusal is booked behind what was told to those
// that don't, so these go at the times that they were told. They were booked meanwhile what others had been told, and of ten that came
// when they were told to, beside thirty that book, none was served in ten minutes.
func TestWhoBooksLeavesTheTimesThatWereTold(t *testing.T) {
	race.Skip(t)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, storage.NewMemory(time.Now), []string{"p", "q"})
		ten, unlimited := int64(10), scheduler.Unlimited
		b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &ten, TPM: &unlimited, RPD: &unlimited}})
		type waiter struct {
			req admission.Request
			at  scheduler.Instant
		}
		all := make([]waiter, 40)
		next := func(i int) {
			all[i] = waiter{req: b.request(), at: b.Now()}
			all[i].req.Book = i < 30
		}
		for i := range all {
			next(i)
		}
		served, vain := [2]int{}, 0
		for began := b.Now(); b.Now().Sub(began) < 10*time.Minute; time.Sleep(time.Second) {
			for i := range all {
				w := &all[i]
				if w.at > b.Now() {
					continue
				}
				grant, wait := b.admit(w.req)
				switch {
				case grant == nil:
					if w.at = wait.Start; b.Now() > began && !w.req.Book {
						vain++
					}
				case w.req.Book:
					served[1]++
					next(i)
				default:
					served[0]++
					next(i)
				}
			}
		}
		t.Logf("served %d and of those that book %d, %d came in vain", served[0], served[1], vain)
		assert.GreaterOrEqual(t, served[0], 40)
		assert.GreaterOrEqual(t, served[0]+served[1], 190, "of 200")
	})
}

// Who asks for a booking is told by that no later than who doesn't.
func TestBookingAtTheFirstRefusalIsAtTheFirstRoom(t *testing.T) {
	inBubble(t, []string{"p"}, func(b *bench) {
		b.granted(b.request())
		req := b.request()
		req.Book = true
		assert.Equal(t, 61*time.Second, b.seconds(b.booked(req)))
		told := b.refused(b.request())
		require.False(t, told.Booked)
		later := b.request()
		later.Book = true
		assert.Greater(t, b.booked(later).Start, told.Start, "behind who was told a time")
	})
}
