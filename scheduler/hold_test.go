package scheduler_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	. "fluxgate.dev/fluxgate/scheduler"
)

// A booking is kept for as long as it says, if that is longer than the rules do: until then
// nobody else gets its place, on whichever calendar it lies, and afterwards anybody does.
func TestBookingIsKeptForItsOwnHold(t *testing.T) {
	for _, c := range []struct{ own, kept time.Duration }{
		{0, 5 * time.Second}, {time.Second, 5 * time.Second}, {30 * time.Second, 30 * time.Second}, {time.Minute, time.Minute},
	} {
		d := newDesk(t, Limits{RPM: 10, TPM: Unlimited, RPD: Unlimited})
		d.rules.Specs = map[string]Spec{OfProject: {EffectiveLimits: EffectiveLimits{Limits: Limits{RPM: 1, TPM: Unlimited, RPD: Unlimited}}}}
		also := []Weight{{On: OfProject}}
		d.do(noon, Reserve{Model: "m", ID: 1, Also: also})
		b := d.do(noon, Reserve{Model: "m", ID: 2, Also: also, Book: true, Hold: c.own}).Booking
		last := b.Start.Add(c.kept)
		assert.Equal(t, last, b.Until(d.rules))
		for _, model := range []string{"m", "n"} {
			assert.Equal(t, Refused, d.do(last, Reserve{Model: model, ID: 3, Also: also}).Verdict, "%v", c.own)
		}
		p := d.p
		assert.Equal(t, Admitted, d.do(last, Reserve{Model: "m", ID: 4, Also: also, Booking: 2}).Verdict, "%v", c.own)
		d.p = p
		assert.Equal(t, Admitted, d.do(last+1, Reserve{Model: "n", ID: 5, Also: also}).Verdict, "%v", c.own)
	}
}

// drawHold draws for how long a booking is kept: mostly as long as usual.
func drawHold(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{0, 0, 0, time.Second, 12 * time.Second, 30 * time.Second, time.Minute}).Draw(t, "own hold")
}
