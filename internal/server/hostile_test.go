package server_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

// A token of 10 MB is a wrong one, wherever it stands: it is refused at once, and none
// of it is repeated or logged. (A server refuses such a header before, see
// TestHugeHeader.)
func TestHugeTokens(t *testing.T) {
	race.Skip(t)
	w := newWorld(t, setup{env: []string{
		"FLUXGATE_TOKENS=alice:" + aliceToken, "FLUXGATE_JOBS_ACCOUNT=jobs@p.iam.gserviceaccount.com", "FLUXGATE_JOBS_AUDIENCE=https://gate.example",
	}})
	huge := strings.Repeat("hunter22", 10<<20/8)
	before := ownCPU(t)
	for name, c := range map[string]struct {
		path   string
		header []string
	}{
		"Google's":         {"/status", []string{"X-Goog-Api-Key", huge}},
		"Bearer":           {"/status", []string{"Authorization", "Bearer " + huge}},
		"an identity":      {"/status", []string{"Authorization", "Bearer e30." + huge + ".x"}},
		"Basic":            {"/status", []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+huge))}},
		"broken Basic":     {"/status", []string{"Authorization", "Basic " + huge + "?"}},
		"our own":          {"/status", []string{"X-Fluxgate-Token", huge}},
		"the query":        {"/status?key=" + huge, nil},
		"many in a query":  {"/status?" + strings.Repeat("key=hunter22&", 10_000), nil},
		"an upload's":      {"/upload/v1beta/files?upload_id=1&fluxgate_until=99999999999&fluxgate_caller=alice&fluxgate_claim=" + huge, []string{"X-Goog-Upload-Command", "query"}},
		"an ephemeral one": {"/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained?access_token=auth_tokens/" + huge, nil},
		"a ticket":         {"/tickets/" + huge, []string{"X-Goog-Api-Key", aliceToken}},
	} {
		method := "POST"
		switch name {
		case "an ephemeral one":
			method = "GET"
		case "a ticket":
			method = "DELETE"
		}
		a := w.do(method, c.path, "", c.header...)
		assert.Contains(t, []int{http.StatusUnauthorized, http.StatusBadRequest}, a.Code, name)
		assert.Less(t, a.Body.Len(), 4<<10, name)
		assert.NotContains(t, a.Body.String(), "hunter22", name)
	}
	// As a ticket of a request it is none.
	a := w.generate("hello", "", "X-Goog-Api-Key", aliceToken, "X-Fluxgate-Ticket", huge)
	assert.Equal(t, http.StatusOK, a.Code)
	assert.NotContains(t, w.logs.String(), "hunter22")
	assert.Less(t, ownCPU(t)-before, 20*time.Second)
}

