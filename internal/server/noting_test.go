package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/noting"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/storage"
)

// counting counts what is read and written.
type counting struct {
	resources.Records
	reads, writes atomic.Int64
}

func (c *counting) Record(ctx context.Context, name string) ([]byte, error) {
	c.reads.Add(1)
	return c.Records.Record(ctx, name)
}

func (c *counting) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	c.writes.Add(1)
	return c.Records.UpdateRecord(ctx, name, change)
}

// What a response consists of is written with it, or once its stream tells, and nothing is read for that: nobody can
// know its items yet.
func TestItemsOfAResponse(t *testing.T) {
	route := &routes.Route{Method: http.MethodPost, Base: routes.OpenAI, Makes: []string{"id", "response.id"}, Parts: []string{"output.id", "response.output.id"}, Under: "responses/"}
	to := dispatch.Target{Key: keys.Key{Project: "alpha", Provider: "openai"}}
	for name, c := range map[string]struct {
		pieces []string
		writes int64
	}{
		"whole":  {[]string{`{"id":"resp_1","output":[{"id":"rs_1"},{"id":"msg_1"}]}`}, 1},
		"stream": {[]string{"data: {\"response\":{\"id\":\"resp_1\",\"output\":[]}}\n\n", "data: {\"response\":{\"id\":\"resp_1\",\"output\":[{\"id\":\"rs_1\"},{\"id\":\"msg_1\"}]}}\n\n"}, 2},
	} {
		records := &counting{Records: storage.NewMemory(nil)}
		registry := resources.New(resources.Options{Records: records, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
		n := noting.New(noting.Options{
			Dispatcher: dispatch.New(dispatch.Options{Resources: registry}), Logger: slog.New(slog.DiscardHandler), Route: route, Who: resources.Caller{Name: "alice"},
		})
		for _, piece := range c.pieces {
			n.See(t.Context(), to, []byte(piece))
		}
		assert.Equal(t, []string{"openai:responses/resp_1"}, n.Made(), name)
		assert.Zero(t, records.reads.Load(), name)
		assert.Equal(t, c.writes, records.writes.Load(), name)
		items := []string{"openai:items/rs_1", "openai:items/msg_1"}
		found, err := registry.Find(t.Context(), "alice", items)
		require.NoError(t, err)
		assert.Len(t, found, 2, name)
		found, err = registry.Find(t.Context(), "bob", items)
		require.NoError(t, err)
		assert.Empty(t, found, name)
	}
}
