//go:build unix

package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"time"
)

// selfUsage returns what this process has used.
func selfUsage() (Usage, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	u := Usage{CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano())}
	// Where there is /proc it knows better: the peak that getrusage reports begins
	// with that of the process which this one was forked from.
	status, err := os.ReadFile("/proc/self/status")
	switch {
	case err == nil:
		var err2 error
		u.PeakBytes, err = memory(string(status), highWater)
		u.ResidentBytes, err2 = memory(string(status), resident)
		return u, errors.Join(err, err2)
	case !errors.Is(err, fs.ErrNotExist):
		return Usage{}, fmt.Errorf("read peak memory: %w", err)
	}
	u.PeakBytes = int64(r.Maxrss)
	if runtime.GOOS != "darwin" && runtime.GOOS != "ios" {
		u.PeakBytes <<= 10 // only there in bytes
	}
	u.ResidentBytes = u.PeakBytes
	return u, nil
}
