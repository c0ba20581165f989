package gemini

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/coding"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
)

const (
	// DefaultBaseURL is Google's endpoint.
	DefaultBaseURL = "https://generativelanguage.googleapis.com/"

	// MaxResponseBytes is the largest answer that a typed call reads. It bounds memory; a long answer of today's models
	// with inline images stays well below.
	MaxResponseBytes = 64 << 20

	apiVersion = "v1beta"

	// maxErrorBody bounds what is kept of an answer that isn't 2xx, in bytes. Gemini's are a few KiB.
	maxErrorBody = 1 << 20
)

// Config configures a [Client]. The zero value is usable.
type Config struct {
	// BaseURL is the endpoint without the API version, http or https, such as http://127.0.0.1:8090. Default:
	// [DefaultBaseURL]. Environment variables are not consulted.
	BaseURL string
	// Transport carries the requests. Default: a clone of http.DefaultTransport, tuned for many parallel requests to one
	// host. One without a network is fine.
	Transport http.RoundTripper
	// Token returns an OAuth token of this program's identity, by which projects without a key are called. It is sent to
	// Google's hosts alone. Default: that of Application Default Credentials, looked for when it is first wanted.
	Token func(context.Context) (string, error)
	// Now is the clock for SentAt. Default: time.Now.
	Now func() time.Time
}

// Client sends requests to the Gemini API, each with a key of its own. It is safe for concurrent use, holds no key, and
// never retries.
type Client struct {
	base  upstream.Base
	own   *identity           // for projects without a key
	keyed *upstream.Transport // carries everything
	keep  int64               // largest 2xx body of our own calls, in bytes
}

var (
	_ upstream.Prompter = (*Client)(nil)
	_ upstream.Limiter  = (*Client)(nil)
)

// Name is the name of this provider, as keys carry it.
const Name = upstream.Gemini

// New returns a client. It makes no network calls. It fails if the base URL isn't an absolute http or https URL, or if
// it carries a user, a query or a fragment: credentials don't belong there.
func New(cfg Config) (*Client, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Transport == nil {
		cfg.Transport = upstream.NewTransport()
	}
	base, err := upstream.ParseBase(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("gemini: %w", err)
	}
	if cfg.Token == nil {
		cfg.Token = ownToken()
	}
	c := &Client{base: base, own: &identity{token: cfg.Token}, keep: MaxResponseBytes}
	c.keyed = &upstream.Transport{Base: cfg.Transport, To: base.URL(), Now: cfg.Now, Put: c.put}
	return c, nil
}

// put puts a key where the route has it, or this program's identity in its place.
func (c *Client) put(r *http.Request, key string) error {
	if project, without := upstream.ProjectOf(key); without {
		return c.own.put(r, project)
	}
	switch {
	case openAI(r.URL.Path):
		r.Header.Set("Authorization", "Bearer "+key)
	case strings.HasSuffix(r.URL.Path, ".BidiGenerateContentConstrained"): // an ephemeral token
		r.Header.Set("Authorization", "Token "+key)
	default:
		r.Header.Set("X-Goog-Api-Key", key)
	}
	return nil
}

// CheckIdentity returns why no project can be called without a key here, or nil.
func (c *Client) CheckIdentity(ctx context.Context) error {
	_, err := c.own.token(ctx)
	return err
}

// openAIPath begins the paths of the OpenAI-compatible endpoint.
const openAIPath = apiVersion + "/openai/"

// openAI tells whether the path of a URL is of that endpoint, which is documented with a Bearer key only.
func openAI(path string) bool { return strings.Contains(path, "/"+openAIPath) }

// NewRequest implements upstream.Provider.
func (c *Client) NewRequest(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	return c.base.NewRequest(ctx, method, path, body)
}

// Do implements upstream.Provider.
func (c *Client) Do(r *http.Request) (*http.Response, error) { return c.keyed.RoundTrip(r) }

// success is the 2xx answer to a call of our own.
type success struct {
	body   []byte
	whole  bool // it is known to be
	status int
	sentAt time.Time
	limits []ratelimits.Limit
	key    func() string
}

