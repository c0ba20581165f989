package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/storage"
)

// No answer is taken by a browser for what it isn't said to be, whoever made it.
func TestNoAnswerIsSniffed(t *testing.T) {
	w := guarded(t)
	for _, c := range []struct{ method, path string }{
		{"GET", "/"}, {"GET", "/health"}, {"GET", "/status"}, {"GET", "/metrics"}, {"GET", "/nowhere"}, {"POST", "/health"}, {"POST", "/generate"},
		{"GET", "/v1beta/models"}, {"GET", "/v1beta/files"}, {"GET", "/v1beta/files/abc"}, {"POST", unaryPath}, {"POST", streamPath}, {"GET", "/v1beta/../status"},
		{"POST", "/openai/v1/chat/completions"}, {"POST", "/upload/v1beta/files"}, {"DELETE", "/tickets/x"}, {"OPTIONS", "/"},
	} {
		for _, header := range [][]string{nil, as(aliceToken), as(adminToken)} {
			a := w.do(c.method, c.path, hello, header...)
			assert.Equal(t, "nosniff", a.Header().Get("X-Content-Type-Options"), "%s %s: %d", c.method, c.path, a.Code)
			assert.NotEmpty(t, a.Header().Get("Content-Type")+a.Header().Get("Location"), "%s %s: %d", c.method, c.path, a.Code)
			if kind := a.Header().Get("Content-Type"); c.path != "/" && a.Header().Get("Location") == "" {
				assert.NotContains(t, kind, "html", "%s %s", c.method, c.path)
			}
		}
	}
}

// A page is no answer of Gemini's, whatever its status: something on the way made it.
func TestPagesAreNotPassedOn(t *testing.T) {
	for _, kind := range []string{"text/html", "text/html; charset=UTF-8", "TEXT/HTML", "application/xhtml+xml", "image/svg+xml", "text/xml", "text/javascript", "multipart/x-mixed-replace; boundary=x"} {
		_, s := stubbed(func(heard) *http.Response {
			return respond(http.StatusOK, "<script>alert(1)</script>", "Content-Type", kind)
		})
		w := newWorld(t, s)
		for _, c := range []struct{ method, path, body string }{
			{"POST", unaryPath, hello}, {"POST", streamPath, hello}, {"POST", "/openai/v1/chat/completions", chat}, {"GET", "/v1beta/models", ""},
			{"GET", "/v1beta/files", ""}, {"POST", "/v1beta/models/gemini-2.5-pro:countTokens", hello}, {"POST", "/v1beta/cachedContents", hello},
			{"POST", "/upload/v1beta/files", "abc"},
		} {
			a := w.do(c.method, c.path, c.body)
			assert.Equal(t, http.StatusBadGateway, a.Code, "%s %s %s", kind, c.path, a.Body)
			assert.Contains(t, a.Header().Get("Content-Type"), "application/json")
			assert.NotContains(t, a.Body.String(), "script")
		}
	}
	// Google's upload service calls an empty answer text/html, and no type is guessed.
	for _, kind := range []string{"text/html", ""} {
		_, s := stubbed(func(heard) *http.Response {
			resp := respond(http.StatusOK, "", "X-Goog-Upload-Status", "active")
			resp.Header.Set("Content-Type", kind)
			return resp
		})
		a := newWorld(t, s).do("POST", "/upload/v1beta/files?upload_id=1", "abc", "X-Goog-Upload-Command", "upload")
		assert.Equal(t, http.StatusOK, a.Code)
		assert.Equal(t, "application/octet-stream", a.Header().Get("Content-Type"))
	}
	// What is in a file passes as what it is, but runs nowhere.
	_, s := stubbed(func(h heard) *http.Response {
		return respond(http.StatusOK, "<script>alert(1)</script>", "Content-Type", "text/html")
	})
	a := newWorld(t, s).do("GET", "/v1beta/files/abc?alt=media", "")
	assert.Equal(t, "text/html", a.Header().Get("Content-Type"))
	assert.Contains(t, a.Header().Get("Content-Security-Policy"), "sandbox")
}

