package storage

import (
	"context"
	"errors"
	"fmt"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

// errUnreadable means that the document of a project can't be read by this build:
// it is damaged, or another build wrote it.
var errUnreadable = errors.New("the state can't be read")

// refusal carries an error of the caller's own through the database's retries.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }

// unavailable wraps an error of the database as ErrUnavailable. An error of the
// caller's own stays what it is. A deadline of the store's own does not match
// context.DeadlineExceeded, which would tell the caller that its time was up.
func unavailable(operation string, err error) error {
	var own *refusal
	switch {
	case errors.As(err, &own):
		return own.err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w: %v", operation, ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w: %w", operation, ErrUnavailable, err)
}

// ended says that the caller's context ended, and of what.
func ended(operation string, ctx context.Context) error {
	return fmt.Errorf("%s: %w", operation, context.Cause(ctx))
}

// errGaveUp is why an operation ends that has taken Options.GiveUp.
var errGaveUp = fmt.Errorf("%w: it gave no answer in time", ErrUnavailable)

// check refuses a change that would make a project's document too large to be
// written, with all that is waiting for the same commit.
func check(change scheduler.Change) error {
	r, _ := change.(scheduler.Reserve)
	if len(r.Model) > codec.MaxModelName {
		return fmt.Errorf("reserve: a model name of %d bytes: at most %d", len(r.Model), codec.MaxModelName)
	}
	for _, w := range r.Also {
		if len(w.On) > codec.MaxModelName {
			return fmt.Errorf("reserve: a calendar's name of %d bytes: at most %d", len(w.On), codec.MaxModelName)
		}
	}
	return nil
}
