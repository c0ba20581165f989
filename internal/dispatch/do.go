package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// Bounds of one request's way through the pool.
const (
	// maxAttempts bounds the sends of one request, whatever upstream says.
	maxAttempts = 16
	// maxFailovers is how often a request is sent again after a 5xx, or after what
	// may have been served where the caller or a setting has that sent again.
	maxFailovers = 2
)

// A Call is one request that takes a slot, whatever route it came by.
type Call struct {
	Snapshot *admission.Snapshot // what it is decided by
	Caller   string
	Hash     uint64
	Models   []string // in order of preference, by the names they are asked for
	Demand   scheduler.Demand
	Exact    bool     // the tokens of the demand were counted, or are all that is to be known
	Prefer   keys.Key // zero: none
	MaxWait  *time.Duration
	Ticket   *admission.Ticket
	Book     bool
	Retry    bool // go on with other keys, projects and models when upstream fails
	Resend   bool // even where the request may have been served and billed
	// Send sends the request once. It must not have answered the caller when it
	// returns an error.
	Send func(ctx context.Context, to Target) (Sent, *upstream.Error)

	// count has upstream count the tokens; set by Size. Nil: Exact is all there is.
	count func(ctx context.Context) (int64, error)
}

// Sent is what is known after a successful send.
type Sent struct {
	PromptTokens int64 // negative: upstream didn't say
	At           time.Time
	ModelVersion string
	// Late is an error that came after the answer had begun: the caller has seen
	// it, and it is recorded like any other. Usually nil.
	Late *upstream.Error
}

// Served is how a call was answered.
type Served struct {
	Key     keys.Key
	Model   string // by the name it was asked for
	Waited  time.Duration
	Retried bool
}

// Do admits a call and sends it, with other keys, projects and models as long as
// that can help. Exactly one result is set: what served it, the wait, or an error,
// which may be an *upstream.Error to be passed on.
func (d *Dispatcher) Do(ctx context.Context, p *Pool, c *Call) (*Served, *admission.Wait, error) {
	r := &dispatch{
		d: d, pool: p, call: c, demand: c.Demand, exact: c.Exact, snapshot: c.Snapshot, log: d.logger(ctx),
		limit: d.admission.CallerLimit(c.Caller, c.Demand), excluded: make(map[string]bool),
	}
	defer r.limit.GiveBack() // unless it was settled
	for r.attempts = 1; ; r.attempts++ {
		grant, wait, err := r.admit(ctx)
		if grant == nil {
			return nil, wait, err
		}
		out, err := r.try(ctx, grant)
		if err == nil {
			return out, nil, nil
		}
		var failure *upstream.Error
		if !errors.As(err, &failure) {
			return nil, nil, err
		}
		if !r.again(failure) {
			if failure.Class == upstream.ClassTimeout || failure.Class == upstream.ClassBroken {
				r.limit.Settle(-1) // it may have been served
			}
			if failure.HTTPStatus == http.StatusTooManyRequests {
				return r.refuse(ctx, err)
			}
			return nil, nil, err
		}
		switch failure.Class {
		case upstream.ClassServer, upstream.ClassBroken, upstream.ClassDenied:
			r.excluded[grant.Project] = true
		}
		r.snapshot = nil // what was learned may have changed it
	}
}

// dispatch is one call on its way.
type dispatch struct {
	d         *Dispatcher
	pool      *Pool
	call      *Call
	log       *slog.Logger
	snapshot  *admission.Snapshot // nil: to be read
	demand    scheduler.Demand
	exact     bool
	limit     *admission.CallerLimit
	attempts  int
	failovers int
	denials   int
	excluded  map[string]bool // projects that failed this very request
	failed    *upstream.Error // the 5xx that is being retried
	waited    time.Duration
}

