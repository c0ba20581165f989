package app

import (
	"context"
	"errors"
	"time"
)

// closeTimeout bounds how long stopping one thing may take.
const closeTimeout = 10 * time.Second

// Close stops everything that Start started, last first.
func (a *App) Close(ctx context.Context) error {
	var problems []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i](ctx); err != nil {
			problems = append(problems, err)
		}
	}
	a.closers = nil
	return errors.Join(problems...)
}

func (a *App) onClose(f func(context.Context) error) { a.closers = append(a.closers, f) }
