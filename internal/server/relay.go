package server

import (
	"context"
	"io"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/deadline"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/httpconn"
	"fluxgate.dev/fluxgate/internal/incoming"
	"fluxgate.dev/fluxgate/internal/jobs"
	"fluxgate.dev/fluxgate/internal/noting"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/payload/turns"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// The headers by which a relayed answer says what served it.
const (
	modelHeader = "X-Fluxgate-Model"
	waitHeader  = "X-Fluxgate-Wait"
)

// A relay is a request that passes through byte for byte, in both directions:
// only its credentials are replaced, and the name of its model if it is "auto".
type relay struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	body   []byte
	refs   *payload.References
	stream bool // the answer comes in pieces
	// path is the upstream path for a model. Renamed is the body for one; nil: it is the
	// same for all.
	path    func(model string) string
	renamed func(model string) (*payload.Rope, error)
	// metered says that the answer is a model's: it begins as one, and says what it
	// used.
	metered bool
	// generates says that the answer has candidates, or says why there is none; writes, that a
	// model writes it.
	generates, writes bool
	// Of a request that takes a slot: how it is sized, and how many requests it counts
	// as.
	sizer    dispatch.Sizer
	requests int64

	// pool is where it may go; nil: to Gemini. prefixed says that its model has Gemini's name
	// before its own, and openAI that it is in OpenAI's format.
	pool             *dispatch.Pool
	prefixed, openAI bool

	// noting is shown what is read in an answer before the caller gets it.
	noting *noting.Noting
	// results counts what the answer tells of a job; nil: it tells nothing.
	results *jobs.Reading

	answered bool            // something has reached the caller
	broken   *upstream.Error // what cut the answer short after that
}

// serve admits, sends and answers a request that takes a slot, for the model that it
// names, or for that one alone.
func (x *relay) serve(model string, alone bool) error {
	fallback := x.r.Header.Get(candidates.FallbackHeader)
	return x.dispatch(func(c *dispatch.Call) (err error) {
		if alone {
			c.Models, err = candidates.Pinned(model, fallback)
		} else {
			c.Models, err = candidates.Of(c.Snapshot, model, fallback)
		}
		return err
	})
}

// dispatch identifies and sizes the request, has it sent, and answers a wait.
func (x *relay) dispatch(choose func(c *dispatch.Call) error) error {
	s, ctx := x.s, x.r.Context()
	if !x.stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.cfg.Timeout)
		defer cancel()
	}
	c, err := s.newCall(ctx, x.r, x.r.URL.Path+"?"+passing.Query(x.r.URL), x.body)
	if err != nil {
		return err
	}
	s.tellQuotas(x.w, x.r)
	if err := choose(c); err != nil {
		return err
	}
	p := x.pool
	if p == nil {
		p, err = s.dispatch.PoolFor(ctx, s.who(x.r), x.refs.Resources)
	}
	if err != nil {
		return err
	}
	if c.MaxWait, err = deadline.MaxWait(x.r.Header, s.cfg.MaxWait); err != nil {
		return err
	}
	c.Demand = scheduler.Demand{Requests: x.requests, Allowance: dispatch.UploadAllowance(len(x.body))}
	c.Send = x.send
	if err := s.dispatch.Size(ctx, p, c, x.sizer); err != nil {
		return err
	}
	s.logCall(ctx, c, len(x.body))
	_, wait, err := s.dispatch.Do(ctx, p, c)
	switch {
	case x.broken != nil:
		// Too late for an error in the answer: the connection has to say it.
		s.logger(ctx).Warn("stream broken", "class", x.broken.Class.String(), "error", x.broken)
		httpconn.Abort(x.w)
		return nil
	case wait != nil:
		s.writeWait(x.w, x.r, wait)
		return nil
	}
	return err
}

