package remote

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const token = "a-token-that-nobody-sees"

// exchange is what a server was asked.
type exchange struct {
	method, path, body string
	header             http.Header
}

// serve answers every request alike, and returns a client of that server and what it is asked.
func serve(t *testing.T, answer http.HandlerFunc) (*Client, func() []exchange) {
	t.Helper()
	var mu sync.Mutex
	var asked []exchange
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		asked = append(asked, exchange{r.Method, r.URL.Path, string(body), r.Header})
		mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	client, err := NewClient(Access{URL: server.URL, Token: token}, server.Client(), 10*time.Second)
	require.NoError(t, err)
	return client, func() []exchange {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(asked)
	}
}

func say(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func TestStatus(t *testing.T) {
	text, err := os.ReadFile("testdata/status.json")
	require.NoError(t, err)
	client, asked := serve(t, say(string(text)))
	answer, err := client.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, string(text), string(answer.Raw), "as it came")
	assert.Equal(t, []exchange{{"GET", "/status", "", asked()[0].header}}, asked())
	assert.Equal(t, token, asked()[0].header.Get("X-Fluxgate-Token"))
	assert.Empty(t, asked()[0].header.Get("Authorization"))

	s := answer.Body
	assert.Equal(t, "invalid", s.Keys[1].Status)
	assert.Equal(t, "API_KEY_INVALID", s.Keys[1].Reason)
	model := s.Projects[0].Models[0]
	assert.Equal(t, Limit{Limit: 4, Used: 2, Left: 2, Source: "learned", Since: time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC)}, model.RPM)
	assert.Nil(t, model.NextFree["1000000"], "never")
	assert.Equal(t, s.Now, *model.NextFree["1000"])
	assert.Equal(t, int64(Unlimited), s.Projects[1].Models[0].RPD.Limit)
	assert.Equal(t, &Block{Until: s.ResetsAt, Cause: "upstream_day"}, s.Projects[1].Models[0].Block)
	assert.Equal(t, Event{time.Date(2026, 11, 25, 21, 0, 0, 0, time.UTC), "root", "key 4 disabled"}, s.Events[0])
	assert.Equal(t, &Operations{10, 20, 50000, 20000}, s.Operations)
}

// Every call and the request that it makes of its arguments.
func TestRequests(t *testing.T) {
	chain, none, key := []string{"m1", "m2"}, []string{}, 3
	ok := `{"status":"ok","mode":"flash_only","model_chain":["m1"],"limits":{"m1":{"rpm":5}}}`
	for want, c := range map[string]struct {
		answer string
		call   func(context.Context, *Client) error
	}{
		`/plan {"tokens":450000}`: {`{"tokens":450000,"now":"2026-11-25T22:00:00Z","best":null,"candidates":[]}`, func(ctx context.Context, c *Client) error {
			a, err := c.Plan(ctx, []byte(`{"tokens":450000}`))
			assert.Nil(t, a.Body.Best)
			return err
		}},
		`/config {"mode":"flash_only"}`: {ok, func(ctx context.Context, c *Client) error {
			a, err := c.Configure(ctx, Change{Mode: json.RawMessage(`"flash_only"`)})
			assert.Equal(t, Configured{Status: "ok", Mode: "flash_only", ModelChain: []string{"m1"}, Limits: map[string]map[string]int64{"m1": {"rpm": 5}}}, a.Body)
			return err
		}},
		`/config {"disable_key":3}`: {ok, func(ctx context.Context, c *Client) error {
			_, err := c.Configure(ctx, Change{DisableKey: &key})
			return err
		}},
		`/config {"enable_key":3}`: {ok, func(ctx context.Context, c *Client) error {
			_, err := c.Configure(ctx, Change{EnableKey: &key})
			return err
		}},
		`/config {"chain":["m1","m2"]}`: {ok, func(ctx context.Context, c *Client) error {
			_, err := c.Configure(ctx, Change{Chain: &chain})
			return err
		}},
		`/config {"chain":[]}`: {ok, func(ctx context.Context, c *Client) error {
			_, err := c.Configure(ctx, Change{Chain: &none})
			return err
		}},
		`/config {"limits":{"m":{"rpm":5}}}`: {ok, func(ctx context.Context, c *Client) error {
			_, err := c.Configure(ctx, Change{Limits: json.RawMessage(`{"m":{"rpm":5}}`)})
			return err
		}},
		`/validate `: {`{"at":"2026-11-25T22:00:00Z","running":true,"keys":[{"key_index":1,"project":"a","status":"healthy","reason":""}]}`, func(ctx context.Context, c *Client) error {
			a, err := c.Validate(ctx)
			assert.True(t, a.Body.Running)
			assert.Equal(t, []Key{{Index: 1, Project: "a", Status: Healthy}}, a.Body.Keys)
			return err
		}},
		`/refresh-policy `: {`{"at":"2026-11-25T22:00:00Z","models":{},"refused":[{"model":"m","limit":"rpm","value":999,"most":10}],"error":""}`, func(ctx context.Context, c *Client) error {
			a, err := c.RefreshPolicy(ctx)
			assert.Equal(t, []RefusedLimit{{"m", "rpm", 999, 10}}, a.Body.Refused)
			return err
		}},
		`/reset {"key":3}`: {`{"status":"ok"}`, func(ctx context.Context, c *Client) error {
			_, err := c.Reset(ctx, 3)
			return err
		}},
	} {
		client, asked := serve(t, say(c.answer))
		require.NoError(t, c.call(t.Context(), client), want)
		require.Len(t, asked(), 1, want)
		e := asked()[0]
		assert.Equal(t, "POST "+want, e.method+" "+e.path+" "+e.body)
	}
}

