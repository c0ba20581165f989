package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/dispatch/pool"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/recent"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/storage"
)

// readings counts how often records are read.
type readings struct {
	resources.Records
	n atomic.Int64
}

func (r *readings) Record(ctx context.Context, name string) ([]byte, error) {
	r.n.Add(1)
	return r.Records.Record(ctx, name)
}

// A request may name thousands of items. Where they are is looked up for all of them at once, and not at all where
// there is one project alone.
func TestLookupsOfPartsAreBounded(t *testing.T) {
	records := &readings{Records: storage.NewMemory(nil)}
	registry := resources.New(resources.Options{Records: records, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Shared: true})
	response := resources.Resource{Name: "openai:responses/r", Project: "b", Parts: []string{"openai:items/known"}}
	require.NoError(t, registry.Made(t.Context(), "alice", response))
	names := []string{"openai:items/known"}
	for i := range 1000 {
		names = append(names, fmt.Sprint("openai:items/", i))
	}
	keysOf := func(projects ...string) *Pool {
		var list []keys.Key
		for _, project := range projects {
			list = append(list, keys.Key{Project: project, Fingerprint: project, Provider: "openai"})
		}
		return pool.New(list)
	}
	d := &Dispatcher{resources: registry, owners: recent.New[string, string](maxOwners)}
	records.n.Store(0)
	p, err := d.Owning(t.Context(), keysOf("b"), resources.Caller{}, names)
	require.NoError(t, err)
	assert.Equal(t, "b", p.Sole())
	assert.Zero(t, records.n.Load(), "there is but one project")

	p, err = d.Owning(t.Context(), keysOf("a", "b"), resources.Caller{}, names)
	require.NoError(t, err)
	assert.Equal(t, "b", p.Sole(), "where the one that is known is")
	assert.LessOrEqual(t, records.n.Load(), int64(2*16), "of each record, and once more for those that weren't found")
	_, err = d.Owning(t.Context(), keysOf("a", "b"), resources.Caller{}, names[1:])
	assert.Error(t, err, "none is known")
}
