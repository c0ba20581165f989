package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/bodies"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/incoming"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// KeyHeader says by which key an answer was served.
const KeyHeader = "X-Fluxgate-Key"

const (
	// maxList bounds a page of a list.
	maxList = 8 << 20
	// listTimeout bounds the time that one may take.
	listTimeout = 10 * time.Second
)

// List reads a free list, or a page of it.
func List(ctx context.Context, r *http.Request, to dispatch.Target, path string) ([]byte, http.Header, *upstream.Error) {
	ctx, cancel := context.WithTimeout(to.Context(ctx), listTimeout)
	defer cancel()
	a, failure := ReadWhole(ctx, r, to, http.MethodGet, path, http.NoBody, 0, maxList)
	if failure != nil {
		return nil, nil, failure
	}
	return a.Text, a.Header, nil
}

// errTaken ends a search for a key that takes a body which is no longer there.
var errTaken = &upstream.Error{Class: upstream.ClassCaller, Message: "The body was sent with a key that didn't serve it, and isn't held."}

// Passing is [dispatch.Dispatcher.Free] for what has a body that passes through: send is given it from its
// beginning as often as take has it. Where it is no longer there, the answer is what was said to it last.
func Passing(ctx context.Context, d *dispatch.Dispatcher, p *dispatch.Pool, again bool, take func() (body io.Reader, there bool), send func(ctx context.Context, to dispatch.Target, body io.Reader) *upstream.Error) error {
	var last *upstream.Error
	err := d.Free(ctx, p, again, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		body, there := take()
		if !there {
			return errTaken
		}
		last = send(ctx, to, body)
		return last
	})
	if errors.Is(err, errTaken) {
		return last
	}
	return err
}

// A Whole is an answer of upstream's that is read before anything of it is passed on.
type Whole struct {
	Status int
	Header http.Header
	Text   []byte
	To     dispatch.Target // that gave it
}

// Pass answers with it, and says whose key served it.
func (a *Whole) Pass(w http.ResponseWriter) {
	w.Header().Set(KeyHeader, strconv.Itoa(a.To.Key.Index))
	PassText(w, a.Status, a.Header, a.Text)
}

// PassText answers with a text, which is upstream's but for what was done to it here.
func PassText(w http.ResponseWriter, status int, header http.Header, text []byte) {
	passing.Headers(w.Header(), header, passing.ResponseHeaders)
	passing.SettleType(w.Header())
	passing.Length(w.Header(), int64(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // the caller may have left
}

// ReadWhole makes an upstream request and reads the answer, up to a size in bytes.
func ReadWhole(ctx context.Context, r *http.Request, to dispatch.Target, method, path string, body io.Reader, length, most int64) (*Whole, *upstream.Error) {
	resp, err := forward(ctx, r, to, method, path, body, length)
	if err != nil {
		return nil, upstream.TransportError(ctx, err)
	}
	defer resp.Body.Close()
	text, err := bodies.ReadAnswer(ctx, resp.Body, resp.ContentLength, most)
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299 || passing.IsPage(resp.Header) && len(text) > 0:
		e := to.Classify(resp.StatusCode, text)
		e.SentAt, _ = upstream.Sent(ctx)
		e.ReadHeader(resp.Header)
		return nil, e
	case err != nil:
		return nil, upstream.TransportError(ctx, err)
	}
	return &Whole{resp.StatusCode, resp.Header, text, to}, nil
}

// forward is Send for answers that are read here: what is packed in them is
// unpacked.
func forward(ctx context.Context, r *http.Request, to dispatch.Target, method, path string, body io.Reader, length int64) (*http.Response, error) {
	resp, err := Send(ctx, r, to, method, path, body, length)
	if err == nil {
		incoming.Unpack(resp)
	}
	return resp, err
}

// Send makes an upstream request with the headers and the query of a
// caller's that may pass. The path is one that was put together here.
func Send(ctx context.Context, r *http.Request, to dispatch.Target, method, path string, body io.Reader, length int64) (*http.Response, error) {
	req, err := to.Provider().NewRequest(ctx, method, passing.UpstreamPath(r, path), body)
	if err != nil {
		return nil, fmt.Errorf("make upstream request: %w", err)
	}
	if to.Key.Provider == upstream.Gemini {
		req.URL.RawQuery = passing.Query(r.URL)
	} else {
		req.URL.RawQuery = r.URL.RawQuery // without credentials
		passing.OtherHeaders(req.Header, r.Header)
	}
	req.ContentLength = length
	passing.Headers(req.Header, r.Header, passing.RequestHeaders)
	if passing.IsFile(r) {
		passing.Headers(req.Header, r.Header, passing.FileRequestHeaders)
	}
	switch {
	case strings.HasPrefix(path, "upload/"):
		passing.Upload(req.Header, r.Header)
	case length > 0 && !passing.IsForm(r):
		// It was read as JSON, in UTF-8. Under another type or charset Google would read
		// something else in it: a form, as which curl sends whatever it is given, or a
		// binary message with names of resources that were not seen here.
		req.Header["Content-Type"] = passing.JSONType
	}
	req.Header["Accept-Encoding"] = passing.Identity
	return to.Provider().Do(req)
}

// MaxErrorBody bounds how much of an upstream error is read.
const MaxErrorBody = 1 << 20

// ReadError reads the body of an error, as far as it is read.
func ReadError(body io.Reader) []byte {
	text, err := io.ReadAll(io.LimitReader(body, MaxErrorBody))
	if err != nil {
		return nil // an error without its text is classified by its status
	}
	return text
}
