package lateness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// How late holders come is their habit; what commits take is chance, of which
// more is to come.
func TestSlack(t *testing.T) {
	const hold = 5 * time.Second
	type use struct{ late, took time.Duration }
	for name, c := range map[string]struct {
		use
		want time.Duration
	}{
		"all in time":    {use{}, lateMargin},
		"one came late":  {use{late: 2 * time.Second}, 2*time.Second + lateMargin},
		"slow commit":    {use{took: time.Second}, 1500*time.Millisecond + lateMargin},
		"both":           {use{late: time.Second, took: time.Second}, 2500*time.Millisecond + lateMargin},
		"as late as can": {use{late: hold}, hold},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewHolders(hold)
			assert.Equal(t, hold, p.Slack(), "nothing is known yet")
			p.Used(c.late, c.took)
			for range 127 {
				p.Used(0, 0)
			}
			assert.Equal(t, c.want, p.Slack())
			p.Used(0, 0)
			assert.Equal(t, lateMargin, p.Slack(), "the 128 last are remembered")
		})
	}
}
