//go:build !unix

package emulator

import (
	"errors"
	"os"
	"os/exec"
)

// There are no process groups here, so only the process itself is stopped.

func setProcessGroup(*exec.Cmd) {}

func terminateGroup(p *os.Process) error { return killGroup(p) }

func killGroup(p *os.Process) error {
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
