package gemini

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxErrorBody bounds what is kept of an answer that isn't 2xx, in bytes. Gemini's are a few KiB.
const maxErrorBody = 1 << 20

var (
	errNoKey       = errors.New("gemini: request without a key in its context")
	errForeignHost = errors.New("gemini: refusing to send a key to another host than the configured one")
	errBadKey      = errors.New("gemini: key can't be sent in a header")
	errTooLarge    = errors.New("gemini: answer is larger than accepted")
)

// call is the state of one upstream call, kept in its context. The key is behind a function because fmt prints
// functions as addresses: no verb, however deep it looks into a context or request, shows the key.
type call struct {
	key func() string

	// The rest serves the typed calls. A raw pass-through leaves keep at 0 and reads its own answer.
	keep   int64 // largest 2xx body to read, in bytes
	status int
	body   []byte

	mu   sync.Mutex
	last *attempt
}

type callKey struct{}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// WithKey returns a context whose requests through [Client.Do] carry key as their only credential. The key can't be
// read back or printed from the context. Use one context per request if [Sent] matters.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, callKey{}, &call{key: func() string { return key }})
}

// Sent reports when the last byte of the latest request made with a [WithKey] context was written. It is false when
// the request was not written in full, so that upstream can't have counted it.
func Sent(ctx context.Context) (time.Time, bool) {
	c := callFrom(ctx)
	if c == nil {
		return time.Time{}, false
	}
	at := c.sentAt()
	return at, !at.IsZero()
}

func (c *call) begin(now func() time.Time) *attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = &attempt{now: now}
	return c.last
}

func (c *call) sentAt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		return time.Time{}
	}
	return c.last.sentAt()
}

// attempt notes how far one request got. The transport calls it from its own goroutines, possibly after RoundTrip has
// returned; a new request has a new attempt, so a late call can't touch it.
type attempt struct {
	now func() time.Time

	mu       sync.Mutex
	wrote    time.Time // httptrace says: written in full
	failed   bool      // httptrace says: writing failed
	consumed time.Time // the transport has the whole body from us
	answered time.Time // the answer's header arrived
	success  bool      // the answer is 2xx
	hasBody  bool
}

// sentAt returns the best estimate, or zero if the request surely was not written in full. The body's end stands in
// where the trace hook is silent: for transports without a network, and when a connection breaks (or a fast HTTP/2
// answer comes) between the last write and the hook. That errs towards "sent": a reservation kept, never a lost one.
func (a *attempt) sentAt() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.wrote.IsZero():
		return a.wrote
	case a.success && a.consumed.IsZero(), !a.hasBody:
		return a.answered
	case a.failed && !a.success:
		return time.Time{}
	default:
		return a.consumed
	}
}

func (a *attempt) noteWrote(info httptrace.WroteRequestInfo) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed = info.Err != nil; a.failed {
		a.wrote = time.Time{}
		return
	}
	a.wrote = a.now()
}

func (a *attempt) noteConsumed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.consumed.IsZero() {
		a.consumed = a.now()
	}
}

// noteRewind starts over: the transport found its connection dead before it wrote anything and takes the body afresh.
func (a *attempt) noteRewind() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wrote, a.failed, a.consumed = time.Time{}, false, time.Time{}
}

func (a *attempt) noteAnswer(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered, a.success = a.now(), status >= 200 && status < 300
}

// smallBody is the longest body, in bytes, that goes out in one piece with its header.
const smallBody = 2 << 10

// watch has the body of r, which is about to be sent, tell how much of it is taken. A small one that a network takes
// (traced) is left as it is, so that net/http knows it for one in memory and writes it together with the header; it
// counts as taken once that is written.
func (a *attempt) watch(r *http.Request, trace *httptrace.ClientTrace, traced bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	a.hasBody = true
	wrap := func(body io.ReadCloser) io.ReadCloser {
		return &watchedBody{ReadCloser: body, a: a, left: r.ContentLength}
	}
	if traced && r.ContentLength > 0 && r.ContentLength <= smallBody {
		trace.WroteHeaders = a.noteConsumed
		wrap = func(body io.ReadCloser) io.ReadCloser { return body }
	}
	r.Body = wrap(r.Body)
	if again := r.GetBody; again != nil {
		r.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil {
				return nil, err
			}
			a.noteRewind()
			return wrap(body), nil
		}
	}
}

