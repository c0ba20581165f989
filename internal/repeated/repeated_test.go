package repeated

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type body string

func (body) Tag() string    { return `W/"a"` }
func (body) Moment() string { return "2026-11-29T03:00:00.000Z" }

func TestWrite(t *testing.T) {
	for name, c := range map[string]struct {
		size        int
		accept, has string
		status      int
		packed      bool
	}{
		"small":             {10, "gzip", "", 200, false},
		"large":             {5000, "gzip, deflate", "", 200, true},
		"large, for all":    {5000, "*", "", 200, true},
		"large, plain":      {5000, "", "", 200, false},
		"not by gzip":       {5000, "br, gzip; q=0", "", 200, false},
		"less well":         {5000, "br;q=1.0, gzip;q=0.5", "", 200, true},
		"nonsense":          {5000, "gzip;q=x", "", 200, false},
		"known":             {5000, "gzip", `"a"`, 304, false},
		"known, among some": {5000, "gzip", `W/"b", W/"a"`, 304, false},
		"known, whatever":   {5000, "gzip", "*", 304, false},
		"another":           {5000, "", `"b"`, 200, false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", c.accept)
		r.Header.Set("If-None-Match", c.has)
		w := httptest.NewRecorder()
		require.NoError(t, Write(w, r, body(strings.Repeat("x", c.size)), nil))
		assert.Equal(t, "2026-11-29T03:00:00.000Z", w.Header().Get(NowHeader), name)
		assert.Equal(t, c.status, w.Code, name)
		assert.Equal(t, c.packed, w.Header().Get("Content-Encoding") == "gzip", name)
		assert.Equal(t, `W/"a"`, w.Header().Get("ETag"), name)
		assert.Equal(t, "Accept-Encoding", w.Header().Get("Vary"), name)
		if c.packed {
			assert.Less(t, w.Body.Len(), c.size/5)
		}
	}
}
