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

// Who comes with its ticket and a larger request than was booked gets no room that another caller has booked: it is planned
// anew, as one that has returned. Where there is room beside that, it goes.
func TestALargerClaimBreaksNoBooking(t *testing.T) {
	for _, c := range []struct {
		tokens int64
		goes   bool
	}{{100, true}, {101, false}, {1000, false}} {
		synctest.Test(t, func(t *testing.T) {
			b := sharedTokens(t, 10, 1000)
			large := b.request()
			large.Demand.Tokens = 1000
			b.granted(large)
			small, other := b.request(), b.others()
			mine := b.booked(small)
			other.Demand.Tokens = 900
			theirs := b.booked(other)
			require.Equal(t, mine.Start, theirs.Start)

			b.until(mine.Start)
			grown := b.request()
			grown.Demand.Tokens, grown.Ticket = c.tokens, b.ticket(mine)
			if c.goes {
				b.granted(grown)
			} else {
				again := b.refused(grown)
				assert.Greater(t, b.left(again), time.Minute)
				assert.True(t, again.Booked)
			}
			b.until(theirs.Start + 5000)
			assert.True(t, b.granted(other).Booked, "until the end of its hold")
		})
	}
}

// sharedTokens returns a bench of several callers with one project of so many requests and tokens a minute.
func sharedTokens(t *testing.T, rpm, tpm int64) *bench {
	b := sharedPool(t, rpm)
	unlimited := scheduler.Unlimited
	b.rules.Policy = scheduler.NewPolicy([]string{first}, map[string]scheduler.Override{first: {RPM: &rpm, TPM: &tpm, RPD: &unlimited}})
	ctl, err := admission.New(t.Context(), admission.Options{Store: b.shared, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return b.rules }})
	require.NoError(t, err)
	b.Controller = ctl
	return b
}

// Who says that it comes at the millisecond, has been given no room for its being late, and is late, makes nobody else late: it
// goes where that leaves others what they have booked, or is booked anew. If all it delays is its own caller's, that is told the rest.
func TestALatePunctualHolderBreaksNoBooking(t *testing.T) {
	for _, c := range []struct {
		late time.Duration
		goes bool
	}{{0, true}, {500 * time.Millisecond, true}, {501 * time.Millisecond, false}, {5 * time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			b := sharedPool(t, 1)
			b.granted(b.request())
			late, other := b.request(), b.others()
			late.Punctual = true
			mine, theirs := b.booked(late), b.booked(other)
			require.Equal(t, 61*time.Second, theirs.Start.Sub(mine.Start))

			b.until(mine.Start.Add(c.late))
			if c.goes {
				b.granted(late)
			} else {
				assert.True(t, b.wait(late).Booked)
			}
			b.until(theirs.Start)
			assert.True(t, b.granted(other).Booked)
		})
	}
}