// rest makes a call of our own and returns its answer. Every error is an
// *upstream.Error.
func (c *Client) rest(ctx context.Context, key, method, path string, query url.Values, body *payload.Rope) (*success, error) {
	ctx = upstream.WithKey(ctx, key)
	var reader io.Reader
	if body != nil {
		reader = body.Open()
		defer payload.Close(reader)
	}
	req, err := c.NewRequest(ctx, method, apiVersion+"/"+path, reader)
	if err != nil {
		return nil, unencodable(err)
	}
	req.URL.RawQuery = query.Encode()
	req.Header.Set("Content-Type", "application/json")
	if deadline, ok := ctx.Deadline(); ok {
		// As the SDKs have it: the server need not work for longer.
		req.Header.Set("X-Server-Timeout", strconv.Itoa(int(math.Ceil(max(0, time.Until(deadline).Seconds())))))
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, upstream.TransportError(ctx, err)
	}
	defer resp.Body.Close()
	// net/http has asked for gzip and unpacks that by itself; not every transport does,
	// and not every upstream keeps to what it was asked for.
	plain, err := coding.Unpack(resp.Body, resp.Header.Get("Content-Encoding"))
	if err != nil {
		plain = resp.Body
	}
	at, _ := upstream.Sent(ctx)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		// An error whose body broke off is still an error with that status.
		text, _ := io.ReadAll(io.LimitReader(plain, maxErrorBody))
		e := c.Classify(resp.StatusCode, text, key)
		e.SentAt, e.Header = at, upstream.ErrorHeader(resp.Header)
		e.Told(c.Limits(resp.Header, time.Now()))
		return nil, e
	}
	text, err := bodies.ReadAnswer(ctx, plain, resp.ContentLength, c.keep)
	if err == nil {
		err = bodies.Take(ctx, 2*int64(len(text))) // what is read in it, and once more in our own answer
	}
	if err != nil {
		return nil, upstream.TransportError(ctx, err)
	}
	return &success{body: text, whole: upstream.KnownWhole(resp), status: resp.StatusCode, sentAt: at, limits: c.Limits(resp.Header, time.Now()), key: func() string { return c.own.secret(key) }}, nil
}

// Limits implements upstream.Limiter. As far as is known Gemini's answers say nothing of limits; should they, what
// names itself as a minute's is believed, which is what its calendars count of those that others tell.
func (c *Client) Limits(h http.Header, now time.Time) []ratelimits.Limit {
	if !ratelimits.Says(h) {
		return nil
	}
	return slices.DeleteFunc(ratelimits.Read(h, now, ratelimits.Dialect{}).Limits, func(l ratelimits.Limit) bool {
		return l.Per != time.Minute || l.Tier != ratelimits.Standard || l.Dimension == ratelimits.OutputTokens
	})
}

// Outputs implements upstream.Limiter.
func (c *Client) Outputs(a upstream.Asked) (tokens int64, apart bool) { return a.Output, false }

// unusable is the error of a 2xx that isn't an answer: an error after all, or nonsense.
func (s *success) unusable() *upstream.Error {
	body := s.body
	if !hasError(trimmed(body)) {
		body = nil // nothing of a possible answer belongs into an error
	}
	e := classify(s.status, body, s.key())
	if body == nil {
		e.Message = "Upstream answered with success but without a usable body."
	}
	e.SentAt = s.sentAt
	return e
}

// resourceName returns the model with its collection ("models/x"), or an error if the name can't be part of a path.
// Such a name can only be a mistake or an attempt to reach another route, and upstream doesn't know it either.
func resourceName(model string) (string, error) {
	name := model
	if !strings.HasPrefix(name, "models/") && !strings.HasPrefix(name, "tunedModels/") {
		name = "models/" + name
	}
	_, bare, _ := strings.Cut(name, "/")
	valid := bare != "" && strings.Trim(bare, ".") != ""
	for _, b := range []byte(bare) {
		letter := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
		valid = valid && (letter || b >= '0' && b <= '9' || b == '-' || b == '.' || b == '_')
	}
	// A name with ".." would be cleaned away as a path.
	if !valid || strings.Contains(bare, "..") || len(bare) > 128 {
		return "", &upstream.Error{Class: upstream.ClassModelUnknown, HTTPStatus: http.StatusNotFound, Status: "NOT_FOUND",
			Reason: upstream.ReasonModelName, Message: "The model's name is malformed."}
	}
	return name, nil
}
