package gemini

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/genai"
)

const (
	// DefaultBaseURL is Google's endpoint.
	DefaultBaseURL = "https://generativelanguage.googleapis.com/"

	// MaxResponseBytes is the largest answer that a typed call reads. It bounds memory; a long answer of today's models
	// with inline images stays well below.
	MaxResponseBytes = 64 << 20

	apiVersion = "v1beta"

	// placeholderKey satisfies the SDK, which insists on a key and would otherwise take one from the environment. The
	// transport replaces it.
	placeholderKey = "per-request"
)

// Config configures a [Client]. The zero value is usable.
type Config struct {
	// BaseURL is the endpoint without the API version, http or https, such as http://127.0.0.1:8090. Default:
	// [DefaultBaseURL]. Environment variables are not consulted.
	BaseURL string
	// Transport carries the requests. Default: a clone of http.DefaultTransport, tuned for many parallel requests to one
	// host. One without a network is fine.
	Transport http.RoundTripper
	// Now is the clock for SentAt. Default: time.Now.
	Now func() time.Time
}

// Client sends requests to the Gemini API, each with a key of its own. It is safe for concurrent use, holds no key, and
// never retries.
type Client struct {
	base  *url.URL
	keyed *keyTransport // carries everything
	genai *genai.Client
	keep  int64 // largest 2xx body, in bytes
}

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
		cfg.Transport = defaultTransport()
	}
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	_, traced := cfg.Transport.(*http.Transport)
	keyed := &keyTransport{base: cfg.Transport, to: base, now: cfg.Now, traced: traced}
	hc := &http.Client{
		Transport: keyed,
		// A followed redirect would be a second request, perhaps to a stranger.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	// Backend and base URL are explicit because the environment can switch both. RetryOptions stay nil: the SDK would
	// retry 429s. The SDK's errors print the whole config, which holds no real key.
	gc, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		APIKey:     placeholderKey,
		Backend:    genai.BackendGeminiAPI,
		HTTPClient: hc,
		HTTPOptions: genai.HTTPOptions{
			BaseURL:    base.String(),
			APIVersion: apiVersion,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("gemini: new client: %w", err)
	}
	return &Client{base: base, keyed: keyed, genai: gc, keep: MaxResponseBytes}, nil
}

func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("gemini: base URL can't be parsed") // url's error quotes it, with any password
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, errors.New("gemini: base URL must be an absolute http or https URL")
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, errors.New("gemini: base URL must not have a user, query or fragment")
	case u.Path == "":
		u.Path = "/" // or what is joined to it would be relative
	}
	return u, nil
}

func defaultTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns = 256
	t.MaxIdleConnsPerHost = 256 // the default of 2 would reconnect for nearly every request over HTTP/1
	t.MaxResponseHeaderBytes = 1 << 20
	// A function's CPU stops between requests and its connections may die unnoticed meanwhile. A ping finds out before a
	// request waits for its whole timeout.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}
	return t
}

// NewRequest makes a raw request for a path below the endpoint, not escaped, such as v1beta/models.
func (c *Client) NewRequest(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, "", body)
	if err != nil {
		return nil, err
	}
	r.URL = c.join(path)
	return r, nil
}

// Do sends a [Client.NewRequest]. It needs a context from [WithKey]; without one, or to another host, it fails. Redirects are
// not followed, nothing but the context limits the time it takes, and answers of any size are left to the reader.
func (c *Client) Do(r *http.Request) (*http.Response, error) { return c.keyed.RoundTrip(r) }

// join returns the URL of a path below the endpoint.
func (c *Client) join(path string) *url.URL {
	if c.base.RawPath != "" || !plainPath(path) {
		return c.base.JoinPath(path)
	}
	u := *c.base
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + path
	return &u
}

// plainPath tells whether nothing in a relative path needs to be cleaned or escaped, as in almost all there are.
func plainPath(path string) bool {
	segment := 0 // bytes of it so far
	for i := range len(path) {
		switch b := path[i]; {
		case b == '/' && segment == 0, b == '.' && segment == 0:
			return false
		case b == '/':
			segment = 0
			continue
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '.', b == ':':
			segment++
		default:
			return false
		}
	}
	return segment > 0
}

// call returns a context for one typed call, and its state.
func (c *Client) call(ctx context.Context, key string) (context.Context, *call) {
	state := &call{key: func() string { return key }, keep: c.keep}
	return context.WithValue(ctx, callKey{}, state), state
}

// rest sends one JSON request and returns the body of a 2xx answer.
func (c *Client) rest(ctx context.Context, key, method, path string, query url.Values, body io.Reader) ([]byte, *call, error) {
	ctx, state := c.call(ctx, key)
	req, err := c.NewRequest(ctx, method, apiVersion+"/"+path, body)
	if err != nil {
		return nil, state, state.failure(ctx, err)
	}
	req.URL.RawQuery = query.Encode()
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return nil, state, state.failure(ctx, err)
	}
	resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, state, state.failure(ctx, nil)
	}
	return state.body, state, nil
}

// resourceName returns the model with its collection ("models/x"), or an Error if the name can't be part of a path.
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
	// The SDK refuses "..", wherever it stands.
	if !valid || strings.Contains(bare, "..") || len(bare) > 128 {
		return "", &Error{Class: ClassModelUnknown, HTTPStatus: http.StatusNotFound, Status: "NOT_FOUND",
			Reason: ReasonModelName, Message: "The model's name is malformed."}
	}
	return name, nil
}
