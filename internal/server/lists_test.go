package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
)

// page returns the names on a page of files, and its token for the next.
func (w *world) page(token string) (names []string, next string) {
	w.t.Helper()
	a := w.do("GET", "/v1beta/files?pageSize=2&pageToken="+url.QueryEscape(token), "")
	require.Equal(w.t, http.StatusOK, a.Code, a.Body)
	var page struct {
		Files []fileView `json:"files"`
		Next  string     `json:"nextPageToken"`
	}
	require.NoError(w.t, json.Unmarshal(a.Body.Bytes(), &page))
	for _, f := range page.Files {
		names = append(names, f.Name)
	}
	return names, page.Next
}

// everyFile lists all files as Google's SDKs for Python and JavaScript do, which take
// the first item of every page that a token has led them to: without one they fail.
func (w *world) everyFile() (names []string) {
	w.t.Helper()
	names, next := w.page("")
	for next != "" {
		var more []string
		more, next = w.page(next)
		require.NotEmpty(w.t, more, "an empty page that a token led to")
		names = append(names, more...)
	}
	return names
}

// However files are spread over projects, no page but the only one is empty. Case F2.
func TestListsEndWithoutAnEmptyPage(t *testing.T) {
	for _, spread := range [][]int{
		{1, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 1}, {0, 0, 1, 0, 0, 1, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 0}, {2, 0, 2, 0, 0, 0, 0, 0}, {0},
		{1}, {2}, {3}, {4, 0}, {0, 5}, {1, 1}, {3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		t.Run(fmt.Sprint(spread), func(t *testing.T) {
			names := make([]string, len(spread))
			want := 0
			for i, n := range spread {
				names[i] = fmt.Sprintf("project-%02d", i)
				want += n
			}
			w := listWorld(t, names, func(project, token int) string {
				left := spread[project] - token
				var files []string
				for i := range min(left, 2) {
					files = append(files, fmt.Sprintf(`{"name":"files/p%df%d"}`, project, token+i))
				}
				next := ""
				if left > 2 {
					next = fmt.Sprintf(`,"nextPageToken":"%d"`, token+2)
				}
				return `{"files":[` + strings.Join(files, ",") + `]` + next + `}`
			})
			assert.Len(t, w.everyFile(), want)
		})
	}
}

// listWorld is a world whose projects answer pages of files; a token is a number.
func listWorld(t *testing.T, names []string, answer func(project, token int) string) *world {
	keys := projects(names...)
	_, s := stubbed(func(h heard) *http.Response {
		for i, k := range keys {
			if h.header.Get("X-Goog-Api-Key") != k.Value {
				continue
			}
			token := 0
			_, _ = fmt.Sscan(h.r.URL.Query().Get("pageToken"), &token) // none is 0
			if body := answer(i, token); body != "" {
				return respond(http.StatusOK, body)
			}
			return respond(http.StatusServiceUnavailable, `{"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}`)
		}
		return nil
	})
	s.keys = keys
	return newWorld(t, s)
}

// Upstream itself may have empty pages that say that more follows, or that never
// stop to.
func TestListsPassOverEmptyPages(t *testing.T) {
	var asked atomic.Int64
	w := listWorld(t, []string{"alpha", "beta", "gamma"}, func(project, token int) string {
		asked.Add(1)
		switch {
		case project == 0 && token == 0:
			return `{"nextPageToken":"1"}`
		case project == 0 && token == 1:
			return `{"files":[{"name":"files/a"}]}`
		case project == 1:
			return fmt.Sprintf(`{"files":[],"nextPageToken":"%d"}`, token+1)
		case token < 3:
			return fmt.Sprintf(`{"nextPageToken":"%d"}`, token+1)
		}
		return `{"files":[{"name":"files/b"}]}`
	})
	assert.Equal(t, []string{"files/a", "files/b"}, w.everyFile())
	assert.Less(t, asked.Load(), int64(60))
}

// Where it can't be told whether something follows, the list doesn't end as if it
// were whole. A project that has no usable key has nothing to show.
func TestListsThatCannotBeWhole(t *testing.T) {
	down := true
	w := listWorld(t, []string{"alpha", "beta"}, func(project, _ int) string {
		switch {
		case project == 0:
			return `{"files":[{"name":"files/a"}]}`
		case down:
			return ""
		}
		return `{"files":[]}`
	})
	names, next := w.page("")
	assert.Equal(t, []string{"files/a"}, names)
	require.NotEmpty(t, next)
	w.do("GET", "/v1beta/files?pageToken="+next, "").failed(http.StatusServiceUnavailable)
	down = false
	assert.Equal(t, []string{"files/a"}, w.everyFile())

	w = stickyWorld(t, "alpha", "beta", "gamma")
	var last fileView
	for n := 0; last.Name == "" || w.ownerOf(last.Name) != "alpha"; n++ {
		require.Less(t, n, 100)
		last = w.upload(fmt.Sprint(n))
	}
	w.sim.SetKeyState(key(2, "").Value, credentials.Leaked)
	w.sim.SetKeyState(key(3, "").Value, credentials.Leaked)
	_ = w.do("GET", "/v1beta/files", "") // which finds that out
	assert.Contains(t, w.everyFile(), last.Name)

	// One that is passed over hides nothing of those behind it.
	w = stickyWorld(t, "alpha", "beta", "gamma")
	of := map[string]string{}
	for n := 0; of["alpha"] == "" || of["gamma"] == ""; n++ {
		require.Less(t, n, 100)
		last = w.upload(fmt.Sprint(n))
		of[w.ownerOf(last.Name)] = last.Name
	}
	w.do("POST", "/config", `{"disable_key":2}`)
	assert.Subset(t, w.everyFile(), []string{of["alpha"], of["gamma"]})

	w.sim.SetKeyState(key(1, "").Value, credentials.Leaked)
	w.sim.SetKeyState(key(3, "").Value, credentials.Leaked)
	_ = w.do("GET", "/v1beta/files", "")
	w.do("GET", "/v1beta/files", "").failed(http.StatusServiceUnavailable)
}
