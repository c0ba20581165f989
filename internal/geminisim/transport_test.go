package geminisim

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/inmemory"
)

// newRequest returns a generate request, or a stream of events.
func newRequest(ctx context.Context, t *testing.T, method string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gemini.test/v1beta/models/"+flash+":"+method, body)
	require.NoError(t, err)
	req.Header.Set("x-goog-api-key", key1)
	return req
}

func bubbleSim(cfg Config) *Server {
	cfg.Keys = []Key{{Value: key1, Project: "alpha"}}
	return New(cfg)
}

// TestLatencyIsVirtual: in a bubble a call takes exactly its latency, and it is
// charged at its arrival, not when it is answered.
func TestLatencyIsVirtual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bubbleSim(Config{Latency: 2 * time.Second, Limits: map[string]Limits{flash: {RPM: 1, TPM: -1, RPD: -1}}})
		start := time.Now()
		require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, 429, ask(t, s, key1, flash, 1).status)
		require.Equal(t, 2*time.Second, time.Since(start), "refusals are immediate")
		time.Sleep(58*time.Second - time.Millisecond)
		require.Equal(t, 429, ask(t, s, key1, flash, 1).status)
		time.Sleep(time.Millisecond)
		require.Equal(t, 200, ask(t, s, key1, flash, 1).status, "60 s after the arrival")
		assert.True(t, s.Log()[0].At.Equal(start))
	})
}

func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times := func(seed uint64) (list []time.Duration) {
			s := bubbleSim(Config{Latency: time.Second, Jitter: time.Second, Seed: seed,
				Limits: map[string]Limits{flash: {RPM: -1, TPM: -1, RPD: -1}}})
			for range 20 {
				start := time.Now()
				require.Equal(t, 200, ask(t, s, key1, flash, 1).status)
				list = append(list, time.Since(start))
			}
			return list
		}
		first := times(1)
		assert.Equal(t, first, times(1), "reproducible")
		assert.NotEqual(t, first, times(2))
		for _, d := range first {
			assert.GreaterOrEqual(t, d, time.Second)
			assert.LessOrEqual(t, d, 2*time.Second)
		}
	})
}

// slowBody delivers its data after a delay, like a large upload.
type slowBody struct {
	delay time.Duration
	r     io.Reader
}

func (b *slowBody) Read(p []byte) (int, error) {
	time.Sleep(b.delay)
	b.delay = 0
	return b.r.Read(p)
}

// TestArrivalIsTheEndOfTheUpload: a request is charged when its body has been
// read, and WroteRequest fires at that instant, before the answer.
func TestArrivalIsTheEndOfTheUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bubbleSim(Config{Latency: time.Second})
		start := time.Now()
		var wrote []time.Duration
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			WroteRequest: func(info httptrace.WroteRequestInfo) {
				assert.NoError(t, info.Err)
				wrote = append(wrote, time.Since(start))
			},
		})
		req := newRequest(ctx, t, "generateContent", &slowBody{3 * time.Second, strings.NewReader(prompt("word"))})
		resp, err := s.Transport().RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, []time.Duration{3 * time.Second}, wrote)
		assert.Equal(t, 4*time.Second, time.Since(start))
		assert.True(t, s.Log()[0].At.Equal(start.Add(3*time.Second)))

		wrote = nil
		get, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gemini.test/v1beta/models?key="+key1, nil)
		require.NoError(t, err)
		resp, err = s.Transport().RoundTrip(get)
		require.NoError(t, err)
		assert.Equal(t, "200 OK", resp.Status)
		require.NoError(t, resp.Body.Close())
		assert.Len(t, wrote, 1, "a request without a body is written as well")
	})
}

// TestCancelWhileThinking: the caller gets the context's error at once. The
// request arrived, so it stays charged. The bubble would fail on a goroutine
// that was left behind.
func TestCancelWhileThinking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bubbleSim(Config{Latency: time.Hour})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Transport().RoundTrip(newRequest(ctx, t, "generateContent", strings.NewReader(prompt("word"))))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		assert.EqualValues(t, 1, s.Log()[0].Charged)

		_, err = s.Transport().RoundTrip(newRequest(ctx, t, "generateContent", strings.NewReader(prompt("word"))))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Len(t, s.Log(), 1, "a request whose context was over never arrived")
	})
}

// TestCancelWhileUploading: what was not sent to its end never arrived.
func TestCancelWhileUploading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bubbleSim(Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, w := io.Pipe()
		go func() { _, _ = io.WriteString(w, `{"contents":`) }()
		_, err := s.Transport().RoundTrip(newRequest(ctx, t, "generateContent", r))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		assert.Empty(t, s.Log())

		broken := errors.New("disk on fire")
		r, w = io.Pipe()
		go func() { _ = w.CloseWithError(broken) }()
		_, err = s.Transport().RoundTrip(newRequest(t.Context(), t, "generateContent", r))
		require.ErrorIs(t, err, broken, "the caller's own read error")
		assert.Empty(t, s.Log())
	})
}

