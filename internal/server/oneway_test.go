package server_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// countingStore counts how often it is looked at.
type countingStore struct {
	storage.Store
	controls, views atomic.Int64
}

func (s *countingStore) Control(ctx context.Context) (storage.Control, error) {
	s.controls.Add(1)
	return s.Store.Control(ctx)
}

func (s *countingStore) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	s.views.Add(1)
	return s.Store.View(ctx, ids)
}

// A warm request reads the control document once, and looks at the projects once
// for every time it is planned: a refusal is planned again after what may be stale
// was read.
func TestRequestLooksOnce(t *testing.T) {
	for name, c := range map[string]struct{ path, body string }{
		"generate": {"/generate", body("hello", `"mode":"flash_only"`)},
		"native":   {"/v1beta/models/" + flash + ":generateContent", hello},
		"auto":     {"/v1beta/models/auto:generateContent", hello},
		"stream":   {"/v1beta/models/" + flash + ":streamGenerateContent", hello},
		"openai":   {"/v1beta/openai/chat/completions", chat},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &countingStore{Store: storage.NewMemory(time.Now)}
				w := newWorld(t, setup{keys: projects("alpha", "beta", "gamma"), store: store})
				require.Equal(t, http.StatusOK, w.do("POST", c.path, c.body).Code, "the first request of the day keeps the history")
				store.controls.Store(0)
				store.views.Store(0)
				require.Equal(t, http.StatusOK, w.do("POST", c.path, c.body).Code)
				assert.EqualValues(t, 1, store.controls.Load(), "reads of the control document")
				assert.EqualValues(t, 1, store.views.Load(), "views of the projects")
			})
		})
	}
	t.Run("refusal", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := &countingStore{Store: storage.NewMemory(time.Now)}
			w := newWorld(t, setup{store: store, env: []string{`FLUXGATE_LIMITS={"gemini-2.5-pro":{"rpm":1}}`}})
			w.generate("one", `"mode":"pro_only"`).ok()
			store.controls.Store(0)
			store.views.Store(0)
			w.generate("two", `"mode":"pro_only"`).wait()
			assert.EqualValues(t, 1, store.controls.Load())
			assert.EqualValues(t, 2, store.views.Load())
		})
	})
}
