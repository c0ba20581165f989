//go:build !linux

package arrival

import "syscall"

func unacknowledged(syscall.RawConn) (int64, bool) { return 0, false }
