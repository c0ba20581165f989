package geminisim

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	flash = "gemini-2.5-flash"
	key1  = "AIza-test-key-number-one"
	key2  = "AQ.test-key-number-two"

	granularity = 8 << 20  // bytes, of which the chunks of an upload are a multiple
	pageBytes   = 32 << 10 // bytes of a document that cost as much as a page
)

// clock is a settable clock.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func (c *clock) add(d time.Duration) { c.set(c.now().Add(d)) }

// noon is an arbitrary start of a minute, far from midnight anywhere in America.
var noon = time.Date(2026, 6, 10, 19, 0, 0, 0, time.UTC)

// newSim returns a server with key1 (project alpha), key2 (its own project)
// and a clock that stands at noon.
func newSim(cfg Config) (*Server, *clock) {
	c := &clock{t: noon}
	cfg.Now = c.now
	if cfg.Keys == nil {
		cfg.Keys = []Key{{Value: key1, Project: "alpha"}, {Value: key2}}
	}
	return New(cfg), c
}

// reply is a response that has been read.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) decode(t *testing.T, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(r.body), into), r.body)
}

// do sends a request through the in-memory transport.
func do(t *testing.T, s *Server, method, path, body string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://gemini.test"+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := s.Transport().RoundTrip(req)
	require.NoError(t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return reply{resp.StatusCode, resp.Header, string(raw)}
}

// post sends a body to /v1beta/ with key1.
func post(t *testing.T, s *Server, path, body string) reply {
	t.Helper()
	return do(t, s, http.MethodPost, "/v1beta/"+path, body, "x-goog-api-key", key1)
}

// prompt is a generateContent body with one text.
func prompt(text string) string {
	raw, err := json.Marshal(map[string]any{"contents": []any{map[string]any{"parts": []any{map[string]any{"text": text}}}}})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// words returns a text of n tokens.
func words(n int) string { return strings.Repeat("word ", n) }

// ask generates with a prompt of n tokens.
func ask(t *testing.T, s *Server, key, model string, n int) reply {
	t.Helper()
	return do(t, s, http.MethodPost, "/v1beta/models/"+model+":generateContent", prompt(words(n)), "x-goog-api-key", key)
}

// wireError is an error body as a client sees it.
type wireError struct {
	Error struct {
		Code    int               `json:"code"`
		Message string            `json:"message"`
		Status  string            `json:"status"`
		Details []json.RawMessage `json:"details"`
	} `json:"error"`
}

type wireViolation struct {
	Metric     string            `json:"quotaMetric"`
	ID         string            `json:"quotaId"`
	Dimensions map[string]string `json:"quotaDimensions"`
	Value      *string           `json:"quotaValue"`
}

// refusal is what a client reads from a 429.
type refusal struct {
	message    string
	retry      string
	violations []wireViolation
}

func (r refusal) ids() (ids []string) {
	for _, v := range r.violations {
		ids = append(ids, v.ID)
	}
	return ids
}

// parseRefusal picks the details out by their type.
func parseRefusal(t *testing.T, r reply) refusal {
	t.Helper()
	require.Equal(t, http.StatusTooManyRequests, r.status, r.body)
	var e wireError
	r.decode(t, &e)
	require.Equal(t, 429, e.Error.Code)
	require.Equal(t, "RESOURCE_EXHAUSTED", e.Error.Status)
	out := refusal{message: e.Error.Message}
	for _, raw := range e.Error.Details {
		var d struct {
			Type       string          `json:"@type"`
			Violations []wireViolation `json:"violations"`
			RetryDelay string          `json:"retryDelay"`
		}
		require.NoError(t, json.Unmarshal(raw, &d))
		switch d.Type {
		case "type.googleapis.com/google.rpc.QuotaFailure":
			out.violations = d.Violations
		case "type.googleapis.com/google.rpc.RetryInfo":
			out.retry = d.RetryDelay
		}
	}
	return out
}

// untranslate is the inverse of [Translate].
func untranslate(text string) string {
	return strings.NewReplacer("e", "a", "i", "e", "o", "i", "u", "o", "a", "u", "E", "A", "I", "E", "O", "I", "U", "O", "A", "U").Replace(text)
}
