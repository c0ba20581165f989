//go:build unix

package wait

import (
	"os"
	"syscall"

	"golang.org/x/term"
)

// passed are the signals that a command is passed.
var passed = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// forwards reports whether a signal is to be passed on. Those of a terminal's keys go to every process of the terminal's
// foreground, and a command that gets one twice takes it for impatience.
func forwards(s os.Signal) bool {
	keys := s == os.Interrupt || s == syscall.SIGQUIT
	return !keys || !term.IsTerminal(int(os.Stdin.Fd()))
}

// endedBy returns the number of the signal that ended a command.
func endedBy(state *os.ProcessState) (number int, ok bool) {
	if state == nil {
		return 0, false
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0, false
	}
	return int(status.Signal()), true
}