// slowHistory is a store that keeps the history when it is let.
type slowHistory struct {
	storage.Store
	let  chan struct{}
	kept atomic.Int64
}

func (s *slowHistory) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	if name == "history" {
		select {
		case <-s.let:
			s.kept.Add(1)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.Store.UpdateRecord(ctx, name, change)
}

// The first answer of a day is with its caller, all of it, before yesterday is written
// down.
func TestTheAnswerComesBeforeTheHistory(t *testing.T) {
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/generate", `{"prompt":"today"}`}, {"GET", "/status", ""}, {"POST", "/generate", `{`}, {"POST", unaryPath, hello},
		{"GET", "/v1beta/models", ""}, {"GET", "/nowhere", ""},
	} {
		t.Run(c.path+c.body, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := &slowHistory{Store: storage.NewMemory(nil), let: make(chan struct{})}
				_, s := stubbed(func(h heard) *http.Response {
					if c.path == unaryPath && strings.HasSuffix(h.path, ":generateContent") {
						return respond(http.StatusOK, golden(t, "native.response.json"))
					}
					return nil
				})
				s.store = slow
				w := newWorld(t, s)
				require.Equal(t, http.StatusOK, w.do("POST", unaryPath, strings.Replace(hello, "hello", "yesterday", 1)).Code)
				time.Sleep(25 * time.Hour)
				p := make(pipe)
				srv := &http.Server{Handler: w.instance().Server}
				go func() { _ = srv.Serve(p) }()
				defer func() { _ = srv.Close() }()
				here, there := net.Pipe()
				p <- there
				start := time.Now()
				go func() {
					_, _ = fmt.Fprintf(here, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", c.method, c.path, len(c.body), c.body)
				}()
				resp, err := http.ReadResponse(bufio.NewReader(here), nil)
				require.NoError(t, err)
				_, err = io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Zero(t, time.Since(start))
				assert.Zero(t, slow.kept.Load())
				close(slow.let)
				synctest.Wait()
				assert.EqualValues(t, 1, slow.kept.Load())
				require.NoError(t, here.Close())
			})
		})
	}
}

// Where no answer says how long it is, history is kept all the same.
func TestHistoryIsKeptBehindStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.generate("yesterday", "").ok()
		time.Sleep(25 * time.Hour)
		w.served = w.instance()
		for n := range 40 {
			a := w.do("POST", streamPath, strings.Replace(hello, "hello", fmt.Sprint(n), 1))
			require.Contains(t, []int{http.StatusOK, http.StatusTooManyRequests}, a.Code)
			time.Sleep(20 * time.Second)
		}
		data, err := w.store.Record(t.Context(), "history")
		require.NoError(t, err)
		assert.NotEmpty(t, data)
	})
}

// withTokens is an instance of a deployment whose tokens are these.
func (w *world) withTokens(t *testing.T, tokens string) *served {
	t.Helper()
	cfg, err := config.Load(t.Context(), []string{"GEMINI_KEY_1=" + w.cfg.Keys[0].Value.Reveal(), "GEMINI_PROJECT_1=alpha", "FLUXGATE_TOKENS=" + tokens})
	require.NoError(t, err)
	before := w.cfg
	defer func() { w.cfg = before }()
	w.cfg = cfg
	return w.instance()
}

