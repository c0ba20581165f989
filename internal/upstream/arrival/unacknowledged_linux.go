package arrival

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unacknowledged returns how many bytes of a connection's the other side hasn't acknowledged: tcp(7), SIOCOUTQ, which is
// TIOCOUTQ by another name.
func unacknowledged(raw syscall.RawConn) (n int64, ok bool) {
	err := raw.Control(func(fd uintptr) {
		bytes, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
		n, ok = int64(bytes), err == nil
	})
	return n, ok && err == nil
}
