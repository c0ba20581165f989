package standstill

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// What takes its time is no standstill, though nothing happens.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := Begin()
		time.Sleep(10 * time.Second)
		seen := w.End()
		assert.Equal(t, Seen{Took: 10 * time.Second}, seen)
		assert.Equal(t, 10*time.Second, seen.Ran())
		assert.Equal(t, 7*time.Second, Seen{Took: 10 * time.Second, Longest: 2 * time.Second, Total: 3 * time.Second}.Ran())
	})
}

// What counts is that the Watch runs again much later than it wanted to.
func TestStandstills(t *testing.T) {
	const sec, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		after []time.Duration
		want  Seen
	}{
		{nil, Seen{}},
		{[]time.Duration{5 * ms, 5 * ms, ms}, Seen{Took: 11 * ms}},
		{[]time.Duration{54 * ms, 54 * ms}, Seen{Took: 108 * ms}}, // busy
		{[]time.Duration{5 * ms, 55 * ms}, Seen{Took: 60 * ms, Longest: 50 * ms, Total: 50 * ms}},
		{[]time.Duration{sec + 5*ms, 5 * ms, 2*sec + 5*ms}, Seen{Took: 3*sec + 15*ms, Longest: 2 * sec, Total: 3 * sec}},
	} {
		var seen Seen
		for _, after := range c.after {
			seen.ran(after)
		}
		assert.Equal(t, c.want, seen, c.after)
	}
}
