package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/gate"
	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/scheduler"
)

// Bounds of one request's way through the pool.
const (
	// maxAttempts bounds the sends of one request, whatever upstream says.
	maxAttempts = 16
	// maxFailovers is how often a request is sent again after a 5xx: it may
	// have been served and billed each time.
	maxFailovers = 2
	// settleTimeout bounds what is written after the answer is known, beside what
	// the gate bounds itself.
	settleTimeout = 10 * time.Second
)

// A call is one request, whatever route it came by.
type call struct {
	caller  callers.Caller
	hash    uint64
	models  []string // in order of preference, by the names they are asked for
	demand  scheduler.Demand
	exact   bool     // the tokens of the demand were counted, or are all that is to be known
	prefer  keys.Key // zero: none
	maxWait *time.Duration
	ticket  *gate.Ticket
	book    bool
	retry   bool // go on with other keys, projects and models when upstream fails
	// count has upstream count the tokens.
	count func(ctx context.Context) (int64, error)
	// send sends the request once. It must not have answered the caller when it
	// returns an error.
	send func(ctx context.Context, to slot) (sent, *gemini.Error)
}

// A slot is where a call goes.
type slot struct {
	key    keys.Key
	model  string        // by the name it was asked for
	waited time.Duration // since the caller was first told to wait
}

// sent is what is known after a successful send.
type sent struct {
	promptTokens int64 // negative: upstream didn't say
	at           time.Time
	modelVersion string
	// late is an error that came after the answer had begun: the caller has seen
	// it, and it teaches as much as any other. Usually nil.
	late *gemini.Error
}

// served is how a call was answered.
type served struct {
	key     keys.Key
	model   string // by the name it was asked for
	waited  time.Duration
	retried bool
}

// dispatch admits a call and sends it, with other keys, projects and models as
// long as that can help. Exactly one result is set: what served it, the wait,
// or an error, which may be a *gemini.Error to be passed on.
func (s *Server) dispatch(ctx context.Context, p *pool, c *call) (*served, *gate.Wait, error) {
	d := &dispatcher{s: s, pool: p, call: c, demand: c.demand, exact: c.exact, excluded: make(map[string]bool), log: s.logger(ctx)}
	d.own = s.ownQuota(c.caller, c.demand)
	d.demand.Allowance += d.own.allowance()
	if err := d.own.check(ctx); err != nil {
		return nil, nil, err
	}
	defer func() { d.own.giveBack() }()
	for d.attempts = 1; ; d.attempts++ {
		grant, wait, err := d.admit(ctx)
		if grant == nil {
			return nil, wait, err
		}
		out, err := d.try(ctx, grant)
		if err == nil {
			return out, nil, nil
		}
		var upstream *gemini.Error
		if !errors.As(err, &upstream) {
			return nil, nil, err
		}
		if !d.again(upstream) {
			if upstream.Class == gemini.ClassTimeout {
				d.own.settle(-1) // it may have been served
			}
			if upstream.HTTPStatus == http.StatusTooManyRequests {
				return d.passOn(ctx, err)
			}
			return nil, nil, err
		}
		if upstream.Class == gemini.ClassServer {
			d.excluded[grant.Project] = true
		}
	}
}

type dispatcher struct {
	s         *Server
	pool      *pool
	call      *call
	log       *slog.Logger
	demand    scheduler.Demand
	exact     bool
	asked     aliases // the names that the caller asked for
	attempts  int
	failovers int
	excluded  map[string]bool // projects that failed this very request
	failed    *gemini.Error   // the 5xx that is being retried
	waited    time.Duration
	own       *ownQuota // of the caller
}

// admit asks the gate for a slot.
func (d *dispatcher) admit(ctx context.Context) (*gate.Grant, *gate.Wait, error) {
	var grant *gate.Grant
	var wait *gate.Wait
	inner, span := d.s.telemetry.Admit(ctx)
	req, err := d.request(inner)
	if err == nil {
		grant, wait, err = d.s.gate.Admit(inner, req)
	}
	span.Decided(d.decision(grant, wait, err))
	if d.failed != nil && grant == nil {
		// A retry that would have to wait is no retry: the caller gets what
		// upstream said, and nobody is to come back for what was told here.
		if wait != nil {
			d.forget(ctx, wait)
		}
		if err != nil && !errors.Is(err, gate.ErrNoProject) {
			d.log.Warn("not retried", "error", err)
		}
		return nil, nil, d.failed
	}
	if wait != nil {
		d.log.Info("wait", "project", wait.Project, "model", wait.Model, "tokens", d.demand.Tokens,
			"wait", wait.Start.Sub(d.s.gate.Now()), "cause", string(wait.Cause), "booked", wait.Booked)
	}
	return grant, wait, err
}

// request is what the gate is asked.
func (d *dispatcher) request(ctx context.Context) (gate.Request, error) {
	c := d.call
	req := gate.Request{
		Caller: c.caller.Name, Demand: d.demand, Projects: d.pool.without(d.excluded), MaxWait: c.maxWait,
	}
	var err error
	if req.Chain, d.asked, err = d.s.buckets(ctx, c.models); err != nil {
		return req, err
	}
	if d.attempts == 1 {
		req.Ticket = c.ticket
	}
	if d.failed == nil {
		req.Hash = c.hash
		// Who came back for its slot and lost it to an upstream refusal has proved
		// enough.
		req.Book = c.book || d.waited > 0
	}
	if c.prefer.Project != "" {
		states, err := d.s.gate.Store().View(ctx, []string{c.prefer.Project})
		if err != nil {
			return req, err
		}
		// One that can't be used doesn't tie the request to its project.
		if states[0].Usable(c.prefer.Fingerprint) {
			req.Prefer = c.prefer.Project
		}
	}
	return req, nil
}

