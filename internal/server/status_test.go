package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/storage"
)

// A statusOf is what these tests read of a status.
type statusOf struct {
	Keys     []map[string]any `json:"keys"`
	Projects []struct {
		Project string           `json:"project"`
		Models  []map[string]any `json:"models"`
	} `json:"projects"`
	Idle map[string]map[string]any `json:"idle"`
	Next string                    `json:"next"`
}

func names(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s-%04d", prefix, i)
	}
	return list
}

// A model that nothing is to be said of is said once, and not on every project.
func TestStatusLeavesOutIdleModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta", "gamma")})
		w.generate("hello", `"preferred_key":1`).ok()
		var whole, short statusOf
		w.do("GET", "/status?idle=true", "").decode(&whole)
		w.do("GET", "/status", "").decode(&short)
		assert.Empty(t, whole.Idle)
		listed := 0
		for i, p := range whole.Projects {
			require.NotEmpty(t, p.Models)
			for _, m := range p.Models {
				found := false
				for _, s := range short.Projects[i].Models {
					if s["model"] == m["model"] {
						assert.Equal(t, m, s)
						found = true
						listed++
					}
				}
				if !found {
					assert.Equal(t, m, short.Idle[m["model"].(string)], "it is as the idle one")
				}
			}
		}
		assert.Equal(t, 1, listed, "one model was used")
	})
}

// A status comes packed to who takes it so, and not again to who has it, until there is
// something to tell.
func TestStatusIsPackedAndNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects(names("project", 40)...)})
		a := w.do("GET", "/status", "", "Accept-Encoding", "br, gzip")
		require.Equal(t, "gzip", a.Header().Get("Content-Encoding"))
		z, err := gzip.NewReader(bytes.NewReader(a.Body.Bytes()))
		require.NoError(t, err)
		text, err := io.ReadAll(z)
		require.NoError(t, err)
		require.True(t, json.Valid(text))
		assert.Less(t, 5*a.Body.Len(), len(text))
		for _, accept := range []string{"", "identity", "gzip;q=0", "br"} {
			assert.Empty(t, w.do("GET", "/status", "", "Accept-Encoding", accept).Header().Get("Content-Encoding"), accept)
		}

		tag := a.Header().Get("ETag")
		require.NotEmpty(t, tag)
		synctestSleep(3 * time.Minute)
		again := w.do("GET", "/status", "", "If-None-Match", `"other", `+tag)
		assert.Equal(t, http.StatusNotModified, again.Code)
		assert.Empty(t, again.Body.Bytes())
		w.generate("hello", "").ok()
		again = w.do("GET", "/status", "", "If-None-Match", tag)
		assert.Equal(t, http.StatusOK, again.Code, "something was sent")
		tag = again.Header().Get("ETag")
		synctestSleep(2 * time.Minute)
		assert.Equal(t, http.StatusOK, w.do("GET", "/status", "", "If-None-Match", tag).Code, "its minute is over")
	})
}

// Pages of a status have all projects and keys between them, each once.
func TestStatusInPages(t *testing.T) {
	w := newWorld(t, setup{keys: projects(names("project", 25)...)})
	var found []string
	keys, after := 0, ""
	for range 10 {
		var page statusOf
		w.do("GET", "/status?limit=10&after="+after, "").decode(&page)
		for _, p := range page.Projects {
			found = append(found, p.Project)
		}
		keys += len(page.Keys)
		if after = page.Next; after == "" {
			break
		}
	}
	assert.Equal(t, names("project", 25), found)
	assert.Equal(t, 25, keys)
	for _, limit := range []string{"0", "-1", "x"} {
		w.do("GET", "/status?limit="+limit, "").failed(http.StatusBadRequest)
	}
}

// reading counts what a store would read of its database for who looks at it.
type reading struct {
	storage.Store
	reads   atomic.Int64
	control atomic.Int64 // when it was read last, in Unix milliseconds
}

func (r *reading) Refresh(ctx context.Context, ids []string, force bool) error {
	if force {
		r.reads.Add(int64(len(ids)))
	}
	return r.Store.Refresh(ctx, ids, force)
}

func (r *reading) Record(ctx context.Context, name string) ([]byte, error) {
	r.reads.Add(1)
	return r.Store.Record(ctx, name)
}

// within counts a read of the control document that is older than age.
func (r *reading) within(age time.Duration) {
	if now := time.Now().UnixMilli(); time.Duration(now-r.control.Load())*time.Millisecond >= age {
		r.control.Store(now)
		r.reads.Add(1)
	}
}

func (r *reading) Control(ctx context.Context) (storage.Control, error) {
	r.within(storage.ControlAge)
	return r.Store.Control(ctx)
}

func (r *reading) FreshControl(ctx context.Context) (storage.Control, error) {
	r.within(time.Second)
	return r.Store.FreshControl(ctx)
}

// A page that is left open for a day on eight projects leaves room in what is free for the
// requests of the day; who looks once, or changes something and looks, sees what is.
func TestAPageLeftOpenStaysWithinTheFreeDay(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &reading{Store: storage.NewMemory(nil)}
		w := newWorld(t, setup{keys: projects(names("project", 8)...), store: store})
		const hours = 2
		var first int64
		for i := range hours * 720 { // every 5 s
			require.Equal(t, http.StatusOK, w.do("GET", "/status", "").Code)
			if i%12 == 0 {
				require.Equal(t, http.StatusOK, w.do("GET", "/usage?window=24h&by=model,caller", "").Code)
			}
			if i == 720 {
				first = store.reads.Load()
			}
			synctestSleep(5 * time.Second)
		}
		perDay := 24 * (store.reads.Load() - first) / (hours - 1)
		t.Logf("a page left open on 8 projects reads %d documents a day of 50,000 that are free", perDay)
		// The day of the README's first table, 10,800 requests at 0.013 reads each; the control
		// document is counted above.
		assert.Less(t, perDay+140, int64(50_000))
		assert.Less(t, perDay, int64(45_000))
	})
}

// What /status takes on large pools, idle and with a request on every project, whole and as it is sent.
func TestStatusOfLargePools(t *testing.T) {
	t.Parallel()
	sizes := race.First(1, 120, 1000) // the last: as many keys as a pool may have
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, n := range sizes {
		w := newWorld(t, setup{keys: projects(names("project", n)...), env: []string{"FLUXGATE_LOG_LEVEL=error"}})
		measure := func(state string) {
			for _, c := range []struct{ name, query, accept string }{{"all models, plain", "?idle=true", ""}, {"as it is asked by the page", "", "gzip"}, {"a page of 50", "?limit=50", "gzip"}} {
				start := time.Now()
				a := w.do("GET", "/status"+c.query, "", "Accept-Encoding", c.accept)
				require.Equal(t, http.StatusOK, a.Code)
				t.Logf("%d projects, %s, %s: %d bytes, %v", n, state, c.name, a.Body.Len(), time.Since(start).Round(100*time.Microsecond))
			}
		}
		measure("idle")
		for i := range n {
			w.generate(fmt.Sprint("hello ", i), fmt.Sprintf(`"preferred_key":%d`, i+1)).ok()
		}
		measure("all used")
		whole := w.do("GET", "/status?idle=true", "").Body.Len()
		assert.Less(t, 10*w.do("GET", "/status", "", "Accept-Encoding", "gzip").Body.Len(), whole)
	}
}
