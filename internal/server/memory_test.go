package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/race"
)

// A swallower is an upstream that reads what it is sent without keeping it, and answers
// what fits.
type swallower struct{ read atomic.Int64 }

func swallowing() (*swallower, setup) {
	s := new(swallower)
	return s, setup{
		env:  []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"tpm":-1,"rpd":-1},"flash":{"rpm":-1,"tpm":-1,"rpd":-1},"flash_lite":{"rpm":-1,"tpm":-1,"rpd":-1}}`},
		wrap: func(http.RoundTripper) http.RoundTripper { return s },
	}
}

// RoundTrip implements http.RoundTripper.
func (s *swallower) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		n, err := io.Copy(io.Discard, r.Body)
		if s.read.Add(n); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	text := `{"candidates":[{"content":{"parts":[{"text":"Yes."}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9}}`
	switch {
	case strings.HasSuffix(r.URL.Path, ":countTokens"):
		text = `{"totalTokens":9}`
	case strings.Contains(r.URL.Path, "/openai/"):
		text = `{"choices":[{"message":{"content":"Yes."}}],"usage":{"prompt_tokens":9}}`
	case strings.HasPrefix(r.URL.Path, "/upload/"):
		text = `{"file":{"name":"files/a"}}`
	}
	return jsonResponse(r, http.StatusOK, text), nil
}

// send sends a body of so much filling between a head and a tail, and returns the answer
// and how much was allocated for it.
func (w *world) send(path, head, fill, tail string, size int, headers ...string) (a answer, took int64) {
	w.t.Helper()
	filling := bytes.Repeat([]byte(fill), size/len(fill))
	body := io.MultiReader(strings.NewReader(head), bytes.NewReader(filling), strings.NewReader(tail))
	r := httptest.NewRequest(http.MethodPost, path, body)
	r.ContentLength = int64(len(head) + len(filling) + len(tail))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.ServeHTTP(rec, r)
	runtime.ReadMemStats(&after)
	return answer{rec, w.t}, int64(after.TotalAlloc - before.TotalAlloc)
}

const (
	nativeCall   = "/v1beta/models/" + pro + ":generateContent"
	chatCall     = "/v1beta/openai/chat/completions"
	imageForChat = `{"model":"auto","messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,`
)

// A large body is held once, as it came, on every route, whatever it consists of. What is
// small on the wire and large where it is taken apart isn't taken apart.
func TestLargeBodiesAreHeldOnce(t *testing.T) {
	race.Skip(t)
	const size = 4 << 20
	for name, c := range map[string]struct {
		path, head, fill, tail string
		status                 int
		held                   int64 // how often it is held, in eighths
	}{
		"native, image":              {nativeCall, `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"`, "iVBORw0K", `"}}]}]}`, 200, 8},
		"native, text":               {nativeCall, `{"contents":[{"parts":[{"text":"`, `word\n`, `"}]}]}`, 200, 8},
		"native, texts":              {nativeCall, `{"contents":[`, `{"parts":[{"text":"a"}]},`, `{}]}`, 200, 8},
		"native, lenient":            {nativeCall, `{"contents":[{'parts':[{"text":"`, `word `, `"}]}]}`, 200, 16},
		"native, nested":             {nativeCall, `{"contents":[`, `{"a":[[{"b":[]}]]},`, `{}]}`, 200, 8},
		"native, too deep":           {nativeCall, `{"contents":`, `[`, ``, 400, 8},
		"OpenAI, nested":             {chatCall, `{"model":"auto","messages":[`, `{"a":[[{"b":[]}]]},`, `{}]}`, 200, 8},
		"/generate, nested":          {"/generate", `{"images":[`, `[[[[]]]],`, `""]}`, 400, 8},
		"embeddings":                 {"/v1beta/models/text-embedding-004:batchEmbedContents", `{"requests":[`, `{},`, `{}]}`, 400, 8},
		"OpenAI, image":              {chatCall, imageForChat, "iVBORw0K", `"}}]}]}`, 200, 8},
		"OpenAI, text":               {chatCall, `{"model":"auto","messages":[{"content":"`, `word\n`, `"}]}`, 200, 8},
		"OpenAI, messages":           {chatCall, `{"model":"auto","messages":[`, `{"content":"a"},`, `{}]}`, 200, 8},
		"OpenAI, empty messages":     {chatCall, `{"model":"auto","messages":[`, `{},`, `{}]}`, 200, 8},
		"OpenAI, calls":              {chatCall, `{"model":"auto","messages":[{"tool_calls":[`, `{"a":"b"},`, `{}]}]}`, 200, 8},
		"OpenAI, models":             {chatCall, `{"messages":[{}],`, `"model":"auto",`, `"model":"auto"}`, 400, 8},
		"/generate, image":           {"/generate", `{"images":["`, "iVBORw0K", `"]}`, 200, 8},
		"/generate, image for URLs":  {"/generate", `{"images":["`, "_-__", `"]}`, 200, 8},
		"/generate, image, escaped":  {"/generate", `{"images":["`, `\/\/\/\/`, `"]}`, 200, 8},
		"/generate, prompt":          {"/generate", `{"prompt":"`, `word\n`, `"}`, 200, 8},
		"/generate, no meaning":      {"/generate", `{"prompt":"`, `\ud800`, `"}`, 200, 8},
		"/generate, empty images":    {"/generate", `{"images":[`, `"",`, `""]}`, 400, 8},
		"/generate, small images":    {"/generate", `{"images":[`, `"AA==",`, `"AA=="]}`, 400, 8},
		"/generate, cut":             {"/generate", `{"images":["`, "iVBORw0K", ``, 400, 8},
		"/plan, image":               {"/plan", `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"`, "iVBORw0K", `"}}]}]}`, 200, 8},
		"/plan, members":             {"/plan", `{`, `"a":1,`, `"tokens":1}`, 400, 8},
		"cached contents":            {"/v1beta/cachedContents", `{"contents":[{"parts":[{"text":"`, "word ", `"}]}]}`, 200, 8},
		"an upload, as it passes":    {"/upload/v1beta/files?fluxgate_project=alpha", ``, "x", ``, 200, 0},
		"the start of an upload":     {"/upload/v1beta/files", ``, "x", ``, 413, 0},
		"OpenAI, not for embeddings": {"/v1beta/openai/embeddings", `{"model":"auto","input":[`, `"",`, `""]}`, 400, 8},
	} {
		if testing.Short() && strings.Contains(name, ",") && !strings.HasSuffix(name, "image") {
			continue // other shapes of what each route takes
		}
		t.Run(name, func(t *testing.T) {
			_, s := swallowing()
			s.bodies = bodies.New(1 << 30)
			w := newWorld(t, s)
			var headers []string
			switch {
			case c.status == http.StatusRequestEntityTooLarge:
				headers = []string{"X-Goog-Upload-Command", "start"}
			case strings.HasPrefix(c.path, "/upload"):
				headers = []string{"X-Goog-Upload-Command", "upload, finalize"}
			}
			a, took := w.send(c.path, c.head, c.fill, c.tail, size, headers...)
			assert.Equal(t, c.status, a.Code, "%.200s", a.Body)
			assert.Less(t, took, int64(size)/8*c.held+2<<20, "of %d bytes", size)
			assert.Zero(t, s.bodies.Held(), "all of it is given back")
		})
	}
}

// unread fails the test when it is read.
type unread struct{ t *testing.T }

// Read implements io.Reader.
func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// Who finds no room is told so in the words of the API, before its body is read, and
// served when there is room again.
func TestBodiesWithoutRoomAreRefused(t *testing.T) {
	const size = 2 << 20
	for name, c := range map[string]struct {
		path, body, status string
		header             []string
	}{
		"native":    {nativeCall, hello, `"status":"UNAVAILABLE"`, nil},
		"OpenAI":    {chatCall, chat, `"type":"server_error"`, nil},
		"/generate": {"/generate", body("hello", ""), `"status":"UNAVAILABLE"`, nil},
		"upload":    {"/upload/v1beta/files?fluxgate_project=alpha", "x", `"status":"UNAVAILABLE"`, []string{"X-Goog-Upload-Command", "upload"}},
	} {
		t.Run(name, func(t *testing.T) {
			up, s := swallowing()
			s.bodies = bodies.New(size + bodies.Each)
			w := newWorld(t, s)
			others, err := s.bodies.Charge(size + 1)
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodPost, c.path, unread{t})
			r.ContentLength = int64(len(c.body))
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, r)
			assert.Equal(t, http.StatusServiceUnavailable, rec.Code)
			assert.Equal(t, "5", rec.Header().Get("Retry-After"))
			assert.Contains(t, rec.Body.String(), c.status)
			assert.Contains(t, rec.Body.String(), "memory")
			assert.Zero(t, up.read.Load())
			assert.EqualValues(t, size+1, s.bodies.Held())

			others.Release()
			require.Equal(t, http.StatusOK, w.do("POST", c.path, c.body, c.header...).Code)
			assert.Zero(t, s.bodies.Held())
		})
	}
}

// A body whose length isn't known is charged as it grows, and a copy that is JSON of the
// standard before it is made. What never fits isn't told to come again.
func TestBodiesAreChargedForWhatTheyTake(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	const room = 4 << 20
	text := `{"contents":[{"parts":[{"text":"` + strings.Repeat("a", 3<<20) + `"}]}]}`
	for name, c := range map[string]struct {
		body, coding string
		chunked      bool
		others       int64 // held by others
		status       int
	}{
		"as it is":                  {text, "", false, 0, 200},
		"packed":                    {packed(t, "gzip", text), "gzip", false, 0, 413},
		"packed, smaller":           {packed(t, "gzip", hello), "gzip", false, 0, 200},
		"packed, beside others":     {packed(t, "gzip", hello+strings.Repeat(" ", 1<<20)), "gzip", false, 3 << 20, 503},
		"in chunks":                 {text, "", true, 0, 413},
		"in chunks, smaller":        {hello, "", true, 0, 200},
		"in chunks, beside others":  {hello + strings.Repeat(" ", 1<<20), "", true, 3 << 20, 503},
		"not the standard's":        {strings.Replace(text, `"}]`, `",}]`, 1), "", false, 0, 413},
		"not the standard's, small": {strings.Replace(hello, `"}]`, `",}]`, 1), "", false, 0, 200},
		"nothing, many times":       {`{"a":[` + strings.Repeat(",", 1<<20) + `]}`, "", false, 0, 413},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := swallowing()
			s.bodies = bodies.New(room)
			w := newWorld(t, s)
			others, err := s.bodies.Charge(c.others)
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodPost, nativeCall, strings.NewReader(c.body))
			if c.chunked {
				r.ContentLength = -1
			}
			if c.coding != "" {
				r.Header.Set("Content-Encoding", c.coding)
			}
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, r)
			assert.Equal(t, c.status, rec.Code, "%.200s", rec.Body)
			assert.Equal(t, c.status == 503, rec.Header().Get("Retry-After") != "")
			others.Release()
			assert.Zero(t, s.bodies.Held())
		})
	}
}

