package gcpsecrets

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/internal/secrets"
)

// The client on the wire is tested in package keys, which reads by it.

func TestDisabled(t *testing.T) {
	is := func(err error) bool { return errors.Is(err, secrets.ErrDisabled) }
	disabled := status.Error(codes.FailedPrecondition, "Secret Version is in DISABLED state.")
	err := withAdvice(disabled)
	assert.True(t, is(err))
	assert.True(t, is(fmt.Errorf("read S: %w", err)))
	assert.EqualError(t, err, "is the version disabled or destroyed? "+disabled.Error(), "the text is as it was")
	assert.Equal(t, codes.FailedPrecondition, status.Code(err), "and so is the status")
	// A name that is wrong, or a role that was lost, takes nothing back.
	for _, code := range []codes.Code{codes.NotFound, codes.PermissionDenied, codes.Unavailable} {
		assert.False(t, is(withAdvice(status.Error(code, ""))), code)
	}
	assert.False(t, is(withAdvice(errors.New("x"))))
}
