package threadtime

import (
	"testing"
	"time"
)

// Of returns how long a processor has worked for the thread that asks, which is the test's own as long as that is
// locked to it. It skips the test where the system doesn't tell.
func Of(t *testing.T) time.Duration {
	t.Helper()
	used, ok := ofThread()
	if !ok {
		t.Skip("the system doesn't tell the time of a thread")
	}
	return used
}
