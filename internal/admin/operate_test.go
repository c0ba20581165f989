package admin

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/usage"
)

// silent is a store that never answers.
type silent struct{}

func (silent) Record(ctx context.Context, _ string) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s silent) UpdateRecord(ctx context.Context, name string, _ func([]byte) ([]byte, error)) ([]byte, error) {
	return s.Record(ctx, name)
}

// An instance that is stopped has so much time, and still has to export after this.
func TestFlushUsageEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Admin{usage: usage.New(usage.Options{Records: silent{}, Now: time.Now}), log: slog.New(slog.DiscardHandler)}
		a.usage.Served(usage.Answer{For: usage.For{Model: "gemini-2.5-pro"}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		a.FlushUsage(ctx)
		assert.Equal(t, time.Second, time.Since(begun))
	})
}
