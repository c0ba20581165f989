package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/scheduler"
)

// The headers by which a relayed answer says what served it, and by which a
// caller lets a named model fall through to the chain.
const (
	keyHeader      = "X-Fluxgate-Key"
	modelHeader    = "X-Fluxgate-Model"
	waitHeader     = "X-Fluxgate-Wait"
	fallbackHeader = "X-Fluxgate-Fallback"
)

// autoModel is the name that stands for the chain of the current mode.
const autoModel = "auto"

// A relay is a request that passes through byte for byte, in both directions:
// only its credentials are replaced, and the name of its model if it is "auto".
type relay struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	body   []byte
	said   *mentions
	stream bool // the answer comes in pieces
	// path is the upstream path, and payload the body, for a model.
	path    func(model string) string
	payload func(model string) ([]byte, error)
	// usage, if not nil, says that the answer is a model's, and reads its usage.
	usage *meter
	// counter has upstream count the tokens.
	counter func(ctx context.Context, p *pool) (int64, error)

	// ended, if not nil, is shown the end of an answer that is whole.
	ended func(end []byte)

	project  string        // that the last attempt went to
	answered bool          // something has reached the caller
	broken   *gemini.Error // what cut the answer short after that
}

// serve admits, sends and answers the request.
func (x *relay) serve(models []string, requests int64) error {
	s, ctx := x.s, x.r.Context()
	if !x.stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.cfg.Timeout)
		defer cancel()
	}
	p, err := s.readKeys(ctx)
	if err != nil {
		return err
	}
	if p, err = s.owners(ctx, p, x.said.resources); err != nil {
		return err
	}
	c, err := x.call(ctx, p, models, requests)
	if err != nil {
		return err
	}
	s.logger(ctx).Info("request", "tokens", c.demand.Tokens, "exact", c.exact, "bytes", len(x.body), "ticket", c.ticket != nil)
	_, wait, err := s.dispatch(ctx, p, c)
	switch {
	case x.broken != nil:
		// Too late for an error in the answer: the connection has to say it.
		s.logger(ctx).Warn("stream broken", "class", x.broken.Class.String(), "error", x.broken)
		abort(x.w)
		return nil
	case wait != nil:
		writeWait(x.w, dialectOf(x.r), wait, s.gate.Left(wait))
		return nil
	}
	return err
}

// call identifies and sizes the request.
func (x *relay) call(ctx context.Context, p *pool, models []string, requests int64) (*call, error) {
	s, r := x.s, x.r
	c := &call{
		caller: arrivalOf(r).caller, hash: requestHash(callerOf(r), r.URL.Path+"?"+upstreamQuery(r.URL), x.body),
		models: models, book: strings.EqualFold(r.Header.Get(bookHeader), "true"), retry: true, send: x.send,
	}
	c.ticket = s.ticket(ctx, r, c.caller.Name)
	if text := r.Header.Get(maxWaitHeader); text != "" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0 && n <= 90_000) {
			return nil, invalid(maxWaitHeader, "want seconds, from 0 to 90000.")
		}
		wait := seconds(n)
		c.maxWait = &wait
	}
	c.count = func(ctx context.Context) (int64, error) {
		if s.cfg.Count == config.CountEstimate {
			return x.said.estimate(), nil
		}
		return x.counter(ctx, p)
	}
	c.demand = scheduler.Demand{Requests: requests, Allowance: uploadAllowance(len(x.body))}
	bound := func() (int64, bool) {
		// One token per byte; what JSON adds only makes the bound higher.
		return int64(len(x.body)), !x.said.media && s.small(models, int64(len(x.body)))
	}
	var err error
	c.demand.Tokens, c.exact, err = s.size(ctx, c, bound)
	return c, err
}

// maxWaitHeader is max_wait of the routes whose bodies aren't ours.
const maxWaitHeader = "X-Fluxgate-Max-Wait"

