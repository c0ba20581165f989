package wait

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/remote"
)

const (
	// DefaultLongest is below the 300 s at which common HTTP clients give up, since the answer takes time too.
	DefaultLongest = 240 * time.Second
	// DefaultMemory bounds all bodies that are held in memory, in bytes.
	DefaultMemory = 64 << 20

	// connectFor is how long a function is tried again that can't be connected to, and connectPause how long between.
	connectFor   = 30 * time.Second
	connectPause = 500 * time.Millisecond
	// releaseTime bounds giving a booking back.
	releaseTime = 2 * time.Second
	// maxRefusal bounds what is read of a refusal that is sat out, in bytes.
	maxRefusal = 64 << 10
)

// Options say what a proxy forwards to, and how long it waits. The zero value of a field means its default.
type Options struct {
	// Access is the Fluxgate, and what opens it. Required.
	Access remote.Access
	// KeepCredential has the client's credential go on instead of the proxy's own: for a Fluxgate of the same process.
	KeepCredential bool
	// Longest is how long a request may wait, all its waits together. Default: 240 s.
	Longest time.Duration
	// Memory bounds all bodies that are held in memory, in bytes; the others are in files. Default: 64 MiB.
	Memory int64
	// Transport sends the requests. Default: one of its own.
	Transport http.RoundTripper
	// Output is where it is shown who waits; nil: nowhere. Live says that it is a terminal that nobody else writes to.
	Output io.Writer
	Live   bool
}

// A Proxy is an http.Handler that forwards to one Fluxgate and waits on behalf of its clients.
type Proxy struct {
	options Options
	target  *url.URL
	client  *http.Client
	pages   *http.CrossOriginProtection
	bodies  *budget
	list    *list
	display *display

	requests, releases sync.WaitGroup
	sessions           context.Context // what is under way in another protocol; ends where that is broken off
	breakOff           context.CancelFunc
}

// New returns a proxy, or all that is wrong with its options.
func New(o Options) (*Proxy, error) {
	if err := o.Access.Check(); err != nil {
		return nil, err
	}
	target, err := url.Parse(o.Access.URL)
	if err != nil {
		return nil, errors.New("url: not an address: want http://HOST or https://HOST")
	}
	if target.Scheme != "https" && !o.Access.Loopback() {
		return nil, errors.New("url: prompts would cross the network unencrypted: want https://, or http:// on this machine")
	}
	if o.Longest == 0 {
		o.Longest = DefaultLongest
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.Longest < 0 || o.Memory < 0 {
		return nil, errors.New("the longest wait and the memory can't be negative: give 0 or more")
	}
	if o.Transport == nil {
		o.Transport = newTransport(o.Access.Loopback())
	}
	p := &Proxy{
		options: o, target: target, client: remote.WithoutRedirects(&http.Client{Transport: o.Transport}),
		pages: http.NewCrossOriginProtection(), bodies: &budget{most: o.Memory}, list: newList(),
	}
	p.sessions, p.breakOff = context.WithCancel(context.Background())
	p.display = &display{w: o.Output, live: o.Live, list: p.list}
	return p, nil
}

// newTransport has as many connections as there are requests, and passes packed answers as they are. What is on this
// machine needs no proxy.
func newTransport(local bool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 256, 256
	if local {
		t.Proxy = nil
	}
	return t
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests.Add(1)
	defer p.requests.Done()
	if err := callers.CheckLocal(r, p.pages, nil); err != nil {
		p.fail(w, r, apierror.Forbidden, "Only programs of this machine are let in, and no web pages: ask for localhost or 127.0.0.1, without a proxy between.")
		return
	}
	until := bound(r.Header, time.Now(), p.options.Longest)
	v := &visit{p: p, w: w, r: r, out: p.outgoing(r), until: until}
	if upload(r) {
		v.pass(r.Body, r.ContentLength)
		return
	}
	held, err := p.bodies.hold(r.Body, r.ContentLength)
	defer held.close()
	switch {
	case errors.Is(err, errTooLarge):
		p.fail(w, r, apierror.BodyTooLarge, fmt.Sprintf("The request body is larger than %d bytes.", MaxBody))
	case err != nil:
		p.fail(w, r, apierror.InvalidArgument, "The request body could not be read to its end.")
	default:
		v.persist(held)
	}
}

// fail answers what is the proxy's own to say, in the shape of the route's API.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, code apierror.Code, text string) {
	format := apierror.Native
	if strings.Contains(r.URL.Path, "/openai/") || strings.HasSuffix(r.URL.Path, "/chat/completions") {
		format = apierror.OpenAI
	}
	apierror.Write(w, format, &apierror.Problem{Code: code, Public: "fluxgate wait: " + text})
}

// A visit is one request of a client until it is answered.
type visit struct {
	p     *Proxy
	w     http.ResponseWriter
	r     *http.Request
	out   *http.Request
	until time.Time // it may wait
	turn  remote.Turn
	asked bool // for a booking that the client didn't ask for
}

