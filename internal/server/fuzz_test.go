package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"fluxgate.dev/fluxgate/internal/geminisim"
)

// strict looks at what goes upstream while a fuzzer is at work.
type strict struct {
	t    *testing.T
	next http.RoundTripper
}

// allowedUpstream are the beginnings of the only paths that upstream is asked
// for.
var allowedUpstream = []string{
	"/v1beta/models", "/v1beta/files", "/v1beta/cachedContents", "/upload/v1beta/files", "/v1beta/openai/",
	"/v1alpha/models", "/v1alpha/files", "/v1alpha/cachedContents", "/upload/v1alpha/files",
}

// RoundTrip implements http.RoundTripper.
func (s *strict) RoundTrip(r *http.Request) (*http.Response, error) {
	path := r.URL.EscapedPath()
	known := false
	for _, p := range allowedUpstream {
		known = known || strings.HasPrefix(path, p)
	}
	switch {
	case r.URL.Scheme != "https" || r.URL.Host != "generativelanguage.googleapis.com" || r.Host != "" && r.Host != r.URL.Host:
		s.t.Errorf("another host: %s", r.URL)
	case !known || strings.ContainsAny(path, "%\\?#") || strings.Contains(path, "..") || strings.Contains(path, "//"):
		s.t.Errorf("another path: %s", r.URL)
	case r.URL.Query().Has("key"):
		s.t.Errorf("a second credential: %s", r.URL)
	}
	credentials := len(r.Header["X-Goog-Api-Key"]) + len(r.Header["Authorization"])
	if credentials != 1 || len(r.Header["Cookie"]) > 0 {
		s.t.Errorf("%d credentials", credentials)
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Fluxgate") {
			s.t.Errorf("header %s goes upstream", name)
		}
	}
	return s.next.RoundTrip(r)
}

// FuzzServe sends anything to any route. Whatever comes: an answer with a status,
// nothing to anybody but Gemini, and no panic.
func FuzzServe(f *testing.F) {
	for _, file := range corpus(f, "*.request.json") {
		path := unaryPath
		if strings.HasPrefix(file, "openai") {
			path = "/openai/v1/chat/completions"
		}
		f.Add("POST", path, "alt=sse", "X-Fluxgate-Fallback", "chain", golden(f, file))
		f.Add("POST", "/v1beta/models/auto:streamGenerateContent", "", "X-Fluxgate-Max-Wait", "0", golden(f, file))
	}
	f.Add("POST", "/v1beta/models/gemini-embedding-001:batchEmbedContents", "", "", "", `{"requests":[{"content":{"parts":[{"text":"x"}]}}]}`)
	f.Add("POST", "/openai/v1/embeddings", "", "", "", `{"model":"gemini-embedding-001","input":["x"]}`)
	f.Add("POST", "/v1beta/cachedContents", "", "", "", `{"model":"models/gemini-2.5-flash","contents":[]}`)
	f.Add("POST", "/upload/v1beta/files", "fluxgate_project=alpha&upload_id=1", "X-Goog-Upload-Command", "start", `{}`)
	f.Add("GET", "/v1beta/files", "pageToken=0.x&pageSize=1", "Connection", "x-goog-api-client", "")
	f.Add("DELETE", "/v1beta/files/%2e%2e%2fx", "", "Authorization", "Bearer x", "")
	f.Add("PATCH", "/v1/cachedContents/x", "updateMask=ttl&key=y", "Cookie", "a=b", "{}")
	f.Add("POST", "/generate", "", "X-Fluxgate-Ticket", "v1.x", `{"prompt":"hello","images":["data:image/png;base64,iVBORw0KGgo="]}`)
	for _, body := range lenientBodies {
		f.Add("POST", unaryPath, "", "Content-Type", "application/x-www-form-urlencoded", body)
	}
	f.Add("POST", "/openai/v1/chat/completions", "", "Content-Encoding", "gzip", packed(f, "gzip", "{model:'auto',messages:[{role:'user',content:'hi'},]}"))
	f.Add("POST", unaryPath, "", "Content-Encoding", "deflate", packed(f, "deflate", `{/* "files/a" */}`))
	f.Add("POST", "//v1beta/upload/v1alpha/files", "", "X-Forwarded-Host", "evil.test", `{}`)
	f.Add("POST", "/v1/v1beta/openai/chat/completions", "", "Forwarded", `host="evil.test";proto=https`, chat)
	f.Add("GET", "/v1/models/", "", "Authorization", "Bearer x", "")
	f.Add("GET", "//evil.test/..;/v1beta/models?x", "", "", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, name, value, body string) {
		w := newWorld(t, setup{
			keys: projects("alpha", "beta"), env: []string{"FLUXGATE_MAX_BODY=64KiB", "FLUXGATE_LOG_LEVEL=error"},
			wrap: func(next http.RoundTripper) http.RoundTripper { return &strict{t, next} },
			sim:  func(c *geminisim.Config) { c.MaxOutputTokens = 100 },
		})
		target, err := url.ParseRequestURI(path)
		if err != nil {
			return // net/http doesn't let it in either
		}
		if query != "" {
			target.RawQuery = query
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://fluxgate.test/", strings.NewReader(body))
		if err != nil {
			return
		}
		r.URL, r.RequestURI, r.Host = target, path, "fluxgate.test"
		if name != "" {
			r.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		if rec.Code < 200 || rec.Code > 599 {
			t.Errorf("status %d", rec.Code)
		}
		if _, err := io.ReadAll(rec.Result().Body); err != nil {
			t.Error(err)
		}
		if rec.Code == http.StatusInternalServerError {
			t.Errorf("%s %s: %s", method, path, rec.Body)
		}
	})
}