// send sends the request once, and passes the answer on when it is one.
func (x *relay) send(ctx context.Context, to dispatch.Target) (dispatch.Sent, *upstream.Error) {
	if x.openAI {
		to = to.InOpenAIFormat()
	}
	watch := incoming.NewWatch(to.Context(ctx), x.s.cfg.IdleTimeout)
	defer watch.Stop()
	ctx = watch.Context()
	body, length, err := x.reader(to.Model)
	if err != nil {
		return dispatch.Sent{}, watch.Failure(err)
	}
	defer payload.Close(body)
	if x.stream {
		// A model may think in silence before it says anything: up to there it is
		// the timeout that counts, which for anything else is the context's.
		watch.Heard(dispatch.UploadAllowance(int(length)) + max(0, x.s.cfg.Timeout-x.s.cfg.IdleTimeout))
	}
	path := x.path(to.Model)
	resp, err := exchange.Send(ctx, x.r, to, x.method(), path, body, length)
	if err != nil {
		return dispatch.Sent{}, watch.Failure(err)
	}
	defer resp.Body.Close()
	if !x.stream {
		watch.Heard(0)
	}
	at, _ := upstream.Sent(ctx)
	if !passing.IsAnswer(x.r, resp.StatusCode) {
		incoming.Unpack(resp)
		e := to.Classify(resp.StatusCode, exchange.ReadError(resp.Body))
		e.SentAt = at
		e.ReadHeader(resp.Header)
		e.Told(to.Limits(resp.Header))
		return dispatch.Sent{}, e
	}
	if passing.IsPage(resp.Header) && !passing.IsFile(x.r) && resp.ContentLength != 0 {
		incoming.Unpack(resp)
		e := to.Classify(resp.StatusCode, exchange.ReadError(resp.Body))
		e.SentAt = at
		return dispatch.Sent{}, e
	}
	var meter *answers.Meter
	if x.metered {
		meter = to.Provider().Meter(path)
	}
	end := answers.NewTail(meter)
	failure := x.copy(watch, resp, to, end)
	x.results.End(ctx, failure == nil)
	if failure != nil {
		failure.SentAt = at
		if !x.answered {
			return dispatch.Sent{}, failure
		}
	}
	x.broken = failure
	sent := outcome(end, meter, to, at)
	sent.Untold = x.writes && (sent.Untold || !passing.IsWhole(x.r))
	sent.Limits = to.Limits(resp.Header)
	if x.writes && sent.PromptTokens < 0 {
		x.goesOn(ctx, to)
	}
	return sent, nil
}

// reader returns a reader of the body for a model, which is for payload.Close, and its
// length.
func (x *relay) reader(model string) (io.Reader, int64, error) {
	if x.renamed == nil {
		return payload.Open(x.body), int64(len(x.body)), nil
	}
	rope, err := x.renamed(model)
	if err != nil {
		return nil, 0, err
	}
	return rope.Open(), rope.Len(), nil
}

// outcome is what is known of an answer that the caller has got, or of as much of
// it as there was.
func outcome(end *answers.Tail, meter *answers.Meter, to dispatch.Target, at time.Time) dispatch.Sent {
	out := dispatch.Sent{PromptTokens: -1, At: at}
	if meter == nil {
		return out
	}
	u := meter.Read(end)
	out.PromptTokens, out.Tokens, out.ModelVersion, out.ModelStatus = u.PromptTokens, u.Tokens, u.ModelVersion, u.ModelStatus
	out.Untold = u.Unended || u.PromptTokens < 0
	out.Continuation = turns.Token(end.Bytes())
	if object := answers.LastError(end.Bytes()); object != nil {
		out.Late = to.Classify(http.StatusOK, object)
		out.Late.SentAt = at
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

// passFree sends a free request with a usable key of the pool, and with others if
// it fails for a reason that is the key's; again says whether it may be sent
// twice.
func (x *relay) passFree(ctx context.Context, p *dispatch.Pool, model string, again bool) error {
	if !x.stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, x.s.cfg.Timeout)
		defer cancel()
	}
	err := x.s.dispatch.Free(ctx, p, again, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		to.Model = model
		_, failure := x.send(ctx, to)
		return failure
	})
	if x.broken != nil {
		httpconn.Abort(x.w)
		return nil
	}
	return err
}
