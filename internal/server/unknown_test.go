package server_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What isn't known is named, and goes nowhere.
func TestUnknownRoutesAreNamed(t *testing.T) {
	w := shared(t, nil)
	a := w.do("POST", "/v1beta/corpora/my-own-name/chunks/x:query", "{}", as(adminToken)...)
	assert.Equal(t, http.StatusNotFound, a.Code)
	assert.Contains(t, a.Body.String(), "POST /v1beta/corpora/…:query isn't known here.")
	assert.NotContains(t, a.Body.String(), "my-own-name")
	w.untouched()
}

// Where an operator wants it, what isn't known goes to one project as it is: for
// administrators, by a clean path, never below what is known.
func TestUnknownRoutesPass(t *testing.T) {
	up, s := stubbed(func(h heard) *http.Response { return respond(http.StatusOK, `{"name":"corpora/new"}`) })
	s.keys = projects("alpha", "beta")
	s.env = []string{
		"FLUXGATE_PASS_UNKNOWN=true", "FLUXGATE_TOKENS=alice:" + aliceToken, "FLUXGATE_ADMIN_TOKENS=root:" + adminToken, `FLUXGATE_CALLERS={"root":{"rpm":3}}`,
	}
	w := newWorld(t, s)
	for _, path := range []string{
		"/v1beta/models/x/permissions", "/v1beta/files/x/y", "/v1beta/Files/x", "/v1beta/cachedContents/x:y", "/v1beta/tunedModels/x/permissions",
		"/v1beta/corpora/..%2fx", "/v1beta/corpora/a%2fb", "/v1beta/corpora/a%00", "/v1beta/corpora/x:y:z", "/v1beta/openai/corpora", "/v2/corpora", "/v1beta/",
		"/v1beta/corpora//x/%2e%2e", "/upload/v1beta/corpora",
	} {
		a := w.do("POST", path, "{}", as(adminToken)...)
		assert.Contains(t, []int{http.StatusNotFound, http.StatusMovedPermanently, http.StatusTemporaryRedirect}, a.Code, path)
	}
	w.do("POST", "/v1beta/corpora", "{}", as(aliceToken)...).failed(http.StatusNotFound)
	assert.Empty(t, up.requests(""), "something went upstream")

	for range 3 {
		a := w.do("POST", "/v1alpha/corpora/x-1/chunks:query?pageSize=2&key="+adminToken, `{"a": 1,}`)
		require.Equal(t, http.StatusOK, a.Code, a.Body)
		assert.Equal(t, "1", a.Header().Get("X-Fluxgate-Key"), "always one project")
	}
	sent := up.requests("")[0]
	assert.Equal(t, "/v1alpha/corpora/x-1/chunks:query", sent.path)
	assert.Equal(t, "pageSize=2", sent.r.URL.RawQuery)
	assert.Equal(t, `{"a": 1,}`, string(sent.body))
	refused := w.do("POST", "/v1beta/corpora", "{}", as(adminToken)...)
	refused.failed(http.StatusTooManyRequests)
	assert.Len(t, up.requests(""), 3, "it counts on its caller's limits")
}

// Where Fluxgate only watches, nothing of it waits either.
func TestUnknownRoutesPassInShadow(t *testing.T) {
	_, s := stubbed(func(h heard) *http.Response { return respond(http.StatusOK, `{}`) })
	s.env = []string{"FLUXGATE_SHADOW=true", "FLUXGATE_PASS_UNKNOWN=true", "FLUXGATE_ADMIN_TOKENS=root:" + adminToken, `FLUXGATE_CALLERS={"root":{"rpm":1}}`}
	w := newWorld(t, s)
	for range 2 {
		a := w.do("POST", "/v1beta/corpora", "{}", as(adminToken)...)
		assert.Equal(t, http.StatusOK, a.Code, a.Body)
	}
}