// admit asks for a slot.
func (r *dispatch) admit(ctx context.Context) (*admission.Grant, *admission.Wait, error) {
	inner, span := r.d.telemetry.Admit(ctx)
	grant, wait, err := r.d.admission.Admit(inner, r.request())
	span.Decided(r.decision(grant, wait, err))
	if r.failed != nil && grant == nil {
		// A retry that would have to wait is no retry: the caller gets what
		// upstream said, and nobody is to come back for what was told here.
		if wait != nil {
			r.d.Forget(ctx, wait, r.call.Caller)
		}
		if err != nil && !errors.Is(err, admission.ErrNoProject) {
			r.log.Warn("not retried", "error", err)
		}
		return nil, nil, r.failed
	}
	if wait != nil {
		r.logWait(wait)
	}
	return grant, wait, err
}

func (r *dispatch) logWait(wait *admission.Wait) {
	left := wait.Start.Sub(r.d.admission.Now())
	if wait.Caller != "" {
		r.log.Info("wait", "cause", causeOf(wait), "wait", left)
		return
	}
	r.log.Info("wait", "project", wait.Project, "model", wait.Model, "tokens", r.demand.Tokens,
		"wait", left, "cause", causeOf(wait), "booked", wait.Booked)
}

// request is what admission is asked.
func (r *dispatch) request() admission.Request {
	c := r.call
	req := admission.Request{
		Snapshot: r.snapshot, Caller: c.Caller, Models: c.Models, Demand: r.demand, Projects: r.pool.without(r.excluded),
		Prefer: c.Prefer.Fingerprint, MaxWait: c.MaxWait, Limit: r.limit,
	}
	if r.attempts == 1 {
		req.Ticket = c.Ticket
	}
	if r.failed == nil {
		req.Hash = c.Hash
		// Who came back for its slot and lost it to an upstream refusal has proved
		// enough.
		req.Book = c.Book || r.waited > 0
	}
	return req
}

// refuse answers an upstream 429 that is not to be retried: with our own exact
// wait, or with what upstream said if there is room again already.
func (r *dispatch) refuse(ctx context.Context, refusal error) (*Served, *admission.Wait, error) {
	r.attempts++ // the ticket has been used
	r.snapshot = nil
	grant, wait, err := r.admit(ctx)
	switch {
	case wait != nil:
		return nil, wait, nil
	case grant != nil:
		r.d.admission.Cancel(grant, false)
	case !errors.Is(err, admission.ErrNoProject):
		r.log.Warn("wait not known", "error", err)
	}
	return nil, nil, refusal
}

// Forget takes back a wait that nobody is told.
func (d *Dispatcher) Forget(ctx context.Context, wait *admission.Wait, caller string) {
	if wait.Caller != "" {
		return // nothing was kept
	}
	ticket, err := d.admission.ParseTicket(wait.Ticket, caller)
	if err == nil {
		_, err = d.admission.Release(ctx, ticket, nil)
	}
	if err != nil {
		d.logger(ctx).Warn("wait not forgotten", "error", err)
	}
}

