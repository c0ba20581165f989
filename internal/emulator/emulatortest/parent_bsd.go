//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package emulatortest

import (
	"errors"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// process identifies a process. Its start isn't known here, so one that reuses the ID is mistaken for it; then the
// emulator is kept until that one ends as well.
type process struct {
	PID    int
	Start  string // always empty
	GoTest bool   // whether it is the go command
}

// identify describes the process that has the ID now.
func identify(pid int) process {
	out, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	return process{PID: pid, GoTest: err == nil && path.Base(strings.TrimSpace(string(out))) == "go"}
}

// alive reports whether the process still exists.
func (p process) alive() bool {
	return !errors.Is(syscall.Kill(p.PID, 0), syscall.ESRCH)
}
