package scheduler_test

import (
	"testing"
	"time"

	. "fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/scheduler/learned"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReached: a refusal that says which limit is reached, and not what it is, bounds it by what was sent up
// to then. What was sent later, or a window before, says nothing.
func TestReached(t *testing.T) {
	send := func(d *desk, now Instant, sizes ...int64) (last Result) {
		for i, n := range sizes {
			last = d.reserve(now.Add(time.Duration(i)*time.Second), n)
			require.Equal(d, Admitted, last.Verdict)
		}
		return last
	}
	refused := func(d *desk, now Instant, r Result, causes ...Cause) Limits {
		d.do(now, RecordRefusal{Model: "m", ID: r.Reservation.ID, Reached: causes})
		return d.limits(now).Limits
	}
	all := Limits{RPM: 40, TPM: 100_000, RPD: 1000}
	with := func(cause Cause, n int64) Limits {
		l := all
		switch cause {
		case ByRPM:
			l.RPM = n
		case ByTPM:
			l.TPM = n
		case ByRPD:
			l.RPD = n
		}
		return l
	}
	now := noon.Add(10 * time.Second)
	t.Run("requests", func(t *testing.T) {
		d := newDesk(t, all)
		r := send(d, noon, 1, 1, 1, 1)
		send(d, now, 1, 1)
		assert.Equal(t, with(ByRPM, 3), refused(d, now, r, ByRPM), "three were sent before it")
		assert.Equal(t, with(ByRPM, 3), d.limits(now.Add(learned.LearnedFor-time.Second)).Limits)
	})
	t.Run("others were on their way, and may have arrived before it", func(t *testing.T) {
		d := newDesk(t, all)
		d.rules.Skew = 500 * time.Millisecond
		first := d.reserve(noon, 1)
		r := d.reserve(noon.Add(time.Millisecond), 1)
		for i := range 8 {
			d.reserve(noon.Add(time.Duration(2+i)*time.Millisecond), 1)
		}
		d.do(now, Settle{Model: "m", ID: first.Reservation.ID, Reserved: first.Reservation, SentAt: noon})
		assert.Equal(t, with(ByRPM, 9), refused(d, now, r, ByRPM), "not the one that was admitted before it alone")
		d.do(now, Settle{Model: "m", ID: r.Reservation.ID, Reserved: r.Reservation, Tokens: -1, SentAt: noon + 3})
		assert.Equal(t, with(ByRPM, 9), refused(d, now, r, ByRPM))
	})
	t.Run("so low that somebody else has most of it", func(t *testing.T) {
		for cause, low := range map[Cause]Limits{
			ByRPM: {RPM: 3, TPM: all.TPM, RPD: all.RPD}, ByTPM: {RPM: all.RPM, TPM: 3, RPD: all.RPD}, ByRPD: {RPM: all.RPM, TPM: all.TPM, RPD: 3},
		} {
			d := newDesk(t, all)
			require.Equal(t, low, refused(d, now, send(d, noon, 1, 1, 1, 1), cause))
			l := d.p.Calendar("m").Learned
			assert.True(t, l.Limit(cause).Due(now), "%s: it is put to the test at once, not on the next day", cause)
			assert.True(t, l.Worth(now))
		}
	})
	t.Run("tokens", func(t *testing.T) {
		d := newDesk(t, all)
		// A hundredth less than there can be, or each further refusal would find out a few tokens more.
		assert.Equal(t, with(ByTPM, 69_299), refused(d, now, send(d, noon, 10_000, 20_000, 40_000), ByTPM))
		next := send(d, noon.Add(2*time.Minute), 30_000, 25_000)
		assert.Equal(t, with(ByTPM, 54_449), refused(d, now.Add(2*time.Minute), next, ByTPM), "more closely")
		assert.Equal(t, with(ByTPM, 54_449), refused(d, now.Add(4*time.Minute), send(d, noon.Add(4*time.Minute), 10_000), ByTPM), "alone it says nothing of what others leave")
	})
	t.Run("a day", func(t *testing.T) {
		d := newDesk(t, all)
		send(d, noon, 1, 1, 1)
		r := send(d, noon.Add(time.Hour), 1, 1)
		assert.Equal(t, with(ByRPD, 4), refused(d, noon.Add(time.Hour+time.Minute), r, ByRPD))
	})
	t.Run("several", func(t *testing.T) {
		d := newDesk(t, all)
		assert.Equal(t, Limits{RPM: 2, TPM: all.TPM, RPD: 2}, refused(d, now, send(d, noon, 1, 1, 1), ByRPM, ByRPD))
	})
	t.Run("nothing else was sent", func(t *testing.T) {
		d := newDesk(t, all)
		send(d, noon, 1, 1)
		later := noon.Add(2 * time.Minute)
		assert.Equal(t, all, refused(d, later, send(d, later, 1), ByRPM), "somebody else has used it up")
	})
	t.Run("it isn't known any more", func(t *testing.T) {
		d := newDesk(t, all)
		r := send(d, noon, 1, 1, 1)
		assert.Equal(t, all, refused(d, noon.Add(3*time.Minute), r, ByRPM))
		r.Reservation.ID = 0
		assert.Equal(t, all, refused(d, now, r, ByRPM))
	})
	t.Run("no lower than it is", func(t *testing.T) {
		d := newDesk(t, Limits{RPM: 3, TPM: 100_000, RPD: 1000})
		assert.Equal(t, Limits{RPM: 2, TPM: 100_000, RPD: 1000}, refused(d, now, send(d, noon, 1, 1, 1), ByRPM))
		assert.Equal(t, Limits{RPM: 2, TPM: 100_000, RPD: 1000}, refused(d, now, Result{}, ByRPM))
	})
	t.Run("many, of which the oldest are folded", func(t *testing.T) {
		d := newDesk(t, Limits{RPM: 1000, TPM: 1_000_000, RPD: 5000})
		sizes := make([]int64, 40)
		for i := range sizes {
			sizes[i] = 1
		}
		for i := range 4 {
			send(d, noon.Add(time.Duration(i)*time.Millisecond), sizes...)
		}
		r := d.reserve(noon.Add(45*time.Second), 1)
		assert.EqualValues(t, 160, refused(d, noon.Add(46*time.Second), r, ByRPM).RPM)
	})
}