func TestRefusals(t *testing.T) {
	google := func(code int, status, message, details string) string {
		text, err := json.Marshal(map[string]any{"error": map[string]any{
			"code": code, "status": status, "message": message, "details": json.RawMessage(details)}})
		require.NoError(t, err)
		return string(text)
	}
	for name, c := range map[string]struct {
		code         int
		header, body string
		want         Error
	}{
		"401": {401, "", google(401, "UNAUTHENTICATED", "Send a token.", "[]"),
			Error{Code: 401, Status: "UNAUTHENTICATED", Message: "Send a token.", RetryAfter: 0}},
		"403 that repeats the token": {403, "", google(403, "PERMISSION_DENIED", "Not "+token+".", "[]"),
			Error{Code: 403, Status: "PERMISSION_DENIED", Message: "Not REDACTED.", RetryAfter: 0}},
		"403 of Cloud Run, which is a page": {403, "", "<html><title>403 Forbidden</title></html>",
			Error{Code: 403, Status: "", Message: "403 Forbidden", RetryAfter: 0}},
		"404": {404, "", google(404, "NOT_FOUND", "There is no key 9.", "[]"),
			Error{Code: 404, Status: "NOT_FOUND", Message: "There is no key 9.", RetryAfter: 0}},
		"429 with a header": {429, "17", google(429, "RESOURCE_EXHAUSTED", "Busy.", "[]"),
			Error{Code: 429, Status: "RESOURCE_EXHAUSTED", Message: "Busy.", RetryAfter: 17 * time.Second}},
		"429 with details": {429, "", google(429, "RESOURCE_EXHAUSTED", "Busy.",
			`[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.500s"}]`),
			Error{Code: 429, Status: "RESOURCE_EXHAUSTED", Message: "Busy.", RetryAfter: 1500 * time.Millisecond}},
		"503": {503, "5", google(503, "UNAVAILABLE", "The quota store can't be reached.", "[]"),
			Error{Code: 503, Status: "UNAVAILABLE", Message: "The quota store can't be reached.", RetryAfter: 5 * time.Second}},
		"502 of a proxy": {502, "", "\x1b]0;evil\a", Error{Code: 502, Status: "", Message: "502 Bad Gateway", RetryAfter: 0}},
		"a status that moves the cursor": {500, "", google(500, "\x1b[2J", "\x1b[2J", "[]"),
			Error{Code: 500, Status: "\uFFFD[2J", Message: "\uFFFD[2J", RetryAfter: 0}},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				w.WriteHeader(c.code)
				_, _ = io.WriteString(w, c.body)
			})
			_, err := client.Reset(t.Context(), 9)
			var refusal *Error
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, c.want, *refusal)
			assert.NotContains(t, err.Error(), token)
		})
	}
	assert.Equal(t, "404 NOT_FOUND: There is no key 9.", (&Error{Code: 404, Status: "NOT_FOUND", Message: "There is no key 9.", RetryAfter: 0}).Error())
}

func TestNoAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"a page": "<html>hello</html>", "nothing": "", "other JSON": `{"status":"up"}`, "not the type": `{"mode":7}`, "a list": "[]",
		"not a time": `{"mode":"both","now":"` + token + `"}`,
	} {
		client, _ := serve(t, say(answer))
		_, err := client.Status(t.Context())
		assert.ErrorIs(t, err, ErrNotFluxgate, name)
		assert.NotContains(t, err.Error(), token)
	}

	client, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"mode":"`)
		for chunk := strings.Repeat("x", 1<<20); ; {
			if _, err := io.WriteString(w, chunk); err != nil {
				return // the client has had enough
			}
		}
	})
	_, err := client.Status(t.Context())
	assert.ErrorContains(t, err, "larger than")

	client, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	_, err = client.Status(t.Context())
	assert.ErrorContains(t, err, "isn't followed")
	assert.Len(t, asked(), 1)

	released := make(chan struct{})
	client, _ = serve(t, func(http.ResponseWriter, *http.Request) { <-released })
	defer close(released)
	client.timeout = 50 * time.Millisecond
	_, err = client.Status(t.Context())
	assert.ErrorContains(t, err, "within 50ms")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Status(ctx)
	assert.ErrorIs(t, err, context.Canceled)

	// A port that was free a moment ago.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	client, err = NewClient(Access{URL: "http://" + listener.Addr().String(), Token: token}, nil, 0)
	require.NoError(t, err)
	_, err = client.Status(t.Context())
	assert.ErrorContains(t, err, "can't connect to http://127.0.0.1:")
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.True(t, Unreachable(err))
	assert.NotContains(t, err.Error(), token)
	assert.False(t, errors.As(err, new(*Error)))

	_, err = NewClient(Access{URL: "http://example.com", Token: token}, nil, 0)
	assert.ErrorContains(t, err, "unencrypted")
}

// An error says by what name the server's operators find its request, if that is a name.
func TestErrorsNameTheirRequest(t *testing.T) {
	for header, want := range map[string]string{
		"abcdefgh23456723":      "503: 503 Service Unavailable (request abcdefgh23456723)",
		"\x1b[2J":               "503: 503 Service Unavailable",
		strings.Repeat("a", 65): "503: 503 Service Unavailable",
		"":                      "503: 503 Service Unavailable",
	} {
		refusal := Access{}.ReadError(&http.Response{
			StatusCode: http.StatusServiceUnavailable, Header: http.Header{requestIDHeader: {header}}, Body: io.NopCloser(strings.NewReader("")),
		})
		assert.Equal(t, want, refusal.Error())
	}
}
