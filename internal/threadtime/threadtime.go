// Package threadtime tells tests how long a processor has worked for them, which a busy machine
// makes no longer as it does what a clock shows.
package threadtime

import (
	"syscall"
	"testing"
	"time"
)

// Of returns how long a processor has worked for the thread that asks, which is the test's own as long as that is
// locked to it. It skips the test where the system doesn't tell.
func Of(t *testing.T) time.Duration {
	t.Helper()
	const thread = 1 // RUSAGE_THREAD of Linux
	var used syscall.Rusage
	if syscall.Getrusage(thread, &used) != nil {
		t.Skip("the system doesn't tell the time of a thread")
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
