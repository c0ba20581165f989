//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package emulatortest

import (
	"context"
	"fmt"
	"io"

	"fluxgate.dev/fluxgate/internal/emulator"
)

// join can't share an emulator between processes here, for want of file locks that end with their holder.
func join(context.Context) (string, io.Closer, error) {
	return "", nil, fmt.Errorf("%w by tests on this system: start one", emulator.ErrNotInstalled)
}
