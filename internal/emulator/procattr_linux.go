package emulator

import (
	"os/exec"
	"syscall"
)

// setProcessGroup puts the command into a group of its own, out of reach of the terminal's Ctrl-C, so that this process
// decides when it ends; and has the kernel end it when this process is killed without having a chance to.
func setProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