type watchedBody struct {
	io.ReadCloser
	a    *attempt
	left int64 // bytes until the declared length; not positive from the start if the length is unknown
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	known := b.left > 0
	b.left -= int64(n)
	if err == io.EOF || known && b.left <= 0 {
		b.a.noteConsumed()
	}
	return n, err
}

// keyTransport gives each request the key of its context as its only credential.
type keyTransport struct {
	base   http.RoundTripper
	to     *url.URL
	now    func() time.Time
	traced bool // base calls the hooks of httptrace
}

// RoundTrip implements http.RoundTripper. The caller's request is not changed, and the answer refers to it rather than
// to the one with the key.
func (t *keyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := callFrom(req.Context())
	if err := t.refuse(c, req); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	a := c.begin(t.now)
	trace := &httptrace.ClientTrace{WroteRequest: a.noteWrote}
	out := req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	strip(out)
	if openAI(out.URL.Path) {
		out.Header.Set("Authorization", "Bearer "+c.key())
	} else {
		out.Header.Set("X-Goog-Api-Key", c.key())
	}
	a.watch(out, trace, t.traced)
	resp, err := t.base.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	a.noteAnswer(resp.StatusCode)
	resp.Request = req
	if c.keep > 0 {
		if err := c.read(resp); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

func (t *keyTransport) refuse(c *call, req *http.Request) error {
	switch {
	case c == nil:
		return errNoKey
	case !sendable(c.key()):
		return errBadKey
	case req.URL.Scheme != t.to.Scheme || req.URL.Host != t.to.Host:
		return errForeignHost
	}
	return nil
}

// read takes the whole answer into memory, so that its exact bytes can be classified: the SDK's own error keeps neither
// the HTTP status nor the body.
func (c *call) read(resp *http.Response) error {
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	limit := int64(maxErrorBody)
	if ok {
		limit = c.keep
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	resp.Body.Close()
	if ok && err != nil {
		return err
	}
	if int64(len(body)) > limit {
		if ok {
			return errTooLarge
		}
		body = body[:limit]
	}
	// An error whose body broke off is still an error with that status.
	c.status, c.body = resp.StatusCode, body
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// credentialHeaders are those by which the caller, or the SDK, may have brought a credential along.
var credentialHeaders = []string{"Authorization", "Proxy-Authorization", "X-Goog-Api-Key", "X-Goog-User-Project", "Cookie"}

// strip gives r, a shallow copy, a header and a URL of its own without any credential that the caller, or the SDK's
// placeholder, brought along: upstream refuses a request with two.
func strip(r *http.Request) {
	header := make(http.Header, len(r.Header)+1)
	for name, values := range r.Header {
		if !slices.Contains(credentialHeaders, name) {
			header[name] = values
		}
	}
	r.Header, r.Host = header, ""
	if r.URL.User == nil && r.URL.RawQuery == "" {
		return
	}
	u := *r.URL
	u.User = nil
	// Pairs are dropped one by one: Query().Encode() would reorder and re-encode the rest.
	var kept []string
	for _, pair := range strings.Split(u.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		switch strings.ToLower(name) {
		case "key", "$key", "api_key", "access_token", "oauth_token":
		default:
			kept = append(kept, pair)
		}
	}
	u.RawQuery = strings.Join(kept, "&")
	r.URL = &u
}

// openAI tells whether path is of the OpenAI-compatible endpoint, which is documented with a Bearer key only.
func openAI(path string) bool { return strings.Contains(path, "/v1beta/openai/") }

// sendable tells whether key is non-empty visible ASCII, which is all that a key's header value may be. No prefix is
// checked: Google changes them.
func sendable(key string) bool {
	for _, b := range []byte(key) {
		if b <= ' ' || b >= 0x7f {
			return false
		}
	}
	return key != ""
}
