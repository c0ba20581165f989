package admission_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// fullPool returns a bench with one project of five requests a minute, all used.
func fullPool(t *testing.T) *bench {
	b := newBench(t, storage.NewMemory(time.Now), []string{"p"})
	five, unlimited := int64(5), scheduler.Unlimited
	b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &five, TPM: &unlimited, RPD: &unlimited}})
	ctl, err := admission.New(t.Context(), admission.Options{
		Store: b.shared, Rules: func(storage.Control) *scheduler.Rules { return b.rules },
	})
	require.NoError(t, err)
	b.Controller = ctl
	for range 5 {
		b.granted(b.others())
	}
	return b
}

// A caller without limits that sends eighty requests at once, whether it asks for
// bookings or not, leaves another that asks once a second its half, from the first window
// on.
func TestFloodLeavesOthersTheirShare(t *testing.T) {
	const minutes = 10
	for _, book := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := fullPool(t)
			type waiting struct {
				req admission.Request
				at  scheduler.Instant
			}
			var flood []waiting
			ask := func(req admission.Request) (granted bool, next scheduler.Instant) {
				grant, wait := b.admit(req)
				if grant != nil {
					return true, 0
				}
				return false, wait.Start
			}
			for range 80 {
				req := b.request()
				req.Book = book
				_, at := ask(req)
				flood = append(flood, waiting{req, at})
			}
			began, n, floods := b.Now(), 0, 0
			earliest := time.Duration(0)
			next := make([]admission.Request, 5)
			for i := range next {
				next[i] = b.others()
			}
			for b.Now().Sub(began) < minutes*time.Minute {
				time.Sleep(time.Second)
				for i := range flood {
					if w := &flood[i]; w.at != 0 && w.at <= b.Now() {
						granted, at := ask(w.req)
						if w.at = at; granted {
							floods++
						}
					}
				}
				for i := range next {
					if granted, _ := ask(next[i]); granted {
						if n++; n == 1 {
							earliest = b.Now().Sub(began)
						}
						next[i] = b.others()
					}
				}
			}
			t.Logf("booking %v: the other is served %d times, first after %v; the flood %d", book, n, earliest, floods)
			assert.GreaterOrEqual(t, n, 15)
			assert.LessOrEqual(t, earliest, 190*time.Second, "two windows later than alone")
			assert.GreaterOrEqual(t, floods, 20)
		})
	}
}
