package app

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/openaisim"
)

// tagged has what is in a file have a tag, and answers who names it that nothing has changed, or, where changes says so,
// everybody.
type tagged struct {
	http.RoundTripper
	everybody bool
}

const theTag = `"of-this-content"`

func (c *tagged) RoundTrip(r *http.Request) (*http.Response, error) {
	content := strings.HasSuffix(r.URL.Path, "/content") || strings.HasSuffix(r.URL.Path, ":download")
	if content && (c.everybody || r.Header.Get("If-None-Match") == theTag || r.Header.Get("If-Modified-Since") != "") {
		return &http.Response{
			StatusCode: http.StatusNotModified, Header: http.Header{"Etag": {theTag}, "Cache-Control": {"private"}, "Set-Cookie": {"of=theirs"}},
			Body: io.NopCloser(strings.NewReader("")), Request: r,
		}, nil
	}
	resp, err := c.RoundTripper.RoundTrip(r)
	if err == nil && content {
		resp.Header.Set("Etag", theTag)
	}
	return resp, err
}

// Who has what is in a file is told that it is still the same, in the provider's own words; who hasn't said so is told
// nothing of the kind, nor is anybody of what isn't a file's content.
func TestAFileThatIsStillTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		at := make(map[string]*tagged)
		for host, next := range m.transport {
			at[host] = &tagged{RoundTripper: next}
			m.transport[host] = at[host]
		}
		hers, _ := m.upload(t, alice, "/openai/v1/files", "content")
		path := "/openai/v1/files/" + hers + "/content"
		whole := m.as(t, alice, "GET", path, "")
		require.Equal(t, http.StatusOK, whole.Code, whole.Body)
		assert.Equal(t, "content", whole.Body.String())
		require.Equal(t, theTag, whole.Header().Get("Etag"))

		for _, condition := range [][]string{{"If-None-Match", theTag}, {"If-Modified-Since", "Sun, 29 Nov 2026 04:00:49 GMT"}} {
			for _, method := range []string{"GET", "HEAD"} {
				same := m.as(t, alice, method, path, "", condition...)
				assert.Equal(t, http.StatusNotModified, same.Code, "%s %s: %s", method, condition, same.Body)
				assert.Empty(t, same.Body.String())
				assert.Equal(t, theTag, same.Header().Get("Etag"))
				assert.Equal(t, "private", same.Header().Get("Cache-Control"))
				assert.Empty(t, same.Header().Get("Set-Cookie"))
				assert.NotEmpty(t, same.Header().Get("X-Fluxgate-Key"))
			}
		}
		other := m.as(t, alice, "GET", path, "", "If-None-Match", `"of-another"`)
		assert.Equal(t, http.StatusOK, other.Code)
		assert.Equal(t, "content", other.Body.String())
		assert.Equal(t, http.StatusNotFound, m.as(t, bob, "GET", path, "", "If-None-Match", theTag).Code)

		at["api.openai.com"].everybody = true
		assert.Equal(t, http.StatusBadGateway, m.as(t, alice, "GET", path, "").Code, "nobody has said that it has it")
		m.transport["api.openai.com"] = answering(http.StatusNotModified, "")
		assert.Equal(t, http.StatusBadGateway, m.as(t, alice, "GET", "/openai/v1/files/"+hers, "", "If-None-Match", theTag).Code)
		m.transport["api.openai.com"] = at["api.openai.com"].RoundTripper
		m.openai.SetKey(openaisim.Key{Value: openAIKey, Project: "org-a", State: openaisim.Revoked})
		m.openai.SetKey(openaisim.Key{Value: otherKey, Project: "org-b", State: openaisim.Revoked})
		assert.NotEqual(t, http.StatusNotModified, m.as(t, alice, "GET", path, "", "If-None-Match", theTag).Code)
	})
}
