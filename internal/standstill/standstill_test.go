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
