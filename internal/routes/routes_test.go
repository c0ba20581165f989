package routes

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Rows that a router would have to choose between are a mistake in the table, and so is one
// that says half of what others say.
func TestRowsAreWhole(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range Table {
		name := r.Method + " " + r.Told()
		assert.False(t, seen[name], "%s is there twice", name)
		seen[name] = true
		assert.Contains(t, []string{get, post, put, patch, remove}, r.Method, name)
		assert.False(t, strings.HasPrefix(r.Path, "/"), name)
		assert.True(t, strings.HasPrefix(r.Path, r.Names), "%s: the resource that it names is the beginning of its path", name)
		if r.Ends {
			assert.NotEmpty(t, r.Names, name)
		}
		if r.Counts != Free && r.Unserved == "" {
			assert.NotEqual(t, NoModel, r.Model, "%s: it is some model's quota", name)
		}
		assert.Equal(t, r.Base == Upload || r.Others && r.Method == post && (r.Path == "files" || r.Path == "uploads/{id}/parts"), r.Flow == Uploads, name)
		assert.False(t, r.Counts == Jobs && r.Model != InPath, "%s: the model of a job is in its path", name)
	}
	mux := http.NewServeMux()
	for _, s := range Shapes(Table) {
		for _, root := range s.Base.Roots() {
			assert.NotPanics(t, func() { mux.Handle(root+s.Pattern, http.NotFoundHandler()) }, s.Pattern)
		}
	}
}

func TestFind(t *testing.T) {
	var models Shape
	for _, s := range Shapes(Table) {
		if s.Pattern == "models/{call}" {
			models = s
		}
	}
	require.NotEmpty(t, models.Rows)
	for _, tt := range []struct {
		method, value, path string
		allow               []string
	}{
		{get, "gemini-2.5-pro", "models/{call}", nil},
		{post, "gemini-2.5-pro:generateContent", "models/{call}:generateContent", nil},
		{post, "gemini-2.5-pro:nonsense", "", nil},
		{get, "gemini-2.5-pro:generateContent", "", []string{post}},
		{post, "gemini-2.5-pro", "", []string{remove, get, patch}},
	} {
		row, names, allow := models.Find(tt.method, func(wildcard string) string {
			assert.Equal(t, "call", wildcard)
			return tt.value
		})
		assert.Equal(t, tt.allow, allow, tt.value)
		if assert.Equal(t, tt.path != "", row != nil, tt.value) && row != nil {
			assert.Equal(t, tt.path, row.Path)
			assert.Equal(t, []string{"gemini-2.5-pro"}, names)
			assert.Equal(t, "models/"+tt.value, row.Fill(names))
		}
	}
}

// What a path names is known by its name below a version, whichever API it is of.
func TestResource(t *testing.T) {
	assert.Equal(t, "interactions/x", Route{Path: "interactions/{id}/cancel", Names: "interactions/{id}"}.Resource([]string{"x"}))
	assert.Equal(t, "openai/videos/x", Route{Base: OpenAI, Path: "videos/{id}/content", Names: "videos/{id}", Under: "openai/videos/"}.Resource([]string{"x"}))
	for _, name := range []string{"x", "batches/x", "batches/x/cancel", "x/cancel"} {
		assert.Equal(t, "batches/x", Route{Base: OpenAI, Path: "batches/{id...}", Names: "batches/{id...}", Under: "batches/"}.Resource([]string{name}))
	}
	assert.Empty(t, Route{Path: "files"}.Resource(nil))
	item := Route{Base: OpenAI, Path: "conversations/{id}/items/{item}", Names: "conversations/{id}", Under: "conversations/"}
	assert.Equal(t, "conversations/x", item.Resource([]string{"x", "y"}))
	assert.Equal(t, "conversations/x/items/y", item.OtherPath("", []string{"x", "y"}))
	batch := Route{Base: Messages, Path: "messages/batches/{id}", Names: "messages/batches/{id}", Under: "messages/batches/"}
	assert.Equal(t, "v1/messages/batches/x", batch.OtherPath("", []string{"x"}))
	assert.Equal(t, "anthropic:v1/messages/batches/x", batch.KeptName("anthropic", batch.Resource([]string{"x"})))
	assert.Equal(t, "openai:conversations/x", item.KeptName("openai", "conversations/x"))
	assert.Equal(t, "conversations/x", item.KeptName("", "conversations/x"), "Gemini's are as they were")
	assert.Equal(t, "v1beta/openai/", OpenAI.Upstream())
	assert.Equal(t, "upload/v1beta/", Upload.Upstream())
}

// A path is named without what it names.
func TestSketch(t *testing.T) {
	for path, want := range map[string]string{
		"/v1beta/corpora": "/v1beta/corpora", "/v1beta/corpora/my-secret/chunks/x:query": "/v1beta/corpora/…:query", "/v1/things:do": "/v1/things:do",
		"/v1beta/s3cret-t0ken": "/v1beta/…", "/v1beta/corpora/x:s3cret": "/v1beta/corpora/…", "/corpora/x": "", "/v2/x": "", "/v1beta": "", "/": "",
	} {
		assert.Equal(t, want, Sketch(path), path)
	}
}

// What newer SDKs call than those that CI installs, which run on its version of Node.js: openai 7.59.0 and @google/genai 3.3.0
// of November 2026. Of each it is said why it isn't served, so nobody takes it for a slip in the path.
func TestNewerCallsAreKnown(t *testing.T) {
	mux := http.NewServeMux()
	for _, s := range Shapes(Table) {
		for _, root := range s.Base.Roots() {
			mux.HandleFunc(root+s.Pattern, func(w http.ResponseWriter, r *http.Request) {
				if row, _, _ := s.Find(r.Method, r.PathValue); row != nil {
					w.Header().Set("Unserved", row.Unserved)
				}
			})
		}
	}
	for _, call := range []string{
		"POST /v1beta/decisions", "POST /openai/v1/decisions", "POST /openai/v1/agents", "GET /openai/v1/agents/sessions/x/turns/x/items",
		"GET /openai/v1/vaults", "POST /openai/v1/vaults/x/credentials/x", "POST /openai/v1/live/sessions", "GET /openai/v1/live/sessions/x/content",
		"GET /openai/v1/safety/alerts/x", "GET /openai/v1/webhook_event_types", "POST /openai/v1/webhook_endpoints/x/test",
		"POST /openai/v1/audio/voices", "DELETE /openai/v1/audio/voices/x", "GET /openai/v1/audio/voice_consents", "POST /openai/v1/audio/voice_consents/x",
	} {
		method, path, _ := strings.Cut(call, " ")
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		assert.NotEmpty(t, rec.Header().Get("Unserved"), call)
	}
}
