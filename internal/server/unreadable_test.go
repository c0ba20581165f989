package server_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// unreadableStore can't read the document of one project, as a store shows it that
// finds what a newer build wrote.
type unreadableStore struct {
	storage.Store
	project string
}

func (s *unreadableStore) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	states, err := s.Store.View(ctx, ids)
	for i, id := range ids {
		if err == nil && id == s.project {
			states[i] = &scheduler.Project{Unreadable: "version 9"}
		}
	}
	return states, err
}

// A document that can't be read costs its own project only, and the operator is
// told of it.
func TestUnreadableDocumentCostsItsProjectOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta"), store: &unreadableStore{storage.NewMemory(time.Now), "beta"}})
		for range 5 {
			w.generate("hello", `"mode":"pro_only"`).ok()
		}
		w.generate("hello", `"mode":"pro_only"`).wait()
		assert.NotContains(t, w.asked(projectOf), "beta")

		a := w.do("GET", "/status?idle=true", "")
		require.Equal(t, http.StatusOK, a.Code)
		var out struct {
			Keys []struct {
				Status string `json:"status"`
				Reason string `json:"reason"`
			} `json:"keys"`
			Projects []struct {
				Project    string `json:"project"`
				Unreadable string `json:"unreadable"`
			} `json:"projects"`
		}
		a.decode(&out)
		assert.Empty(t, out.Projects[0].Unreadable)
		assert.Equal(t, "version 9", out.Projects[1].Unreadable)
		assert.Equal(t, "healthy", out.Keys[0].Status)
		assert.Equal(t, "unknown", out.Keys[1].Status)
		assert.Contains(t, out.Keys[1].Reason, "can't be read")
	})
}
