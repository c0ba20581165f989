//go:build unix && !linux

package emulator

import (
	"os/exec"
	"syscall"
)

// setProcessGroup puts the command into a group of its own, out of reach of the terminal's Ctrl-C, so that this process
// decides when it ends.
func setProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