// passOn answers an upstream 429 that is not to be retried: with our own exact
// wait, or with what upstream said if there is room again already.
func (d *dispatcher) passOn(ctx context.Context, refusal error) (*served, *gate.Wait, error) {
	d.attempts++ // the ticket has been used
	grant, wait, err := d.admit(ctx)
	switch {
	case wait != nil:
		return nil, wait, nil
	case grant != nil:
		d.s.gate.Cancel(grant, false)
	case !errors.Is(err, gate.ErrNoProject):
		d.log.Warn("wait not known", "error", err)
	}
	return nil, nil, refusal
}

// forget takes back a wait that nobody is told.
func (d *dispatcher) forget(ctx context.Context, wait *gate.Wait) {
	ticket, err := d.s.gate.ParseTicket(wait.Ticket, d.call.caller.Name)
	if err == nil {
		_, err = d.s.gate.Release(ctx, ticket, nil)
	}
	if err != nil {
		d.log.Warn("wait not forgotten", "error", err)
	}
}

// try sends the call once in the granted slot and settles it.
func (d *dispatcher) try(ctx context.Context, grant *gate.Grant) (*served, error) {
	states, err := d.s.gate.Store().View(ctx, []string{grant.Project})
	if err != nil {
		d.s.gate.Cancel(grant, false)
		return nil, err
	}
	key, err := d.pool.pick(grant.Project, states[0], d.call.prefer.Index)
	if err != nil {
		d.s.gate.Cancel(grant, false)
		return nil, err
	}
	if err := d.own.reserve(ctx); err != nil {
		d.s.gate.Cancel(grant, false)
		return nil, err
	}
	d.waited = max(d.waited, grant.Waited)
	model := d.asked.of(grant.Model)
	if grant.Probe != scheduler.NoCause {
		d.log.Info("probe of a learned limit", "project", grant.Project, "model", grant.Model, "limit", string(grant.Probe))
	}
	d.log.Info("selected", "key", key.Index, "project", key.Project, "model", model,
		"tokens", d.demand.Tokens, "waited", grant.Waited, "booked", grant.Booked, "attempt", d.attempts)

	start := time.Now()
	sending, span := d.s.telemetry.Send(ctx, telemetry.Target{Project: key.Project, Model: model, Key: key.Index, Attempt: d.attempts})
	info, failure := d.call.send(sending, slot{key, model, d.waited})
	span.Answered(answered(info, failure))

	after := context.WithoutCancel(ctx) // settling survives the caller hanging up
	if failure != nil {
		d.log.Warn("upstream failed", "key", key.Index, "project", key.Project, "model", model,
			"class", failure.Class.String(), "status", failure.HTTPStatus, "reason", failure.Reason, "elapsed", time.Since(start))
		d.recount(ctx, failure)
		after, cancel := context.WithTimeout(after, settleTimeout)
		defer cancel()
		return nil, errors.Join(failure, d.heed(after, grant, key, failure))
	}
	settling, settle := d.s.telemetry.Settle(after)
	err = d.s.gate.Settle(settling, grant, info.promptTokens, info.at)
	settle.Settled(err)
	if err != nil {
		// The answer is there and is the caller's; the reservation stays as it was.
		d.log.Error("settle failed", "project", grant.Project, "error", err)
	}
	d.own.settle(info.promptTokens)
	if info.late != nil || grant.Probe != scheduler.NoCause || isAlias(model) {
		d.conclude(after, grant, key, model, info)
	}
	d.log.Info("response", "key", key.Index, "project", key.Project, "model", model,
		"tokens", info.promptTokens, "elapsed", time.Since(start))
	return &served{key: key, model: model, waited: d.waited, retried: d.attempts > 1}, nil
}

// conclude keeps what an answer taught.
func (d *dispatcher) conclude(ctx context.Context, grant *gate.Grant, key keys.Key, model string, info sent) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if info.late != nil {
		d.late(ctx, grant, key, info)
		return
	}
	if grant.Probe != scheduler.NoCause {
		d.s.happened(ctx, events.Fluxgate, fmt.Sprintf("probe answered: the learned %s limit of %s on %s no longer holds", grant.Probe, grant.Model, grant.Project))
	}
	d.s.learnVersion(ctx, model, info.modelVersion)
}

// late keeps what an error taught that came in the middle of an answer.
func (d *dispatcher) late(ctx context.Context, grant *gate.Grant, key keys.Key, info sent) {
	if info.promptTokens > 0 {
		d.demand.Tokens, d.exact = info.promptTokens, true
	}
	d.log.Warn("upstream failed in mid-answer", "key", key.Index, "project", key.Project, "class", info.late.Class.String(),
		"status", info.late.HTTPStatus, "reason", info.late.Reason)
	d.recount(ctx, info.late)
	if err := d.teach(ctx, grant, key, info.late); err != nil {
		d.log.Error("lesson not kept", "project", key.Project, "error", err)
	}
}

// again decides whether the call is planned anew after an upstream error.
func (d *dispatcher) again(e *gemini.Error) bool {
	if !d.call.retry || d.attempts >= maxAttempts {
		return false
	}
	switch e.Class {
	case gemini.ClassDay, gemini.ClassMinute, gemini.ClassNoQuota, gemini.ClassBare429,
		gemini.ClassBilling, gemini.ClassKeyInvalid, gemini.ClassModelGone:
		// What was learned keeps planning away from it.
		return true
	case gemini.ClassServer:
		d.failovers++
		d.failed = e
		return d.failovers <= maxFailovers
	default:
		// The caller's fault, or it may have been served and billed.
		return false
	}
}