// pass sends a request once, as it comes.
func (v *visit) pass(body io.ReadCloser, length int64) {
	request, err := v.p.try(v.r.Context(), v.out, body, length)
	if err != nil {
		v.broken(err)
		return
	}
	response, err := v.p.client.Do(request)
	if err != nil {
		v.broken(err)
		return
	}
	defer response.Body.Close()
	v.p.answer(v.w, v.r, response)
}

// persist sends a request until it is answered by something else than a wait that can be sat out.
func (v *visit) persist(held *body) {
	ctx := v.r.Context()
	var down time.Time // since when it can't be connected to; zero: it can
	v.turn.Ticket = v.out.Header.Get("X-Fluxgate-Ticket")
	v.asked = !strings.EqualFold(v.out.Header.Get("X-Fluxgate-Book"), "true")
	for {
		response, err := v.send(ctx, held)
		if err != nil {
			if down.IsZero() {
				down = time.Now()
			}
			if again := time.Now().Add(connectPause); remote.Unreachable(err) && again.Before(earlier(v.until, down.Add(connectFor))) &&
				v.sleep(ctx, waiter{what: "a connection", until: again}) {
				continue
			}
			v.broken(err)
			return
		}
		down = time.Time{}
		if response.StatusCode == http.StatusSwitchingProtocols {
			if err := v.p.session(v.w, response); err != nil {
				_ = response.Body.Close()
				v.broken(err)
			}
			return
		}
		arrived := time.Now()
		wait, own := remote.Refused(response.StatusCode, response.Header, arrived)
		v.turn.Heard(response.Header)
		if !own || arrived.Add(wait).After(v.until) {
			if own {
				v.declined(response)
			}
			v.p.answer(v.w, v.r, response)
			_ = response.Body.Close()
			return
		}
		said := v.p.options.Access.ReadError(&http.Response{
			StatusCode: response.StatusCode, Header: response.Header, Body: io.NopCloser(io.LimitReader(response.Body, maxRefusal)),
		})
		_ = response.Body.Close()
		who := waiter{what: said.Model, quota: said.Quota, until: arrived.Add(wait), booked: v.turn.Booked}
		switch {
		case response.StatusCode >= http.StatusInternalServerError:
			who.what = "room at the function or upstream"
		case who.what == "":
			who.what = "quota"
		}
		if !v.sleep(ctx, who) {
			v.giveBack()
			return
		}
	}
}

// send sends the request once.
func (v *visit) send(ctx context.Context, held *body) (*http.Response, error) {
	request, err := v.p.try(ctx, v.out, held.reader(), held.size)
	if err != nil {
		return nil, err
	}
	if held.size > 0 {
		request.GetBody = func() (io.ReadCloser, error) { return held.reader(), nil }
	}
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		v.turn.Ask(request.Header)
		remote.Within(request.Header, time.Until(v.until))
	}
	return v.p.client.Do(request)
}

// sleep waits for a request's turn. False means that the client has left.
func (v *visit) sleep(ctx context.Context, who waiter) bool {
	defer v.p.list.enter(who)()
	return remote.Sleep(ctx, who.until)
}

// declined is for a wait that is passed on: what was booked on the client's behalf is given back, for it knows nothing of
// it. A function that is told how long its client waits keeps nothing in the first place.
func (v *visit) declined(response *http.Response) {
	if v.asked && v.turn.Booked {
		v.giveBack()
		response.Header.Set("X-Fluxgate-Booked", "false")
		response.Header.Del("X-Fluxgate-Ticket")
	}
}

// giveBack gives the booking back, while others go on.
func (v *visit) giveBack() {
	if v.turn.Ticket == "" {
		return
	}
	ticket, base := v.turn.Ticket, context.WithoutCancel(v.r.Context())
	v.p.releases.Go(func() {
		ctx, cancel := context.WithTimeout(base, releaseTime)
		defer cancel()
		// Best effort: a booking that nobody returns to is dropped by the function.
		_ = v.release(ctx, ticket)
	})
}

// release gives a ticket back, with the credential that it was given to.
func (v *visit) release(ctx context.Context, ticket string) error {
	p := v.p
	if !p.options.KeepCredential {
		return p.options.Access.Release(ctx, p.client, ticket)
	}
	out := v.out.Clone(ctx)
	out.Method, out.URL.Path, out.URL.RawPath = http.MethodDelete, "/tickets/"+ticket, ""
	request, err := p.try(ctx, out, http.NoBody, 0)
	if err != nil {
		return err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// broken answers where there is no answer.
func (v *visit) broken(err error) {
	if v.r.Context().Err() != nil {
		v.giveBack()
		return
	}
	p := v.p
	text := p.options.Access.Sanitize(remote.Cause(err).Error())
	p.display.note("no answer from %s: %s", p.options.Access.URL, text)
	code := apierror.Internal
	var timeout net.Error
	switch {
	case remote.Unreachable(err):
		text = "The function can't be connected to, so nothing was sent: " + text
		code = apierror.Unavailable
	case errors.As(err, &timeout) && timeout.Timeout():
		text, code = "The function didn't answer in time. It may have served the request, so it is not sent again.", apierror.TimedOut
	default:
		text = "The connection to the function broke. It may have served the request, so it is not sent again: " + text
	}
	p.fail(v.w, v.r, code, text)
}
