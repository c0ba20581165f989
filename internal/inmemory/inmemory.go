package inmemory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// Transport returns a round tripper that calls h directly, whatever host the URL
// names, with the remote address "memory".
func Transport(h http.Handler) http.RoundTripper { return &transport{h} }

type transport struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		trace = &httptrace.ClientTrace{}
	}
	if ctx.Err() != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, context.Cause(ctx)
	}
	serverCtx, cancel := context.WithCancel(ctx)
	body := &upload{from: req.Body, trace: trace}
	in := req.Clone(serverCtx)
	in.Body = body
	in.RequestURI = req.URL.RequestURI()
	in.RemoteAddr = "memory"
	if in.Host == "" {
		in.Host = req.URL.Host
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if req.Body == nil || req.Body == http.NoBody {
		body.finish(nil)
	}
	x := &exchange{
		req:    req,
		header: make(http.Header),
		head:   make(chan *http.Response, 1),
		failed: make(chan error, 1),
		cancel: cancel,
	}
	go x.serve(t.handler, in, body)
	select {
	case resp := <-x.head:
		if trace.GotFirstResponseByte != nil {
			trace.GotFirstResponseByte()
		}
		return resp, nil
	case err := <-x.failed:
		return nil, err
	case <-ctx.Done():
		_ = body.Close() // unblocks a server that is still reading it
		return nil, context.Cause(ctx)
	}
}

// upload is a request body that reports when it was read to its end.
type upload struct {
	from  io.ReadCloser // nil: no body
	trace *httptrace.ClientTrace
	once  sync.Once
	mu    sync.Mutex
	err   error
}

var errUnread = errors.New("inmemory: the handler didn't read the request to its end")

// finish reports the end of the body, once.
func (u *upload) finish(err error) {
	u.once.Do(func() {
		u.mu.Lock()
		u.err = err
		u.mu.Unlock()
		if u.trace.WroteRequest != nil {
			u.trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
		}
	})
}

func (u *upload) Read(p []byte) (int, error) {
	if u.from == nil {
		return 0, io.EOF
	}
	n, err := u.from.Read(p)
	switch {
	case err == io.EOF:
		u.finish(nil)
	case err != nil:
		u.finish(err)
	}
	return n, err
}

func (u *upload) Close() error {
	u.finish(errUnread)
	if u.from == nil {
		return nil
	}
	return u.from.Close()
}

// failure returns what went wrong with the caller's own body.
func (u *upload) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if errors.Is(u.err, errUnread) {
		return nil
	}
	return u.err
}

// exchange is the server's side of one round trip: an [http.ResponseWriter]
// that collects the response until it is flushed, and from then on pipes it.
type exchange struct {
	req    *http.Request // the caller's
	header http.Header
	code   int
	buf    bytes.Buffer
	pipe   *io.PipeWriter // nil until the first flush
	head   chan *http.Response
	failed chan error
	cancel context.CancelFunc
}

// serve runs the handler and ends the response.
func (x *exchange) serve(h http.Handler, in *http.Request, body *upload) {
	defer x.cancel()
	aborted := x.call(h, in)
	_ = body.Close()
	reset := &net.OpError{Op: "read", Net: "memory", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	switch err := body.failure(); {
	case x.pipe != nil && aborted:
		_ = x.pipe.CloseWithError(reset)
	case x.pipe != nil && x.req.Context().Err() != nil:
		// The handler noticed before the pipe was closed; a caller that gave up
		// must not take that for the end of the stream.
		_ = x.pipe.CloseWithError(context.Cause(x.req.Context()))
	case x.pipe != nil:
		_ = x.pipe.Close()
	case err != nil:
		x.failed <- err
	case aborted:
		x.failed <- reset
	default:
		x.WriteHeader(http.StatusOK)
		n := int64(x.buf.Len())
		x.head <- x.response(io.NopCloser(&x.buf), n)
	}
}

// call reports whether the handler gave up the connection.
func (x *exchange) call(h http.Handler, in *http.Request) (aborted bool) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			aborted = true
		default:
			panic(p)
		}
	}()
	h.ServeHTTP(x, in)
	return false
}

func (x *exchange) response(body io.ReadCloser, length int64) *http.Response {
	return &http.Response{
		Status:        strconv.Itoa(x.code) + " " + http.StatusText(x.code),
		StatusCode:    x.code,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        x.header.Clone(),
		Body:          body,
		ContentLength: length,
		Request:       x.req,
	}
}

func (x *exchange) Header() http.Header { return x.header }

func (x *exchange) WriteHeader(code int) {
	if x.code == 0 {
		x.code = code
	}
}

func (x *exchange) Write(p []byte) (int, error) {
	x.WriteHeader(http.StatusOK)
	if x.pipe != nil {
		return x.pipe.Write(p)
	}
	return x.buf.Write(p)
}

// FlushError hands over what was written. It is what
// [http.ResponseController] calls.
func (x *exchange) FlushError() error {
	x.WriteHeader(http.StatusOK)
	if x.pipe != nil {
		return nil // the pipe holds nothing back
	}
	r, w := io.Pipe()
	x.pipe = w
	ctx := x.req.Context()
	stop := context.AfterFunc(ctx, func() { _ = w.CloseWithError(context.Cause(ctx)) })
	x.head <- x.response(&streamBody{r, ctx, x.cancel, stop}, -1)
	_, err := w.Write(x.buf.Bytes())
	return err
}

// streamBody ends the server's side when it is closed.
type streamBody struct {
	*io.PipeReader
	ctx    context.Context // the caller's
	cancel context.CancelFunc
	stop   func() bool
}

// Read fails as soon as the context is over, as a socket's would: the pipe is
// closed by a goroutine, which might come second.
func (b *streamBody) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	return b.PipeReader.Read(p)
}

func (b *streamBody) Close() error {
	b.stop()
	b.cancel()
	return b.PipeReader.Close()
}
