package wait

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/remote"
)

// What the client sees of a wait is how long it took, to the millisecond.
func TestWaitsAreSatOut(t *testing.T) {
	for _, wait := range []time.Duration{5 * time.Second, 45 * time.Second, 61 * time.Second, 90_123 * time.Millisecond, 239 * time.Second} {
		t.Run(wait.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &function{script: func(w http.ResponseWriter, _ *http.Request, before int) {
					if before == 0 {
						refuse(w, wait, "ticket-1", true)
						return
					}
					_, _ = io.WriteString(w, "an answer")
				}}
				began := time.Now()
				a := ask(t.Context(), newProxy(t, f, nil), path+"?alt=sse", "the body")
				assert.Equal(t, http.StatusOK, a.Code)
				assert.Equal(t, "an answer", a.Body.String())
				assert.Equal(t, wait, time.Since(began))
				calls := f.made(http.MethodPost)
				require.Len(t, calls, 2)
				for i, c := range calls {
					assert.Equal(t, "the body", c.body)
					assert.Equal(t, base+path+"?alt=sse", c.url)
					assert.Equal(t, "true", c.header.Get("X-Fluxgate-Book"))
					assert.Equal(t, "true", c.header.Get("X-Fluxgate-Punctual"))
					assert.Equal(t, []string{"", "ticket-1"}[i], c.header.Get("X-Fluxgate-Ticket"))
				}
				assert.Equal(t, "240.000", calls[0].header.Get("X-Fluxgate-Deadline"))
				assert.Empty(t, f.made(http.MethodDelete))
			})
		})
	}
}

// What waiting can't mend, or not in time, passes on at once, byte for byte.
func TestOthersPassAtOnce(t *testing.T) {
	day := func(w http.ResponseWriter) { refuse(w, 9*time.Hour, "ticket", false) }
	plain := func(status int, header ...string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":{"message":"as it is"}}`)
		}
	}
	wait := func(d time.Duration) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) { refuse(w, d, "ticket", false) }
	}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		status int
		header []string
	}{
		"a spent day":                         {day, 429, nil},
		"longer than the longest":             {wait(250 * time.Second), 429, nil},
		"longer than Google's SDK waits":      {wait(50 * time.Second), 429, []string{"X-Server-Timeout", "60"}},
		"longer than the client says":         {wait(50 * time.Second), 429, []string{"X-Fluxgate-Deadline", "49"}},
		"longer than the client says, a date": {wait(50 * time.Second), 429, []string{"X-Fluxgate-Deadline", "2000-01-01T00:00:40Z"}},
		"a wrong token":                       {plain(401), 401, nil},
		"the caller's mistake":                {plain(400), 400, nil},
		"Gemini's own 429":                    {plain(429, "Retry-After", "5", "Retry-After-Ms", "5000"), 429, nil},
		"Gemini's own 503":                    {plain(503, "Retry-After", "5"), 503, nil},
		"a redirect":                          {plain(302, "Location", "https://elsewhere.test/"), 302, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &function{script: func(w http.ResponseWriter, _ *http.Request, _ int) { c.answer(w) }}
				began := time.Now()
				a := ask(t.Context(), newProxy(t, f, nil), path, "{}", c.header...)
				assert.Equal(t, c.status, a.Code)
				assert.Contains(t, a.Body.String(), `"error"`)
				assert.Zero(t, time.Since(began))
				assert.Len(t, f.made(http.MethodPost), 1)
			})
		})
	}
}

// An upstream without capacity, or that failed where there is no room for another try, is tried again when the function says.
func TestFailuresWithAWaitAreSatOut(t *testing.T) {
	for _, status := range []int{500, 503, 529} {
		synctest.Test(t, func(t *testing.T) {
			f := &function{script: func(w http.ResponseWriter, _ *http.Request, before int) {
				if before < 2 {
					w.Header().Set("X-Fluxgate-Retry-Ms", []string{"5000", "10000"}[before])
					w.WriteHeader(status)
				}
			}}
			began := time.Now()
			assert.Equal(t, http.StatusOK, ask(t.Context(), newProxy(t, f, nil), path, "{}").Code)
			assert.Equal(t, 15*time.Second, time.Since(began))
			assert.Len(t, f.made(http.MethodPost), 3)
		})
	}
}