// send sends the request once, and passes the answer on when it is one.
func (x *relay) send(ctx context.Context, to slot) (sent, *gemini.Error) {
	x.project = to.key.Project
	key := to.key.Value.Reveal()
	watch := newWatch(gemini.WithKey(ctx, key), x.s.cfg.IdleTimeout)
	defer watch.stop()
	ctx = watch.ctx
	payload, err := x.payload(to.model)
	if err != nil {
		return sent{}, watch.failure(err)
	}
	if x.stream {
		// A model may think in silence before it says anything: up to there it is
		// the timeout that counts, which for anything else is the context's.
		watch.heard(uploadAllowance(len(payload)) + max(0, x.s.cfg.Timeout-x.s.cfg.IdleTimeout))
	}
	resp, err := x.s.forward(ctx, x.r, x.method(), x.path(to.model), bytes.NewReader(payload), int64(len(payload)))
	if err != nil {
		return sent{}, watch.failure(err)
	}
	defer resp.Body.Close()
	if !x.stream {
		watch.heard(0)
	}
	at, _ := gemini.Sent(ctx)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := gemini.Classify(resp.StatusCode, readError(resp.Body), key)
		e.SentAt = at
		return sent{}, e
	}
	end := newTail()
	if x.usage != nil {
		end.names = x.usage.names
	}
	failure := x.copy(watch, resp, to, end)
	if failure != nil {
		failure.SentAt = at
		if !x.answered {
			return sent{}, failure
		}
	}
	return x.outcome(end, failure, at, key), nil
}

// outcome is what is known of an answer that the caller has got, or as much of
// it as there was.
func (x *relay) outcome(end *tail, failure *gemini.Error, at time.Time, key string) sent {
	x.broken = failure
	if failure == nil && x.ended != nil {
		x.ended(end.buf)
	}
	out := sent{promptTokens: -1, at: at}
	if x.usage == nil {
		return out
	}
	u := x.usage.read(end)
	out.promptTokens, out.modelVersion = u.promptTokens, u.modelVersion
	if object := lastError(end.buf); object != nil {
		out.late = gemini.Classify(http.StatusOK, object, key)
		out.late.SentAt = at
	}
	return out
}

// method is how the request goes upstream: what is asked with HEAD is had with
// GET.
func (x *relay) method() string {
	if x.r.Method == http.MethodHead {
		return http.MethodGet
	}
	return x.r.Method
}

// maxErrorBody bounds how much of an upstream error is read.
const maxErrorBody = 1 << 20

func readError(body io.Reader) []byte {
	text, err := io.ReadAll(io.LimitReader(body, maxErrorBody))
	if err != nil {
		return nil // an error without its text is classified by its status
	}
	return text
}

// forward makes an upstream request with the headers and the query of a
// caller's that may pass. The path is one that was put together here.
func (s *Server) forward(ctx context.Context, r *http.Request, method, path string, body io.Reader, length int64) (*http.Response, error) {
	req, err := s.upstream.NewRequest(ctx, method, path, body)
	if err != nil {
		return nil, fmt.Errorf("make upstream request: %w", err)
	}
	req.URL.RawQuery = upstreamQuery(r.URL)
	req.ContentLength = length
	passHeaders(req.Header, r.Header, requestHeaders)
	if strings.HasPrefix(path, "upload/") {
		passUpload(req.Header, r.Header)
	}
	// The bytes are to come as they are.
	req.Header.Set("Accept-Encoding", "identity")
	return s.upstream.Do(req)
}

// post and get make upstream requests of Fluxgate's own.
func (s *Server) post(ctx context.Context, path string, payload []byte) (*http.Response, error) {
	return s.own(ctx, http.MethodPost, path, bytes.NewReader(payload))
}

func (s *Server) get(ctx context.Context, path string) (*http.Response, error) {
	return s.own(ctx, http.MethodGet, path, nil)
}

func (s *Server) own(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := s.upstream.NewRequest(ctx, method, path, body)
	if err != nil {
		return nil, fmt.Errorf("make upstream request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return s.upstream.Do(req)
}

// passOn sends a free request with a usable key of the pool, and with others if
// it fails for a reason that is the key's; again says whether it may be sent
// twice.
func (x *relay) passOn(ctx context.Context, p *pool, model string, again bool) error {
	ctx, cancel := context.WithTimeout(ctx, x.s.cfg.Timeout)
	defer cancel()
	err := x.s.withAnyKey(ctx, p, again, func(ctx context.Context, to slot) *gemini.Error {
		to.model = model
		_, failure := x.send(ctx, to)
		return failure
	})
	if x.broken != nil {
		abort(x.w)
		return nil
	}
	return err
}