// A caller has two tokens while one replaces the other, and what is its own is its own
// with both. An upload's URL dies with the token with which the upload was begun.
func TestTokensRotateWithAnOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const second = "alice-second-0123456789"
		w := shared(t, nil)
		w.cfg.Keys = w.cfg.Keys[:1]
		before, both, after, without := w.withTokens(t, "alice:"+aliceToken), w.withTokens(t, "alice:"+aliceToken+",alice:"+second),
			w.withTokens(t, "alice:"+second), w.withTokens(t, "bob:"+bobToken)
		w.served = before
		file := w.makeFile(aliceToken, "")
		w.served = both
		for _, token := range []string{aliceToken, second} {
			assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+file, "", as(token)...).Code)
			assert.Equal(t, []string{file}, w.everything(token, "files"))
		}
		start := func(token string) *url.URL {
			w.served = both
			u, err := url.Parse(w.begin("one", as(token)...))
			require.NoError(t, err)
			return u
		}
		query := func(s *served, u *url.URL) int {
			w.served = s
			return w.do("POST", u.RequestURI(), "", "X-Goog-Upload-Command", "query").Code
		}
		old, fresh := start(aliceToken), start(second)
		for _, u := range []*url.URL{old, fresh} {
			assert.Equal(t, http.StatusOK, query(both, u))
			assert.Equal(t, http.StatusUnauthorized, query(without, u), "she is no caller any more")
			assert.NotContains(t, u.String(), aliceToken)
		}
		assert.Equal(t, http.StatusUnauthorized, query(after, old), "the token is gone with which it was begun")
		assert.Equal(t, http.StatusOK, query(after, fresh))
		assert.Equal(t, http.StatusUnauthorized, query(before, fresh))
		w.served = after
		w.do("GET", "/v1beta/"+file, "", as(aliceToken)...).failed(http.StatusUnauthorized)
		assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+file, "", as(second)...).Code)
	})
}

// A signed URL is for going on with its upload, whatever else it is sent as.
func TestUploadURLsStartNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		u, err := url.Parse(w.begin("one", as(aliceToken)...))
		require.NoError(t, err)
		before := len(w.sim.RequestLog())
		upload := []string{"X-Goog-Upload-Command", "upload, finalize", "X-Goog-Upload-Offset", "0"}
		for name, c := range map[string]struct {
			add    string
			header []string
		}{
			"raw":                  {"", append([]string{"X-Goog-Upload-Protocol", "raw"}, upload...)},
			"multipart":            {"", append([]string{"X-Goog-Upload-Protocol", "multipart"}, upload...)},
			"raw, in the query":    {"&upload_protocol=raw", upload},
			"uploadType":           {"&uploadType=media", upload},
			"no command":           {"", nil},
			"start among others":   {"", []string{"X-Goog-Upload-Command", "upload, START"}},
			"another upload's too": {"&upload_id=2", upload},
		} {
			assert.Equal(t, http.StatusUnauthorized, w.do("POST", u.RequestURI()+c.add, "abcdef", c.header...).Code, name)
		}
		assert.Len(t, w.sim.RequestLog(), before)
		a := w.do("POST", u.RequestURI(), "abcdef", append([]string{"X-Goog-Upload-Protocol", "resumable"}, upload...)...)
		assert.Equal(t, http.StatusOK, a.Code, "as it is meant")
	})
}