// Who has room kept for a large body and sends next to nothing has it no longer than half
// a minute.
func TestSlowBodyGivesItsRoomBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := swallowing()
		s.bodies = bodies.New(33 << 20)
		w := newWorld(t, s)
		go func() {
			time.Sleep(29 * time.Second)
			assert.Greater(t, s.bodies.Held(), int64(30<<20))
			assert.Equal(t, http.StatusServiceUnavailable, func() int { a, _ := w.send(nativeCall, hello, " ", "", 4<<20); return a.Code }())
		}()
		status, took := trickle(t, w.Server, "POST "+nativeCall+" HTTP/1.1", fmt.Sprint("Content-Length: ", 30<<20))
		assert.Equal(t, http.StatusRequestTimeout, status)
		assert.Equal(t, 30*time.Second, took)
		assert.Zero(t, s.bodies.Held())
	})
}

// However many come at once, what is held is within the budget, and everybody who is told
// to come again is served in the end.
func TestManyLargeBodies(t *testing.T) {
	const size, room = 1 << 20, 5 << 20
	_, s := swallowing()
	s.bodies = bodies.New(room)
	w := newWorld(t, s)
	done := make(chan int, 40)
	for i := range cap(done) {
		go func() {
			for tries := 1; ; tries++ {
				a, _ := w.send(nativeCall, fmt.Sprintf(`{"contents":[{"parts":[{"text":"%d"},{"inlineData":{"mimeType":"image/png","data":"`, i), "iVBORw0K", `"}}]}]}`, size)
				assert.LessOrEqual(t, s.bodies.Held(), int64(room))
				if a.Code != http.StatusServiceUnavailable || tries > 10_000 {
					done <- a.Code
					return
				}
				runtime.Gosched()
			}
		}()
	}
	for range cap(done) {
		assert.Equal(t, http.StatusOK, <-done)
	}
	assert.Zero(t, s.bodies.Held())
}