// TestHang: nothing comes until the caller gives up.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bubbleSim(Config{})
		s.FailNext(1, faults.Hang)
		client := &http.Client{Transport: s.Transport(), Timeout: 90 * time.Second}
		start := time.Now()
		resp, err := client.Do(newRequest(t.Context(), t, "generateContent", strings.NewReader(prompt("word"))))
		if resp != nil {
			_ = resp.Body.Close()
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 90*time.Second, time.Since(start))
		assert.EqualValues(t, 1, s.Log()[0].Charged)
		assert.Equal(t, 200, ask(t, s, key1, flash, 1).status)
	})
}

// TestStreamIsDeliveredEventByEvent: the first event can be read while the
// server still has more to write, and closing or cancelling ends the server.
func TestStreamIsDeliveredEventByEvent(t *testing.T) {
	text := words(1000)
	for _, end := range []string{"read", "close", "cancel"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := bubbleSim(Config{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var ended sync.WaitGroup
				ended.Add(1)
				handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer ended.Done()
					s.ServeHTTP(w, r)
				})
				resp, err := inmemory.Transport(handler).RoundTrip(newRequest(ctx, t, "streamGenerateContent?alt=sse", strings.NewReader(prompt(text))))
				require.NoError(t, err)
				assert.EqualValues(t, -1, resp.ContentLength)
				lines := bufio.NewReader(resp.Body)
				line, err := lines.ReadString('\n')
				require.NoError(t, err)
				assert.True(t, strings.HasPrefix(line, "data: {"))
				switch end {
				case "read":
					rest, err := io.ReadAll(lines)
					require.NoError(t, err)
					assert.Contains(t, string(rest), `"finishReason":"STOP"`)
				case "cancel":
					cancel()
					_, err := io.ReadAll(lines)
					require.ErrorIs(t, err, context.Canceled)
				}
				require.NoError(t, resp.Body.Close())
				ended.Wait() // or the bubble reports a deadlock
			})
		})
	}
}

// TestOverSockets: the handler does the same behind a real HTTP server.
func TestOverSockets(t *testing.T) {
	s := bubbleSim(Config{Latency: time.Millisecond})
	server := httptest.NewServer(s)
	defer server.Close()
	url := server.URL + "/v1beta/models/" + flash + ":streamGenerateContent?alt=sse&key=" + key1
	resp, err := server.Client().Post(url, "application/json", strings.NewReader(prompt(words(100))))
	require.NoError(t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Greater(t, len(events(t, string(raw))), 3)

	ctx, cancel := context.WithCancel(t.Context())
	s.FailNext(1, faults.Hang)
	done := make(chan error)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(prompt("word")))
		if err == nil {
			_, err = server.Client().Do(req)
		}
		done <- err
	}()
	require.Eventually(t, func() bool { return len(s.Log()) == 2 }, 5*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

// TestConcurrentCallers: under the race detector, many callers on several
// projects never get more than the limits, the log and the totals agree, and
// nothing is lost.
func TestConcurrentCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, each = 32, 12
		s := New(Config{
			Keys:    []Key{{Value: "a", Project: "p"}, {Value: "b", Project: "p"}, {Value: "c"}},
			Latency: 100 * time.Millisecond, Jitter: time.Second,
			Limits: map[string]Limits{flash: {RPM: 40, TPM: 2000, RPD: 100}},
		})
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				key := []string{"a", "b", "c"}[i%3]
				for n := range each {
					r := ask(t, s, key, flash, 1+(i*n)%150)
					assert.Contains(t, []int{200, 429}, r.status)
					s.Stats()
					if n == 5 {
						s.SetLimits("elsewhere", flash, Limits{})
						s.SetKeyState(key, credentials.Healthy)
						s.Peak("p", flash)
					}
					time.Sleep(time.Duration(i) * time.Second)
				}
			})
		}
		wg.Wait()
		var st journal.Stats
		perProject := map[string]int64{}
		for _, e := range s.Log() {
			if e.Status == 200 {
				st.Accepted++
				perProject[e.Project]++
			} else {
				st.Refused++
			}
		}
		got := s.Stats()
		assert.Equal(t, st.Accepted, got.Accepted)
		assert.Equal(t, st.Refused, got.Refused)
		assert.EqualValues(t, callers*each, st.Accepted+st.Refused)
		assert.EqualValues(t, 100, perProject["p"], "the day of the busy project was used to the last request")
		requests, tokens := s.Peak("", flash)
		assert.LessOrEqual(t, requests, int64(40))
		assert.LessOrEqual(t, tokens, int64(2000))
		assert.Greater(t, tokens, int64(1500), "and the limits were felt")
	})
}

func BenchmarkGenerate(b *testing.B) {
	s := New(Config{Keys: []Key{{Value: key1}}, Limits: map[string]Limits{flash: {RPM: -1, TPM: -1, RPD: -1}}})
	body := prompt(words(10_000))
	client := &http.Client{Transport: s.Transport()}
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		resp, err := client.Post("http://gemini.test/v1beta/models/"+flash+":generateContent?key="+key1, "application/json", strings.NewReader(body))
		if err != nil || resp.StatusCode != 200 {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}
