package lateness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A booking is kept until the last of those comes that come like that, and none is made where
// that is longer than it takes after a window.
func TestHoldFits(t *testing.T) {
	for told := 2 * time.Second; told < 3*time.Minute; told += 1700 * time.Millisecond {
		last := (told + time.Second).Truncate(time.Second) / 2 // half of what Retry-After says
		assert.True(t, Spread(told, last), "%v", told)
		assert.False(t, Spread(told, last+3*time.Second), "%v", told)
		assert.GreaterOrEqual(t, Hold(told), last, "%v", told)
		assert.LessOrEqual(t, Hold(told), last+margin, "%v", told)
		assert.Equal(t, told < 68*time.Second, Keeps(told), "%v", told)
		assert.Zero(t, Hold(told)%time.Second, "it is stored in seconds")
	}
}

// Who comes as late as that each time starves after the fourth, whatever it was told, and who
// was told longer waits before only later.
func TestStarvesAfterAFew(t *testing.T) {
	for told := 2 * time.Second; told < 10*time.Minute; told += 1700 * time.Millisecond {
		assert.True(t, Starves(told, 4*told), "%v", told)
		assert.False(t, Starves(told, 2*(told+told/2)), "the second time, at the latest: %v", told)
		assert.False(t, Starves(4*told, 15*told), "%v", told)
	}
}