// Answers that are held whole take from the budget as they grow. Where there is no room the
// caller hears it, and nothing is sent twice for that.
func TestAnswersAreCharged(t *testing.T) {
	text := strings.Repeat("word ", 1<<20/5)
	sent := 0
	_, s := swallowing()
	s.wrap = func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			sent++
			if r.Method == http.MethodGet {
				return jsonResponse(r, http.StatusOK, `{"files":[{"name":"files/a","displayName":"`+text+`"}]}`), nil
			}
			return jsonResponse(r, http.StatusOK, `{"candidates":[{"content":{"parts":[{"text":"`+text+`"}]},"finishReason":"STOP"}]}`), nil
		})
	}
	for _, c := range []struct {
		method, path, body string
		takes              int64 // in mebibytes, at least
	}{
		{http.MethodPost, "/generate", `{"prompt":"hi"}`, 3},
		{http.MethodGet, "/v1beta/files", "", 1},
	} {
		s.bodies = bodies.New(c.takes<<20 + 600<<10)
		w := newWorld(t, s)
		sent = 0
		require.Equal(t, http.StatusOK, w.do(c.method, c.path, c.body).Code, c.path)
		assert.Zero(t, s.bodies.Held())
		before := sent

		other, err := s.bodies.Charge(1 << 20)
		require.NoError(t, err)
		a := w.do(c.method, c.path, c.body)
		assert.Equal(t, http.StatusServiceUnavailable, a.Code, c.path)
		assert.Contains(t, a.Body.String(), "no room for the answer")
		assert.LessOrEqual(t, sent, 2*before, "not sent again for that")
		other.Release()
		assert.Zero(t, s.bodies.Held())
	}
}