// A function without room for the body, or one that can't be connected to, is tried again: nothing was sent.
func TestNothingWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &function{script: func(w http.ResponseWriter, _ *http.Request, before int) {
			if before < 3 {
				w.Header().Set("X-Fluxgate-Retry-Ms", "5000")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}}
		began := time.Now()
		assert.Equal(t, http.StatusOK, ask(t.Context(), newProxy(t, f, nil), path, "{}").Code)
		assert.Equal(t, 15*time.Second, time.Since(began))
	})
	refused := &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	synctest.Test(t, func(t *testing.T) {
		f := &function{script: func(http.ResponseWriter, *http.Request, int) {}}
		down := time.Now().Add(7 * time.Second) // it is being restarted
		p := newProxy(t, f, func(o *Options) {
			o.Transport = transport(func(r *http.Request) (*http.Response, error) {
				if time.Now().Before(down) {
					return nil, refused.Err
				}
				return direct{f}.RoundTrip(r)
			})
		})
		assert.Equal(t, http.StatusOK, ask(t.Context(), p, path, "{}").Code)
		assert.Equal(t, 7*time.Second, time.Since(down.Add(-7*time.Second)))
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := newProxy(t, nil, func(o *Options) {
			o.Transport = transport(func(*http.Request) (*http.Response, error) { return nil, refused.Err })
		})
		a := ask(t.Context(), p, "/openai/v1/chat/completions", "{}")
		assert.Equal(t, http.StatusServiceUnavailable, a.Code)
		assert.Contains(t, a.Body.String(), `"type":"server_error"`)
		assert.Less(t, time.Since(began), 31*time.Second)
	})
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// What may have been served isn't sent again.
func TestBrokenConnectionIsNotSentAgain(t *testing.T) {
	tries := 0
	p := newProxy(t, nil, func(o *Options) {
		o.Transport = transport(func(*http.Request) (*http.Response, error) {
			tries++
			return nil, errors.New("connection reset by peer")
		})
	})
	a := ask(t.Context(), p, path, "{}")
	assert.Equal(t, http.StatusInternalServerError, a.Code)
	assert.Contains(t, a.Body.String(), "It may have served the request")
	assert.Equal(t, 1, tries)
}

// A client that hangs up gives its booking back, with the credential that it was given to.
func TestHangingUpGivesTheBookingBack(t *testing.T) {
	for _, keep := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := &function{script: func(w http.ResponseWriter, _ *http.Request, _ int) { refuse(w, time.Minute, "its/ticket", true) }}
			p := newProxy(t, f, func(o *Options) {
				if o.KeepCredential = keep; keep {
					o.Access = remote.Access{URL: "http://127.0.0.1:8080"}
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			began := time.Now()
			ask(ctx, p, path, "{}")
			p.releases.Wait()
			assert.Equal(t, 10*time.Second, time.Since(began))
			deleted := f.made(http.MethodDelete)
			require.Len(t, deleted, 1)
			assert.True(t, strings.HasSuffix(deleted[0].url, "/tickets/its%2Fticket") || keep, deleted[0].url)
			assert.Equal(t, keep, deleted[0].header.Get("X-Goog-Api-Key") == realKey)
			assert.Equal(t, !keep, deleted[0].header.Get("X-Fluxgate-Token") == token)
			assert.Empty(t, p.list.groups())
		})
	}
}

// A wait that is passed on leaves no booking that nobody knows of.
func TestPassedOnWaitKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &function{script: func(w http.ResponseWriter, _ *http.Request, _ int) { refuse(w, time.Hour, "ticket", true) }}
		p := newProxy(t, f, nil)
		a := ask(t.Context(), p, path, "{}")
		p.releases.Wait()
		assert.Equal(t, "false", a.Header().Get("X-Fluxgate-Booked"))
		assert.Empty(t, a.Header().Get("X-Fluxgate-Ticket"))
		assert.Len(t, f.made(http.MethodDelete), 1)
		a = ask(t.Context(), p, path, "other", "X-Fluxgate-Book", "true")
		p.releases.Wait()
		assert.Equal(t, "true", a.Header().Get("X-Fluxgate-Booked"), "the client asked for it itself")
		assert.Len(t, f.made(http.MethodDelete), 1)
	})
}

