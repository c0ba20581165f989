//go:build linux

package threadtime

import (
	"syscall"
	"time"
	"unsafe"
)

// ofThread returns how long a processor has worked for the thread that asks.
func ofThread() (used time.Duration, ok bool) {
	const clockThreadCPUTime = 3 // CLOCK_THREAD_CPUTIME_ID
	var at syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPUTime, uintptr(unsafe.Pointer(&at)), 0)
	return time.Duration(at.Nano()), errno == 0
}
