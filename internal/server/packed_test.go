package server_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packed returns a text in a content coding.
func packed(t testing.TB, coding, text string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	default: // deflate as many understand it
		var err error
		w, err = flate.NewWriter(&b, flate.BestCompression)
		require.NoError(t, err)
	}
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// A packed body is read as what is in it, on every route, and goes upstream as that.
func TestPackedBodies(t *testing.T) {
	for coding, header := range map[string]string{
		"gzip": "gzip", "x-gzip": "X-GZIP", "deflate": "deflate", "raw": "Deflate", "identity": "identity, gzip",
	} {
		up, s := stubbed(nil)
		w := newWorld(t, s)
		if coding == "identity" {
			coding = "gzip"
		}
		for _, c := range []struct{ path, body, ending string }{
			{unaryPath, hello, ":generateContent"},
			{"/openai/v1/chat/completions", chat, "/chat/completions"},
		} {
			a := w.do("POST", c.path, packed(t, coding, c.body), "Content-Encoding", header)
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
			sent := up.only(t, c.ending)
			assert.Equal(t, c.body, string(sent.body))
			assert.EqualValues(t, len(c.body), sent.r.ContentLength)
			assert.Empty(t, sent.header.Get("Content-Encoding"))
		}
		w.do("POST", "/generate", packed(t, coding, body("hello", "")), "Content-Encoding", header).ok()
		assert.Equal(t, http.StatusOK, w.do("POST", "/plan", packed(t, coding, `{"tokens":1}`), "Content-Encoding", header).Code)
	}
}

// What isn't understood is refused with what is, and what is no such coding after all
// with 400. Nothing is sent.
func TestUnknownCodings(t *testing.T) {
	w := newWorld(t, setup{})
	for _, coding := range []string{"br", "zstd", "compress", "gzip, gzip", "aws-chunked"} {
		for _, path := range []string{unaryPath, "/openai/v1/chat/completions", "/generate", "/v1beta/cachedContents"} {
			a := w.do("POST", path, hello, "Content-Encoding", coding)
			assert.Equal(t, http.StatusUnsupportedMediaType, a.Code, coding)
			assert.Equal(t, "gzip, deflate", a.Header().Get("Accept-Encoding"))
			assert.Contains(t, a.Body.String(), "Content-Encoding")
		}
	}
	whole := packed(t, "gzip", hello)
	for _, broken := range []string{"", hello, whole[:len(whole)-9], whole + "x"} {
		w.do("POST", unaryPath, broken, "Content-Encoding", "gzip").failed(http.StatusBadRequest)
	}
	w.untouched()
}

// A body is as large as what comes out of it. Unpacking ends at the bound: a bomb
// costs no more than an honest body that is too large.
func TestBombsEndAtTheBound(t *testing.T) {
	w := newWorld(t, setup{env: []string{"FLUXGATE_MAX_BODY=64KiB"}})
	fits := strings.ReplaceAll(hello, "hello", strings.Repeat("a", 64<<10-len(hello)+len("hello")))
	require.Len(t, fits, 64<<10)
	assert.Equal(t, http.StatusOK, w.do("POST", unaryPath, packed(t, "gzip", fits), "Content-Encoding", "gzip").Code)

	bomb := &counted{Reader: strings.NewReader(packed(t, "gzip", strings.Repeat(" ", 64<<20)))} // 64 KiB of it
	all := bomb.Len()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://fluxgate.test"+unaryPath, bomb)
	require.NoError(t, err)
	r.Header.Set("Content-Encoding", "gzip")
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	answer{rec, t}.failed(http.StatusRequestEntityTooLarge)
	assert.Less(t, all-bomb.Len(), all/4, "it isn't read on")
	assert.Len(t, w.sim.Log(), 1)
}

// counted hides the length of a body.
type counted struct{ *strings.Reader }