// Two hundred at once are each answered at their own instant.
func TestTwoHundredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		told := map[string]time.Time{}
		f := &function{}
		f.script = func(w http.ResponseWriter, r *http.Request, before int) {
			mu.Lock()
			defer mu.Unlock()
			id := r.URL.Query().Get("n")
			if before == 0 {
				wait := time.Duration(1+len(told)) * time.Second
				told[id] = time.Now().Add(wait)
				refuse(w, wait, id, true)
				return
			}
			assert.Equal(t, told[id], time.Now(), "late")
			assert.Equal(t, id, r.Header.Get("X-Fluxgate-Ticket"))
		}
		var out bytes.Buffer
		p := newProxy(t, f, func(o *Options) { o.Output = &out })
		stop := p.display.start()
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				id := fmt.Sprint(i)
				assert.Equal(t, http.StatusOK, ask(t.Context(), p, path+"?n="+id, id).Code)
			})
		}
		all.Wait()
		stop()
		assert.Contains(t, out.String(), " wait for gemini-2.5-pro (PerMinute) until ")
		assert.Zero(t, p.bodies.used.Load())
	})
}

// The application's credential, which may be a real key, goes no further, and nothing tells of the proxy.
func TestWhatGoesOut(t *testing.T) {
	f := &function{script: func(http.ResponseWriter, *http.Request, int) {}}
	p := newProxy(t, f, nil)
	a := ask(t.Context(), p, path+"?key="+realKey+"&alt=sse&$fields=a%2Fb", "{}",
		"Authorization", "Bearer "+realKey, "X-Original", "key="+realKey, "Cookie", "a=b", "Connection", "X-Hop", "X-Hop", "1", "X-Goog-Api-Client", "sdk")
	require.Equal(t, http.StatusOK, a.Code)
	c := f.made(http.MethodPost)[0]
	assert.Equal(t, base+path+"?alt=sse&$fields=a%2Fb", c.url)
	assert.NotContains(t, fmt.Sprint(c.header), realKey)
	assert.Equal(t, token, c.header.Get("X-Fluxgate-Token"))
	assert.Equal(t, "sdk", c.header.Get("X-Goog-Api-Client"))
	for _, name := range []string{"Cookie", "X-Hop", "Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "Connection"} {
		assert.Empty(t, c.header.Get(name), name)
	}
}

// Web pages, other host names, and what a tunnel passes on are not let in.
func TestOnlyThisMachine(t *testing.T) {
	f := &function{script: func(http.ResponseWriter, *http.Request, int) {}}
	p := newProxy(t, f, nil)
	for name, c := range map[string]struct {
		host   string
		header []string
		ok     bool
	}{
		"an SDK":                  {"127.0.0.1:8081", nil, true},
		"by name":                 {"localhost:8081", nil, true},
		"IPv6":                    {"[::1]:8081", nil, true},
		"a name that points here": {"evil.example", nil, false},
		"a page":                  {"localhost:8081", []string{"Origin", "https://evil.example"}, false},
		"a page, as browsers say": {"localhost:8081", []string{"Sec-Fetch-Site", "cross-site"}, false},
		"a tunnel":                {"localhost:8081", []string{"X-Forwarded-For", "192.0.2.1"}, false},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://"+c.host+path, strings.NewReader("{}"))
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		assert.Equal(t, c.ok, w.Code == http.StatusOK, "%s: %d %s", name, w.Code, w.Body)
		if !c.ok {
			assert.Equal(t, http.StatusForbidden, w.Code, name)
		}
	}
}