// JSON a million levels deep is refused everywhere, before a slot is taken for it, and takes
// neither long nor the stack: encoding/json itself ends at 10,000.
func TestDeepJSON(t *testing.T) {
	const levels = 1_000_000
	w := newWorld(t, setup{})
	before := ownCPU(t)
	for name, body := range map[string]string{
		"objects":         strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels),
		"arrays":          `{"contents":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + "}",
		"unclosed":        `{"contents":` + strings.Repeat("[", levels) + "}",
		"not of the kind": `{'contents':` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + ",}",
		"10,000":          `{"contents":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + "}",
		"without names":   `{a:` + strings.Repeat("{a:", levels) + strings.Repeat("}", levels) + "}",
	} {
		for _, path := range []string{
			"/generate", "/plan", "/config", "/reset", unaryPath, streamPath, "/v1beta/models/gemini-2.5-pro:countTokens", "/v1beta/cachedContents",
			"/v1beta/models/" + embedder + ":batchEmbedContents", "/openai/v1/chat/completions", "/openai/v1/embeddings", interactionsPath,
		} {
			a := w.do("POST", path, body)
			assert.Equal(t, http.StatusBadRequest, a.Code, "%s %s: %s", name, path, a.Body)
			assert.Less(t, a.Body.Len(), 4<<10)
		}
	}
	assert.Less(t, ownCPU(t)-before, 40*time.Second)
	w.untouched()
	assert.Empty(t, w.sim.RequestLog(), "something was sent upstream")
}

// What is small on the wire doesn't become large in memory: a request holds a few times
// the bound for bodies at most, whatever it sends.
func TestBombsTakeLittleMemory(t *testing.T) {
	w := newWorld(t, setup{env: []string{"FLUXGATE_MAX_BODY=1MiB"}})
	bomb := packedBlanks(t, "gzip", 2048) // 2 GiB
	bombs := []struct{ body, coding string }{
		{bomb, "gzip"}, {packed(t, "gzip", bomb), "gzip, gzip"}, {packedBlanks(t, "deflate", 256), "deflate"}, {strings.Repeat("x", 2<<20), ""},
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, c := range bombs {
		a := w.do("POST", unaryPath, c.body, "Content-Encoding", c.coding)
		assert.Contains(t, []int{http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}, a.Code, "%s: %s", c.coding, a.Body)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(bombs)*4<<20), "all that was ever taken for them")
	w.untouched()
}

// Where a request ends isn't left to two readers to disagree about: what says it twice
// or wrongly is refused, and a second request hidden in the first is none.
func TestSmuggling(t *testing.T) {
	up, s := stubbed(func(heard) *http.Response { return respond(http.StatusOK, `{"totalTokens":1}`) })
	w := newWorld(t, s)
	addr := w.serve()
	const count = "/v1beta/models/gemini-2.5-pro:countTokens"
	hidden := "DELETE /v1beta/files/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
	post := "POST " + count + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	n := strconv.Itoa(len(hello))
	for name, request := range map[string]string{
		"two lengths":              post + "Content-Length: 0\r\nContent-Length: " + n + "\r\n\r\n" + hello,
		"a list of lengths":        post + "Content-Length: 0, " + n + "\r\n\r\n" + hello,
		"a signed length":          post + "Content-Length: +" + n + "\r\n\r\n" + hello,
		"a hexadecimal length":     post + "Content-Length: 0x3\r\n\r\n{} ",
		"an unknown coding":        post + "Transfer-Encoding: xchunked\r\n\r\n" + hello,
		"two codings":              post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		"a coding twice":           post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a blank before the colon": post + "Content-Length : " + n + "\r\n\r\n" + hello,
		"a folded header":          post + "X-A: b\r\n\tContent-Length: 0\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		"a broken chunk":           post + "Transfer-Encoding: chunked\r\n\r\n2z\r\n{}\r\n0\r\n\r\n",
		"a negative chunk":         post + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
		"a huge chunk":             post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n{}\r\n0\r\n\r\n",
		"no host":                  "POST " + count + " HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
		"two hosts":                "POST " + count + " HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
		"a NUL in a header":        post + "X-A: \x00\r\nContent-Length: 0\r\n\r\n",
	} {
		status, _ := raw(t, addr, request)
		assert.Contains(t, []int{http.StatusBadRequest, http.StatusNotImplemented}, status, name)
	}
	assert.Empty(t, up.requests(""), "something went upstream")
	// Both a length and chunks: the chunks count (RFC 9112, section 6.3). What follows is a
	// request by itself, which its sender has no token for.
	guardedUp, s := stubbed(func(heard) *http.Response { return respond(http.StatusOK, `{"totalTokens":1}`) })
	s.env = append(s.env, "FLUXGATE_TOKENS=alice:"+aliceToken)
	addr = newWorld(t, s).serve()
	hers := "POST " + count + " HTTP/1.1\r\nHost: localhost\r\nX-Goog-Api-Key: " + aliceToken + "\r\n"
	for _, request := range []string{
		hers + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + hidden,
		hers + "Content-Length: " + strconv.Itoa(len(hidden)) + "\r\n\r\n" + hidden + hidden,
		hers + "Transfer-Encoding: chunked\r\nTrailer: X-Goog-Api-Key, X-Hidden\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\nX-Goog-Api-Key: another\r\nX-Hidden: smuggled\r\n\r\n",
	} {
		status, _ := raw(t, addr, request)
		assert.Contains(t, []int{http.StatusOK, http.StatusBadRequest, http.StatusNotFound}, status, "as a body it names a file")
	}
	// Nor is it answered where it has a token of its own: the connection ends with the first.
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, hers+"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"+
		"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	all, _ := io.ReadAll(conn) // its end may be a reset
	assert.Equal(t, 1, strings.Count(string(all), "HTTP/1.1 "), "%s", all)
	assert.Contains(t, string(all), "\r\nConnection: close\r\n")
	for _, h := range guardedUp.requests("") {
		assert.Equal(t, "POST", h.method, "the hidden request was served")
		assert.Equal(t, int64(len(h.body)), h.r.ContentLength, "upstream is told one length")
		assert.Empty(t, h.r.TransferEncoding)
		assert.Empty(t, h.r.Trailer)
		assert.Empty(t, h.header.Get("Trailer")+h.header.Get("X-Hidden"), "trailers end here")
		assert.NotContains(t, string(h.body), "smuggled")
	}
}

// In open mode a page whose host name was made to point here is refused, whatever it
// asks with, as is whatever comes through a proxy. Case H.
func TestRebinding(t *testing.T) {
	w := newWorld(t, setup{})
	open := w.openInstance()
	for _, path := range []string{"/status", "/metrics", "/v1beta/models", "/v1beta/files", "/health"} {
		for _, header := range [][]string{
			{"Host", "evil.example"}, {"Host", "evil.example:8080"}, {"Host", "127.0.0.1.evil.example"}, {"Host", "localhost.evil.example"}, {"Host", "192.168.0.7"},
			{"Host", "localhost", "X-Forwarded-For", "203.0.113.9"}, {"Host", "localhost", "X-Forwarded-Proto", "https"}, {"Host", "localhost", "Via", "1.1 tunnel"},
			{"Host", "localhost", "Origin", "https://evil.example"}, {"Host", "localhost", "Sec-Fetch-Site", "cross-site"},
		} {
			a := askHost(t, open, path, header...)
			if path == "/health" {
				assert.Equal(t, http.StatusOK, a.Code)
				continue
			}
			assert.Equal(t, http.StatusForbidden, a.Code, "%s %v", path, header)
		}
		assert.NotEqual(t, http.StatusForbidden, askHost(t, open, path, "Host", "localhost:8080").Code, path)
	}
}

// A name in a path is one that upstream gives out, or nothing at all.
func TestPathsNameNothingElse(t *testing.T) {
	t.Parallel()
	w := shared(t, nil)
	before := len(w.sim.RequestLog())
	for _, id := range []string{
		"..%2f..%2fmodels", "%2e%2e", "a%2fb", "a%00b", "a%0d%0ab", "a b", "a%3fkey%3dx", "a%23", "a;b", "a:upload", "a%25", strings.Repeat("a", 129), "%C3%A9", "*", "-%20",
	} {
		for _, kind := range []string{"files", "cachedContents"} {
			for _, method := range []string{"GET", "DELETE"} {
				for _, token := range []string{aliceToken, adminToken} {
					u := "/v1beta/" + kind + "/" + strings.ReplaceAll(id, " ", "%20")
					a := w.do(method, u, "", as(token)...)
					assert.Contains(t, []int{http.StatusNotFound, http.StatusTemporaryRedirect, http.StatusMovedPermanently}, a.Code, "%s %s", method, u)
				}
			}
		}
	}
	for _, model := range []string{"..", "a/b", "a?b", "%2e%2e", "a%2fb", strings.Repeat("m", 10_000), "\x00"} {
		a := w.do("POST", "/v1beta/models/"+url.PathEscape(model)+":generateContent", hello, as(adminToken)...)
		assert.Equal(t, http.StatusNotFound, a.Code, fmt.Sprintf("%.20q", model))
	}
	require.Len(t, w.sim.RequestLog(), before, "something went upstream")
}

// ownCPU returns the time that processors have spent on this process: what else a machine does
// takes none of it.
func ownCPU(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
