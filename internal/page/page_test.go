package page

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func get(t *testing.T, method string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	r.Header = header
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	w := get(t, http.MethodGet, http.Header{})
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	assert.Equal(t, "no-cache", w.Header().Get("Cache-Control"))
	assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	assert.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"))
	assert.Greater(t, w.Body.Len(), 30_000)

	again := get(t, http.MethodGet, http.Header{"If-None-Match": {w.Header().Get("ETag")}})
	assert.Equal(t, http.StatusNotModified, again.Code)
	assert.Zero(t, again.Body.Len())

	head := get(t, http.MethodHead, http.Header{})
	assert.Equal(t, http.StatusOK, head.Code)
	assert.Zero(t, head.Body.Len())
}

// The policy allows the page's own style and script by their hashes, and nothing
// else at all.
func TestPolicy(t *testing.T) {
	w := get(t, http.MethodGet, http.Header{})
	policy := w.Header().Get("Content-Security-Policy")
	html := w.Body.String()
	for name, element := range map[string]string{"script-src": "script", "style-src": "style"} {
		texts := regexp.MustCompile(`(?s)<`+element+`[^>]*>(.*?)</`+element+`>`).FindAllStringSubmatch(html, -1)
		require.Len(t, texts, 1, "there is one %s, and its text ends where it seems to", element)
		require.NotEmpty(t, strings.TrimSpace(texts[0][1]))
		sum := sha256.Sum256([]byte(texts[0][1]))
		assert.Contains(t, strings.Split(policy, "; "), name+" 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	for _, part := range []string{"default-src 'none'", "form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'", "connect-src 'self'"} {
		assert.Contains(t, strings.Split(policy, "; "), part)
	}
	assert.NotContains(t, policy, "unsafe")
	assert.NotContains(t, policy, "*")
}

// What isn't in the page can't be got around by a browser that knows no policy.
func TestNothingFromOutside(t *testing.T) {
	html := string(served().html)
	for _, found := range regexp.MustCompile(`https?://[^\s'"]+`).FindAllString(html, -1) {
		assert.Equal(t, "http://www.w3.org/2000/svg", found, "the name of a namespace is all that may look like an address")
	}
	for _, never := range []string{
		"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser", "localStorage", "<link rel=\"stylesheet\"", "@import", " style=\"",
	} {
		assert.NotContains(t, html, never)
	}
	assert.Empty(t, regexp.MustCompile(`<[^>]*\son[a-z]+\s*=`).FindString(html), "a handler in an attribute")
}

// A part that isn't in the list would be embedded for nothing.
func TestEveryPartIsServed(t *testing.T) {
	entries, err := files.ReadDir("js")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		assert.Less(t, strings.Count(read("js/"+e.Name()), "\n"), 450, e.Name())
	}
	assert.ElementsMatch(t, slices.Clone(scripts), names)
	assert.Less(t, strings.Count(read("page.css"), "\n"), 450)
}