// Upload URLs lead back to the proxy, and files pass as they come.
func TestUploads(t *testing.T) {
	f := &function{script: func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("X-Goog-Upload-URL", base+"/upload/v1beta/files?upload_id=1&fluxgate_project=p")
		w.Header().Set("Location", base+"/stays")
	}}
	p := newProxy(t, f, nil)
	a := ask(t.Context(), p, "/upload/v1beta/files", "{}", "X-Goog-Upload-Command", "start")
	assert.Equal(t, []string{"http://127.0.0.1:8081/upload/v1beta/files?upload_id=1&fluxgate_project=p"}, map[string][]string(a.Header())["X-Goog-Upload-URL"], "as Google spells it")
	assert.Equal(t, base+"/stays", a.Header().Get("Location"))
	a = ask(t.Context(), p, "/upload/v1beta/files?upload_id=1", strings.Repeat("x", 1<<20), "X-Goog-Upload-Command", "upload, finalize")
	assert.Equal(t, http.StatusOK, a.Code)
	assert.Len(t, f.made(http.MethodPost)[1].body, 1<<20)
}

// Pieces of an answer pass as they come, and one that is cut ends as one that is cut.
func TestStreamsStream(t *testing.T) {
	next := make(chan string)
	f := &function{script: func(w http.ResponseWriter, _ *http.Request, before int) {
		if before == 0 {
			refuse(w, 100*time.Millisecond, "t", true)
			return
		}
		_ = http.NewResponseController(w).Flush() // its header comes before its first piece
		for piece := range next {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	}}
	upstream := httptest.NewServer(f)
	defer upstream.Close()
	p := newProxy(t, f, func(o *Options) { o.Access.URL, o.Transport = upstream.URL, nil })
	front := httptest.NewServer(p)
	defer front.Close()
	response, err := http.Post(front.URL+path, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	defer response.Body.Close()
	for _, piece := range []string{"data: one\n\n", "data: two\n\n"} {
		next <- piece
		got := make([]byte, len(piece))
		_, err := io.ReadFull(response.Body, got)
		require.NoError(t, err)
		assert.Equal(t, piece, string(got))
	}
	close(next)
	_, err = io.ReadAll(response.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// Bodies are held once, in memory as long as there is some, else in files that nobody can open.
func TestBodiesAreBounded(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	const memory, size, n = 1 << 20, 700 << 10, 8
	synctest.Test(t, func(t *testing.T) {
		f := &function{script: func(w http.ResponseWriter, r *http.Request, before int) {
			if before == 0 {
				refuse(w, time.Minute, "t", true)
			}
		}}
		p := newProxy(t, f, func(o *Options) { o.Memory = memory })
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { ask(t.Context(), p, path, fmt.Sprint(i)+strings.Repeat("x", size)) })
			synctest.Wait() // of several that grow at once each may find no room, and lie in a file
		}
		time.Sleep(30 * time.Second)
		assert.LessOrEqual(t, p.bodies.used.Load(), int64(memory))
		assert.Positive(t, p.bodies.used.Load())
		names, err := os.ReadDir(os.TempDir())
		require.NoError(t, err)
		assert.Empty(t, names, "the files have no names")
		all.Wait()
		assert.Zero(t, p.bodies.used.Load())
		calls := f.made(http.MethodPost)
		require.Len(t, calls, 2*n)
		for _, c := range calls {
			assert.Len(t, c.body, size+1)
		}
	})
}

// A body that is cut isn't sent as if it were whole.
func TestCutBody(t *testing.T) {
	f := &function{script: func(http.ResponseWriter, *http.Request, int) {}}
	p := newProxy(t, f, nil)
	r := httptest.NewRequest(http.MethodPost, "http://localhost"+path, io.MultiReader(strings.NewReader("{"), cut{}))
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Empty(t, f.made(http.MethodPost))
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestOptions(t *testing.T) {
	for address, says := range map[string]string{
		"http://function.test":          "unencrypted",
		"ftp://function.test":           "want http",
		"https://user:pw@function.test": "user name",
	} {
		_, err := New(Options{Access: remote.Access{URL: address}})
		assert.ErrorContains(t, err, says, address)
	}
	for _, address := range []string{"http://localhost:8080", "http://127.0.0.1:8080", "https://function.test"} {
		_, err := New(Options{Access: remote.Access{URL: address}})
		assert.NoError(t, err, address)
	}
}
