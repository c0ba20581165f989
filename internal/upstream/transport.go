package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream/arrival"
)

// The reasons for which a request isn't sent at all. They are the causes of
// errors that TransportError makes.
var (
	ErrNoKey       = errors.New("upstream: request without a key in its context")
	ErrForeignHost = errors.New("upstream: refusing to send a key to another host than the configured one")
	ErrBadKey      = errors.New("upstream: key can't be sent in a header")
)

// call is the context of one upstream call, with its state. The key is behind a function because fmt prints
// functions as addresses: no verb, however deep it looks into a context or request, shows the key.
type call struct {
	context.Context
	key func() string

	mu       sync.Mutex
	last     *attempt
	first    attempt // the last, as long as there is one
	provider string  // whom it was sent to; empty: nobody yet, or Gemini
}

type callKey struct{}

// Value implements context.Context.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// WithKey returns a context whose requests through [Provider.Do] carry key as their only credential. The key can't be
// read back or printed from the context. Use one context per request if [Sent] matters.
func WithKey(ctx context.Context, key string) context.Context {
	return &call{Context: ctx, key: func() string { return key }}
}

type modelKey struct{}

// WithModel returns a context whose requests are to a model, as its provider knows it: some have it in their paths.
func WithModel(ctx context.Context, model string) context.Context {
	return context.WithValue(ctx, modelKey{}, model)
}

// ModelOf returns the model of a context; "" where there is none.
func ModelOf(ctx context.Context) string {
	model, _ := ctx.Value(modelKey{}).(string)
	return model
}

// Sent reports when the last byte of the latest request made with a [WithKey] context was written, or, of one that is seen not to
// arrive in time, when it had arrived. It is false when the request was not written in full, so that upstream can't have counted it.
func Sent(ctx context.Context) (time.Time, bool) {
	c := callFrom(ctx)
	if c == nil {
		return time.Time{}, false
	}
	at := c.sentAt()
	return at, !at.IsZero()
}

func (c *call) begin(now func() time.Time, provider string) *attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.provider = provider; c.last == nil {
		c.last = &c.first
	} else {
		c.last = new(attempt)
	}
	c.last.now = now
	return c.last
}

func (c *call) sentTo() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.provider
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
	now   func() time.Time
	trace httptrace.ClientTrace // has it told how far it got
	way   *arrival.Sending      // nil: nobody looks whether it arrives in time

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
	at := a.leftAt()
	if a.way == nil || at.IsZero() {
		return at
	}
	if late := a.way.Arrived(); late.After(at) {
		return late
	}
	return at
}

// leftAt is sentAt for a request that arrives soon.
func (a *attempt) leftAt() time.Time {
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
	if a.wrote = a.now(); a.way != nil {
		a.way.Wrote()
	}
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
func (a *attempt) watch(r *http.Request, traced bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	a.hasBody = true
	length, small := r.ContentLength, traced && r.ContentLength > 0 && r.ContentLength <= smallBody
	if small {
		a.trace.WroteHeaders = a.noteConsumed
	} else {
		r.Body = &watchedBody{ReadCloser: r.Body, a: a, left: length}
	}
	if again := r.GetBody; again != nil {
		r.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil {
				return nil, err
			}
			if a.noteRewind(); !small {
				body = &watchedBody{ReadCloser: body, a: a, left: length}
			}
			return body, nil
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

// NewTransport returns what carries requests to a provider: a clone of http.DefaultTransport, tuned for many parallel
// requests to one host, which calls no link-local address.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = dialer.DialContext
	t.MaxIdleConns = 256
	t.MaxIdleConnsPerHost = 256 // the default of 2 would reconnect for nearly every request over HTTP/1
	t.MaxResponseHeaderBytes = 1 << 20
	// A function's CPU stops between requests and its connections may die unnoticed meanwhile. A ping finds out before a
	// request waits for its whole timeout.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}
	return t
}

// A Transport gives each request the key of its context as its only credential. All fields but Name and Path are required.
type Transport struct {
	Name string            // the provider's, for errors; empty: Gemini's
	Base http.RoundTripper // carries the requests
	To   *url.URL          // whose scheme and host alone get a key
	Now  func() time.Time  // for Sent
	// Path is how soon requests arrive, which is measured; nil: it isn't.
	Path *arrival.Path
	// Put puts a key, or what WithoutKey stands for, on a request whose header is its own.
	// What it fails with is what the request fails with, which isn't sent.
	Put func(r *http.Request, key string) error
}

// RoundTrip implements http.RoundTripper. The caller's request is not changed, and the answer refers to it rather than
// to the one with the key.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := callFrom(req.Context())
	if err := t.refuse(c, req); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	a := c.begin(t.Now, t.Name)
	a.trace.WroteRequest = a.noteWrote
	out := req.WithContext(httptrace.WithClientTrace(req.Context(), &a.trace))
	strip(out)
	out.Header[loopHeader] = loopMarks
	if err := t.Put(out, c.key()); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	network, traced := t.Base.(*http.Transport) // which calls the hooks of httptrace
	if t.Path != nil && (!traced || !passedOn(network, out)) {
		a.way = t.Path.Send(req.Context(), &a.trace, t.Now, t.To.Scheme == "https")
	}
	a.watch(out, traced)
	resp, err := t.Base.RoundTrip(out)
	if a.way != nil {
		a.way.Ended(err == nil)
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == StatusLoop {
		resp.Body.Close()
		return nil, ErrLoop
	}
	a.noteAnswer(resp.StatusCode)
	resp.Request = req
	return resp, nil
}

// passedOn reports whether another program passes a request on, to which the connection is: a proxy, or one on this machine, as
// no provider is.
func passedOn(t *http.Transport, r *http.Request) bool {
	if host := r.URL.Hostname(); host == "localhost" || net.ParseIP(host).IsLoopback() {
		return true
	}
	if t.Proxy == nil {
		return false
	}
	proxy, err := t.Proxy(r)
	return proxy != nil || err != nil
}

func (t *Transport) refuse(c *call, req *http.Request) error {
	switch {
	case c == nil:
		return ErrNoKey
	case !Sendable(strings.TrimPrefix(c.key(), withoutKey)):
		return ErrBadKey
	case req.URL.Scheme != t.To.Scheme || req.URL.Host != t.To.Host:
		return ErrForeignHost
	}
	return nil
}

// credentialHeaders are those by which the caller may have brought a credential along.
var credentialHeaders = []string{"Authorization", "Proxy-Authorization", "X-Goog-Api-Key", "X-Goog-User-Project", "X-Api-Key", "Api-Key", "Cookie"}

// strip gives r, a shallow copy, a header and a URL of its own without any credential that the caller brought along:
// upstream refuses a request with two.
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

// Sendable tells whether key is non-empty visible ASCII, which is all that a key's header value may be. No prefix is
// checked: Google changes them.
func Sendable(key string) bool {
	for _, b := range []byte(key) {
		if b <= ' ' || b >= 0x7f {
			return false
		}
	}
	return key != ""
}
