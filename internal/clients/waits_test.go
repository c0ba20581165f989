package clients

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/wait"
)

// A queue is those that have a slot of the busy model ahead, and come for it when the
// world's clock is put forward past it.
type queue struct {
	mu   sync.Mutex
	held []holder
}

type holder struct {
	body, ticket string
	due          time.Time
}

// ask sends a request for the busy model past the record of answers.
func (w *world) ask(ctx context.Context, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1beta/models/"+busy+":generateContent", strings.NewReader(body))
	r.Header.Set("X-Goog-Api-Key", token)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.front.ServeHTTP(rec, r)
	return rec
}

// bodyOf is a request that is unlike any other.
func (w *world) bodyOf(what string, i int) string {
	return fmt.Sprintf(`{"contents":[{"parts":[{"text":"%s %d of %s"}]}]}`, what, i, w.clock.now())
}

// queueUp has the next request for the busy model told a wait of about that long, of
// more than a minute: every project is full, and beyond that its next slot is booked.
func (w *world) queueUp(ctx context.Context, t assert.TestingT, q *queue, told time.Duration) {
	w.clock.forward(window + time.Second)
	for i := range projects {
		assert.Equal(t, http.StatusOK, w.ask(ctx, w.bodyOf("Filler", i)).Code)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = nil
	if told <= window+time.Second {
		return
	}
	for i := range projects {
		body := w.bodyOf("Booking", i)
		rec := w.ask(ctx, body, "X-Fluxgate-Book", "true")
		ms, err := strconv.Atoi(rec.Header().Get("X-Fluxgate-Retry-Ms"))
		assert.NoError(t, err, rec.Body.String())
		q.held = append(q.held, holder{body, rec.Header().Get("X-Fluxgate-Ticket"), w.clock.now().Add(time.Duration(ms) * time.Millisecond)})
	}
	rec := w.ask(ctx, w.bodyOf("Probe", 0), "X-Fluxgate-Deadline", "0") // which keeps nothing
	ms, err := strconv.Atoi(rec.Header().Get("X-Fluxgate-Retry-Ms"))
	assert.NoError(t, err, rec.Body.String())
	w.clock.forward(time.Duration(ms)*time.Millisecond - told)
}

// pass puts the clock forward, and has those come whose slot begins meanwhile.
func (w *world) pass(ctx context.Context, t assert.TestingT, q *queue, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	end := w.clock.now().Add(d)
	for len(q.held) > 0 && q.held[0].due.Before(end) {
		w.clock.forward(max(0, q.held[0].due.Sub(w.clock.now())))
		assert.Equal(t, http.StatusOK, w.ask(ctx, q.held[0].body, "X-Fluxgate-Ticket", q.held[0].ticket).Code)
		q.held = q.held[1:]
	}
	w.clock.forward(max(0, end.Sub(w.clock.now())))
}

// timeControl is how a suite has the pool busy for longer than a minute, and lets time
// pass when its client sleeps.
func (w *world) timeControl(t *testing.T) string {
	var q queue
	millis := func(r *http.Request) time.Duration {
		n, err := strconv.Atoi(r.URL.Query().Get("ms"))
		assert.NoError(t, err)
		return time.Duration(n) * time.Millisecond
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /queue", func(_ http.ResponseWriter, r *http.Request) { w.queueUp(r.Context(), t, &q, millis(r)) })
	mux.HandleFunc("POST /pass", func(_ http.ResponseWriter, r *http.Request) { w.pass(r.Context(), t, &q, millis(r)) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// waiting serves wait before the world, with its token, and returns its URL.
func (w *world) waiting(t *testing.T) string {
	t.Helper()
	proxy, err := wait.New(wait.Options{Access: remote.Access{URL: w.url, Token: token}})
	require.NoError(t, err)
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}
