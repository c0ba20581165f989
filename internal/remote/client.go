package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxAnswerBytes bounds an answer. The largest possible status, of every key, project, model and day, is below 8 MiB.
const maxAnswerBytes = 16 << 20

// DefaultTimeout bounds one exchange. A cold start and the validation of every key fit in.
const DefaultTimeout = time.Minute

// ErrNotFluxgate means that something else than a Fluxgate has answered.
var ErrNotFluxgate = errors.New("the answer isn't one of Fluxgate: is the URL right?")

// A Client asks one Fluxgate. Its methods return *[Error] when the server refuses, and other errors when there is no
// whole answer. Safe for concurrent use.
type Client struct {
	access  Access
	client  *http.Client
	timeout time.Duration
}

// NewClient returns a client, or all that is wrong with its access. Nil stands for [http.DefaultClient], and no timeout
// for [DefaultTimeout].
func NewClient(access Access, client *http.Client, timeout time.Duration) (*Client, error) {
	if err := access.Check(); err != nil {
		return nil, err
	}
	if client == nil {
		client = http.DefaultClient
	}
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &Client{access: access, client: WithoutRedirects(client), timeout: timeout}, nil
}

// URL returns the address that is asked.
func (c *Client) URL() string { return c.access.URL }

// An Answer is what the server said, and what it means.
type Answer[T any] struct {
	Body T
	// Raw is the JSON as it came.
	Raw []byte
}

// Status asks for GET /status. Models that a project doesn't list because they are idle are
// listed in Body.
func (c *Client) Status(ctx context.Context) (Answer[Status], error) {
	answer, err := ask(ctx, c, http.MethodGet, "/status", nil, func(s *Status) bool { return s.Mode != "" && !s.Now.IsZero() })
	answer.Body.listIdle()
	return answer, err
}

// Plan asks when a request could start, without booking anything. The body is {"tokens": n}, or one of /generate or of
// Gemini's generateContent.
func (c *Client) Plan(ctx context.Context, body []byte) (Answer[Plan], error) {
	return ask(ctx, c, http.MethodPost, "/plan", body, func(p *Plan) bool { return !p.Now.IsZero() })
}

// Configure changes settings of all instances. For administrators.
func (c *Client) Configure(ctx context.Context, change Change) (Answer[Configured], error) {
	body, err := json.Marshal(change)
	if err != nil {
		return Answer[Configured]{}, fmt.Errorf("config: %w", err)
	}
	return ask(ctx, c, http.MethodPost, "/config", body, func(d *Configured) bool { return d.Status == "ok" })
}

// Validate has every key checked. For administrators.
func (c *Client) Validate(ctx context.Context) (Answer[Validation], error) {
	return ask(ctx, c, http.MethodPost, "/validate", nil, func(v *Validation) bool { return v.Keys != nil })
}

// RefreshPolicy has Gemini asked for its limits. For administrators.
func (c *Client) RefreshPolicy(ctx context.Context) (Answer[PolicyReport], error) {
	return ask(ctx, c, http.MethodPost, "/refresh-policy", nil, func(p *PolicyReport) bool { return p.Models != nil || p.Error != "" })
}

// Reset forgets the blocks and learned limits of a key's project, and that the key was invalid. For administrators.
func (c *Client) Reset(ctx context.Context, key int) (Answer[Done], error) {
	body := fmt.Appendf(nil, `{"key":%d}`, key)
	return ask(ctx, c, http.MethodPost, "/reset", body, func(d *Done) bool { return d.Status == "ok" })
}

// ask does one exchange. What isn't plausible is taken for the answer of another server.
func ask[T any](ctx context.Context, c *Client, method, path string, body []byte, plausible func(*T) bool) (answer Answer[T], err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.access.URL+path, bytes.NewReader(body))
	if err != nil {
		return answer, fmt.Errorf("making the request: %w", Cause(err))
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if err := c.access.Authorize(request); err != nil {
		return answer, err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return answer, c.failure(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return answer, c.access.ReadError(response)
	}
	answer.Raw, err = io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return answer, c.failure(fmt.Errorf("reading the answer: %w", err))
	case len(answer.Raw) > maxAnswerBytes:
		return answer, fmt.Errorf("the answer is larger than %d bytes: is the URL right?", maxAnswerBytes)
	}
	if err := json.Unmarshal(answer.Raw, &answer.Body); err != nil {
		return answer, fmt.Errorf("%w (%s)", ErrNotFluxgate, c.access.Sanitize(err.Error()))
	}
	if !plausible(&answer.Body) {
		return answer, ErrNotFluxgate
	}
	return answer, nil
}

// failure says why there is no answer.
func (c *Client) failure(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case Unreachable(err):
		return fmt.Errorf("can't connect to %s: %w", c.access.URL, Cause(err))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from %s within %v: %w", c.access.URL, c.timeout, context.DeadlineExceeded)
	}
	return fmt.Errorf("no answer from %s: %w", c.access.URL, Cause(err))
}