// A ticket is another's secret as much as a token is: forged, taken from its caller or
// used up, it stands for nothing. Administrators give back anybody's.
func TestTicketsForgedAndReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := guarded(t, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`, "GEMINI_MODE=pro_only", "FLUXGATE_CHAIN=gemini-2.5-pro")
		booked := func(token, prompt string) string {
			a := w.generate(prompt, "", append(as(token), "X-Fluxgate-Book", "true")...)
			require.True(t, a.booked(), a.Body)
			return a.ticket()
		}
		for n := range 2 {
			require.Equal(t, http.StatusOK, w.generate(fmt.Sprint(n), "", as(aliceToken)...).Code)
		}
		hers, theirs := booked(aliceToken, "hers"), booked(aliceToken, "theirs")
		release := func(ticket, token string, header ...string) answer {
			return w.do("DELETE", "/tickets/"+ticket, "", append(as(token), header...)...)
		}
		flipped := []byte(hers)
		for i := range flipped {
			was := flipped[i]
			if flipped[i] = 'A'; was == 'A' {
				flipped[i] = 'B'
			}
			if i < 2 || i == len(flipped)-1 { // its version, or bits that mean nothing
				flipped[i] = was
				continue
			}
			assert.Equal(t, http.StatusNotFound, release(string(flipped), aliceToken).Code, i)
			flipped[i] = was
		}
		none := release(hers, bobToken)
		none.failed(http.StatusNotFound)
		assert.Equal(t, http.StatusNoContent, release(hers, aliceToken).Code)
		usedUp, _ := release(hers, aliceToken).alike()
		anothers, _ := none.alike()
		assert.Equal(t, usedUp, anothers, "another's looks like one that is used up")
		// In its header no log of URLs has it.
		assert.Equal(t, http.StatusNoContent, w.do("DELETE", "/tickets", "", append(as(adminToken), "X-Fluxgate-Ticket", theirs)...).Code)
		w.do("DELETE", "/tickets", "", append(as(aliceToken), "X-Fluxgate-Ticket", theirs)...).failed(http.StatusNotFound)
		for _, nonsense := range []string{"x", "AAAA", strings.Repeat("A", 66), "%2e%2e"} {
			assert.GreaterOrEqual(t, release(nonsense, aliceToken).Code, 400)
		}
		w.do("DELETE", "/tickets", "", as(aliceToken)...).failed(http.StatusBadRequest)
	})
}

// What tells of other callers, or changes what runs, is the administrators'. Case I.
func TestAdministratorsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := guarded(t)
		w.generate("hello", "", as(bobToken)...).ok()
		for path, method := range map[string]string{
			"/metrics": "GET", "/config": "POST", "/validate": "POST", "/refresh-policy": "POST", "/reset": "POST",
		} {
			a := w.do(method, path, `{"mode":"flash_only"}`, as(aliceToken)...)
			assert.Equal(t, "PERMISSION_DENIED", a.failed(http.StatusForbidden).Status, path)
			assert.NotContains(t, a.Body.String(), "bob")
			assert.NotEqual(t, http.StatusForbidden, w.do(method, path, `{"mode":"flash_only"}`, as(adminToken)...).Code, path)
		}
		for _, path := range []string{"/status", "/usage?by=caller"} {
			assert.NotContains(t, w.do("GET", path, "", as(aliceToken)...).Body.String(), "bob", path)
			assert.Contains(t, w.do("GET", path, "", as(adminToken)...).Body.String(), "bob", path)
		}
	})
}

// A body that names more than anybody means is answered with what to change, on every
// route that reads names, and nothing is looked up or sent.
func TestTooManyNames(t *testing.T) {
	t.Parallel()
	w := shared(t, nil)
	before := len(w.sim.RequestLog())
	var parts strings.Builder
	for i := range 4097 {
		fmt.Fprintf(&parts, `{"fileData":{"fileUri":"files/f%d"}},`, i)
	}
	contents := `"contents":[{"parts":[` + strings.TrimSuffix(parts.String(), ",") + `]}]}`
	for _, token := range []string{aliceToken, adminToken} {
		for path, body := range map[string]string{
			unaryPath: "{" + contents, streamPath: "{" + contents, "/v1beta/models/gemini-2.5-pro:countTokens": "{" + contents, "/plan": "{" + contents,
			"/v1beta/cachedContents":          `{"model":"models/gemini-2.5-flash",` + contents,
			"/openai/v1/chat/completions":     `{"model":"auto","messages":[{"role":"user","content":"hi"}],` + contents,
			"/v1/models/auto:generateContent": `{'a':1,` + contents,
		} {
			a := w.do("POST", path, body, as(token)...)
			assert.Equal(t, http.StatusBadRequest, a.Code, "%s: %s", path, a.Body)
			assert.Contains(t, a.Body.String(), "4096", path)
			assert.Less(t, a.Body.Len(), 1<<10)
		}
	}
	assert.Len(t, w.sim.RequestLog(), before, "something was asked")
}