// try sends the call once in the granted slot and settles it.
func (r *dispatch) try(ctx context.Context, grant *admission.Grant) (*Served, error) {
	key, ok := r.pool.byFingerprint(grant.Key)
	if !ok {
		r.d.admission.Cancel(grant, false)
		return nil, fmt.Errorf("project %s: %w", grant.Project, admission.ErrNoProject)
	}
	r.waited = max(r.waited, grant.Waited)
	if grant.Probe != scheduler.NoCause {
		r.log.Info("probe of a learned limit", "project", grant.Project, "model", grant.Model, "limit", string(grant.Probe))
	}
	r.log.Info("selected", "key", key.Index, "project", key.Project, "model", grant.Asked,
		"tokens", r.demand.Tokens, "waited", grant.Waited, "booked", grant.Booked, "attempt", r.attempts)

	start := time.Now()
	sending, span := r.d.telemetry.Send(ctx, telemetry.Target{Project: key.Project, Model: grant.Asked, Key: key.Index, Attempt: r.attempts})
	to := r.d.target(key)
	to.Model, to.Waited = grant.Asked, r.waited
	info, failure := r.call.Send(sending, to)
	span.Answered(answered(info, failure))

	after := context.WithoutCancel(ctx) // settling survives the caller hanging up
	if failure != nil {
		r.log.Warn("upstream failed", "key", key.Index, "project", key.Project, "model", grant.Asked,
			"class", failure.Class.String(), "status", failure.HTTPStatus, "reason", failure.Reason, "elapsed", time.Since(start))
		r.recount(ctx, failure)
		after, cancel := context.WithTimeout(after, settleTimeout)
		defer cancel()
		return nil, errors.Join(failure, r.fail(after, grant, key, failure))
	}
	settling, settle := r.d.telemetry.Settle(after)
	err := r.d.admission.Settle(settling, grant, info.PromptTokens, info.At)
	settle.Settled(err)
	if err != nil {
		// The answer is there and is the caller's; the reservation stays as it was.
		r.log.Error("settle failed", "project", grant.Project, "error", err)
	}
	r.limit.Settle(info.PromptTokens)
	if info.Late != nil || grant.Probe != scheduler.NoCause || isAlias(grant.Asked) {
		r.conclude(after, grant, key, info)
	}
	r.log.Info("response", "key", key.Index, "project", key.Project, "model", grant.Asked,
		"tokens", info.PromptTokens, "elapsed", time.Since(start))
	return &Served{Key: key, Model: grant.Asked, Waited: r.waited, Retried: r.attempts > 1}, nil
}

// conclude records what an answer said beside itself.
func (r *dispatch) conclude(ctx context.Context, grant *admission.Grant, key keys.Key, info Sent) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if info.Late != nil {
		r.late(ctx, grant, key, info)
		return
	}
	if grant.Probe != scheduler.NoCause {
		r.d.audit.Record(ctx, events.Fluxgate, fmt.Sprintf("probe answered: the learned %s limit of %s on %s no longer holds", grant.Probe, grant.Model, grant.Project))
	}
	r.d.learnVersion(ctx, grant.Asked, info.ModelVersion)
}

// late records an error that came in the middle of an answer.
func (r *dispatch) late(ctx context.Context, grant *admission.Grant, key keys.Key, info Sent) {
	if info.PromptTokens > 0 {
		r.demand.Tokens, r.exact = info.PromptTokens, true
	}
	r.log.Warn("upstream failed in mid-answer", "key", key.Index, "project", key.Project, "class", info.Late.Class.String(),
		"status", info.Late.HTTPStatus, "reason", info.Late.Reason)
	r.recount(ctx, info.Late)
	if err := r.feedback(ctx, grant, key, info.Late); err != nil {
		r.log.Error("lesson not kept", "project", key.Project, "error", err)
	}
}

// again decides whether the call is planned anew after an upstream error.
func (r *dispatch) again(e *upstream.Error) bool {
	if !r.call.Retry || r.attempts >= maxAttempts {
		return false
	}
	switch e.Class {
	case upstream.ClassDay, upstream.ClassMinute, upstream.ClassNoQuota, upstream.ClassBare429,
		upstream.ClassBilling, upstream.ClassKeyInvalid, upstream.ClassModelGone:
		// What was learned keeps planning away from it.
		return true
	case upstream.ClassServer:
		return r.failover(e)
	case upstream.ClassDenied:
		r.denials++
		return r.denials <= maxFailovers
	case upstream.ClassBroken:
		return (r.call.Resend || r.d.resend) && r.failover(e)
	default:
		// The caller's fault, or nobody is there any more who waits for an answer.
		return false
	}
}

// failover reports whether the call may be sent again after this error. If there is
// no room for that now, the caller gets the error.
func (r *dispatch) failover(e *upstream.Error) bool {
	r.failovers++
	r.failed = e
	return r.failovers <= maxFailovers
}
