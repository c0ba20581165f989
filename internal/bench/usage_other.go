//go:build !unix

package bench

import (
	"errors"
	"fmt"
)

func selfUsage() (Usage, error) {
	return Usage{}, fmt.Errorf("read usage: %w", errors.ErrUnsupported)
}
