package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/admission/lasting"
	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/internal/dispatch/conversation"
	"fluxgate.dev/fluxgate/internal/dispatch/lesson"
	"fluxgate.dev/fluxgate/internal/dispatch/overload"
	"fluxgate.dev/fluxgate/internal/dispatch/standing"
	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

// Bounds of one request's way through the pool.
const (
	// maxLimited bounds the refusals per minute that one request may run into.
	maxLimited = 16
	// maxDoubtful bounds the sends of one request that upstream refuses in a way which
	// the next project will probably refuse it too: overload, 5xx, a feature that no
	// project has. What is sure to concern one key, project or model alone isn't
	// counted: the last of many projects may be the one that is left.
	maxDoubtful = 3
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
	Punctual bool           // it comes back at the millisecond that it is told
	SitsOut  time.Duration  // the longest wait that the caller sits out in one go; 0: any
	Within   *time.Duration // how long the caller can wait at all; nil: it doesn't say
	Try      time.Duration  // how long the caller gives one try; 0: it doesn't say
	Retry    bool           // go on with other keys, projects and models when upstream fails
	Resend   bool           // even where the request may have been served and billed
	// Send sends the request once. It must not have answered the caller when it
	// returns an error.
	Send func(ctx context.Context, to Target) (Sent, *upstream.Error)

	// features are those with quotas of their own that it asks for; textOnly says that it
	// refers to nothing else. Set by Size.
	features []string
	unsaid   bool  // what kinds of output are wanted
	images   int64 // that it asks for, which is what image output is counted by; 0: one, if any
	textOnly bool
	turn     conversation.Turn // of a conversation; set by Size
	other    *weights.Request  // to another provider than Gemini; set by Size
	began    time.Time         // set by Do
	// count has upstream count the tokens; set by Size. Nil: Exact is all there is.
	count func(ctx context.Context) (int64, error)
}

// Sent is what is known after a successful send.
type Sent struct {
	PromptTokens int64 // negative: upstream didn't say
	Counted      bool  // they were counted as they came ([lasting.Place.Use])
	Untold       bool  // a model wrote an answer that doesn't tell all that it used
	answers.Tokens
	At           time.Time
	ModelVersion string
	Continuation []byte             // the token to go on with the answer; nil: none
	ModelStatus  string             // what upstream said of the model's state, a JSON object; "": nothing
	Limits       []ratelimits.Limit // what its headers said; nil: nothing
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
	c.began = time.Now()
	served, wait, err := d.do(ctx, p, c)
	d.account(ctx, c, wait, err)
	return served, wait, err
}

func (d *Dispatcher) do(ctx context.Context, p *Pool, c *Call) (*Served, *admission.Wait, error) {
	r := &dispatch{
		d: d, pool: p, call: c, models: c.Models, demand: c.Demand, exact: c.Exact, snapshot: c.Snapshot, log: d.logger(ctx),
		limit: d.admission.CallerLimit(c.Caller, c.Demand),
	}
	defer r.limit.GiveBack() // unless it was settled
	share, spent, err := r.take(ctx)
	if spent != nil || err != nil {
		return nil, spent, err
	}
	defer share.GiveBack()
	d.shadow.Count()
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
		l := lesson.Table[c.refusalOf(failure, grant.Asked)]
		if l.Told == lesson.UpstreamsWords {
			r.said = failure
		}
		r.refusal = failure
		if !r.again(grant, failure, l) {
			if l.Told == lesson.WhatWeKnow {
				r.limit.Settle(-1) // it may have been served
				share.Keep()
			}
			if l.Told == lesson.OurWait && !r.d.shadow.On() {
				return r.refuse(ctx, l, err)
			}
			return nil, nil, r.whenAgain(ctx, failure, l, err)
		}
		r.snapshot = nil // what was learned may have changed it
	}
}

// dispatch is one call on its way.
type dispatch struct {
	d        *Dispatcher
	pool     *Pool
	call     *Call
	log      *slog.Logger
	snapshot *admission.Snapshot // nil: to be read
	models   []string            // those of the call that there are
	demand   scheduler.Demand
	exact    bool
	limit    *admission.CallerLimit
	attempts int
	asked    bool               // the ticket has been used
	tried    string             // the fingerprint of the key that is tried although it is marked
	limited  int                // refusals per minute
	doubtful int                // refusals that the next project would probably repeat
	excluded projectSet         // those that failed this very request
	refusing projectSet         // those that said 429 without a limit
	failed   *upstream.Error    // the 5xx that is being retried
	said     *upstream.Error    // what is the caller's answer where nobody else serves it
	refusal  *upstream.Error    // the last
	silent   []*admission.Grant // that were answered with success, and nothing in it
	waited   time.Duration
	own      bool // it is sent to see whether a redirected model has a quota of its own
}

// admit asks for a slot.
func (r *dispatch) admit(ctx context.Context) (*admission.Grant, *admission.Wait, error) {
	r.own = false
	if r.attempts == 1 {
		if grant := r.tryDepleted(ctx); grant != nil {
			return grant, nil, nil
		}
	}
	req := r.request(ctx)
	inner, span := r.d.telemetry.Admit(ctx)
	grant, wait, err := r.ask(inner, req)
	span.Decided(r.decision(grant, wait, err))
	if grant == nil && r.d.shadow.On() {
		grant, err = r.regardless(ctx, wait, err)
		return grant, nil, err
	}
	if r.failed != nil && grant == nil {
		// A retry that would have to wait is no retry: the caller gets what
		// upstream said, and nobody is to come back for what was told here.
		if wait != nil {
			r.d.Forget(ctx, wait, r.call.Caller)
		}
		if err != nil && !errors.Is(err, admission.ErrNoProject) {
			r.log.Warn("not retried", "error", err)
		}
		return nil, nil, r.whenAgain(ctx, r.failed, lesson.Table[r.call.refusalOf(r.failed, r.call.Models[0])], r.failed)
	}
	if wait != nil {
		if grant = r.tryOwn(ctx, wait); grant != nil {
			return grant, nil, nil
		}
		r.logWait(wait)
		if wait.Refused() {
			return nil, nil, r.refusedFeature(ctx, wait)
		}
	}
	if errors.Is(err, admission.ErrNoProject) {
		err = r.lastWord(ctx, err)
	}
	return grant, wait, err
}

// lastWord is the answer where nothing is left for a call: what upstream said to it,
// or to earlier ones for its models.
func (r *dispatch) lastWord(ctx context.Context, none error) error {
	pinned := len(r.call.Models) == 1
	if r.said != nil {
		if l := lesson.Table[r.call.refusalOf(r.said, r.call.Models[0])]; l.Final(pinned) && (l.Concerns != lesson.WholeProject || r.noneAllowed(ctx) != nil) {
			return r.whenAgain(ctx, r.said, l, r.said)
		}
	} else if e := r.noneAllowed(ctx); e != nil {
		return e
	}
	if said := r.saidBefore(ctx); said != nil {
		return r.whenAgain(ctx, said, lesson.Table[r.call.refusalOf(said, r.call.Models[0])], said)
	}
	return none
}

// whenAgain returns the error that is passed on, with what is known of when the same
// may be tried again.
func (r *dispatch) whenAgain(ctx context.Context, e *upstream.Error, l lesson.Lesson, err error) error {
	failed := l.Then == lesson.FailsOver
	if !failed && !tooMany(e) || r.d.shadow.On() {
		return err
	}
	told, now := *e, r.d.admission.Now()
	switch {
	case failed && overload.Is(e):
		told.Wait = max(r.d.overloads.Pause(r.call.Models[0], e, r.call.began, time.Now()), r.roomAgain(ctx).Sub(now))
	case failed || l.Concerns == lesson.OneFeature:
		told.Wait = max(0, r.roomAgain(ctx).Sub(now))
	case l.Lasts == lesson.ADay:
		told.Wait = -1
	}
	return &told
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
func (r *dispatch) request(ctx context.Context) admission.Request {
	c, s := r.call, r.d.Sharing(ctx, r.pool, r.call, r.models)
	req := admission.Request{
		Snapshot: r.snapshot, Caller: c.Caller, Models: s.Models, Shared: r.d.Shared(c), Demand: r.demand, Projects: r.pool.Without(r.excluded), Serves: s.Serves(r.pool),
		Prefer: c.Prefer.Fingerprint, Near: r.d.conversations.Project(c.turn), MaxWait: r.pool.MaxWait(c.MaxWait), Limit: r.limit,
		SitsOut: c.SitsOut, Within: c.Within, Try: c.Try, Punctual: c.Punctual,
	}
	req.Also = r.d.Also(r.call, s, r.demand)
	if !r.asked {
		req.Ticket = c.Ticket
		r.asked = true
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
// wait, or with what upstream said if there is room again already. After as many as
// are tried said 429 without a limit, the wait is that of those: the others would
// probably say the same.
func (r *dispatch) refuse(ctx context.Context, l lesson.Lesson, refusal error) (*Served, *admission.Wait, error) {
	r.attempts++
	r.snapshot, r.failed = nil, nil
	if l.Then == lesson.Doubtful && r.call.Retry {
		for _, p := range r.pool.Projects {
			r.excluded.set(p.ID, !r.refusing[p.ID])
		}
	}
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
	key, ok := r.pool.ByFingerprint(grant.Key)
	if !ok {
		r.d.admission.Cancel(grant, false)
		return nil, fmt.Errorf("project %s: %w", grant.Project, admission.ErrNoProject)
	}
	r.waited = max(r.waited, grant.Waited)
	if grant.Probe != scheduler.NoCause {
		r.log.Info("probe of a limit", "project", grant.Project, "model", grant.Model, "limit", string(grant.Probe))
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "selected", slog.Int("key", key.Index), slog.String("project", key.Project), slog.String("model", grant.Asked),
		slog.Int64("tokens", r.demand.Tokens), slog.Duration("waited", grant.Waited), slog.Bool("booked", grant.Booked), slog.Int("attempt", r.attempts))

	start := time.Now()
	sending, span := r.d.telemetry.Send(ctx, telemetry.Target{Provider: key.Of(), Project: key.Project, Model: grant.Asked, Counted: grant.Model, Key: key.Index, Attempt: r.attempts})
	to := r.d.target(key)
	to.Model, to.Tokens, to.Waited, to.Place = grant.Asked, r.demand.Tokens, r.waited, lasting.Of(r.d.admission, grant, r.limit)
	sent := r.d.standing.Sent(ctx, r.d.admission, grant, r.call.other != nil)
	info, failure := r.call.Send(standing.Watched(sending, r.d.admission, grant, r.log), to)
	span.Answered(answered(info, failure))
	if key.Provider != upstream.Gemini {
		info.ModelVersion = "" // dated names of the same model, whose calendar is that of the name
	}

	if failure != nil {
		r.log.Warn("upstream failed", "key", key.Index, "project", key.Project, "model", grant.Asked,
			"class", failure.Class.String(), "status", failure.HTTPStatus, "reason", failure.Reason, "elapsed", time.Since(start))
		r.recount(ctx, failure)
	}
	after := context.WithoutCancel(ctx) // settling survives the caller hanging up
	if failure != nil {
		return nil, errors.Join(failure, r.fail(after, grant, key, failure, sent))
	}
	r.settle(after, grant, key, info, sent, time.Since(start))
	if info.Late != nil {
		r.late(after, grant, key, info)
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "response", slog.Int("key", key.Index), slog.String("project", key.Project), slog.String("model", grant.Asked),
		slog.Int64("tokens", info.PromptTokens), slog.Duration("elapsed", time.Since(start)))
	return &Served{Key: key, Model: grant.Asked, Waited: r.waited, Retried: r.attempts > 1}, nil
}

// settle settles an answered request and records what the answer says. All of it takes what the
// request may yet wait for the store.
func (r *dispatch) settle(ctx context.Context, grant *admission.Grant, key keys.Key, info Sent, sent standing.Sent, took time.Duration) {
	after := patience.Limit(ctx)
	defer after.End()
	prompt := info.PromptTokens
	if info.Counted {
		prompt = -1 // what is counted stays as it is
	}
	weighs := r.d.outputs.Settle(r.d.providers.Of(key.Provider), grant, r.call.other, weights.Answer{Prompt: prompt, Used: info.Tokens, Reserved: r.demand.Tokens, Took: took})
	settling, settle := r.d.telemetry.Settle(after)
	err := r.d.admission.Settle(settling, grant, weighs, info.At)
	settle.Settled(err)
	if err != nil {
		// The answer is there and is the caller's; it is settled with the project's next commit.
		r.log.Error("settle failed", "project", grant.Project, "error", err)
	}
	r.believe(after, grant, info.Limits, sent)
	r.limit.Settle(prompt)
	r.used(after, grant, info)
	r.d.conversations.Served(r.call.turn, grant.Project, info.Continuation)
	if r.tried == grant.Key && info.Late == nil {
		r.restore(after, grant.Project)
	}
	if info.Late == nil && grant.Trial && slices.ContainsFunc(grant.Also, func(x scheduler.Share) bool { return x.On == scheduler.OfProject }) {
		r.paysAgain(after, grant)
	}
	if info.Late == nil {
		r.answered(after, grant)
		r.d.overloads.Served(r.call.Models[0])
	}
	if r.answeredBy(after, grant, info.ModelVersion); r.own && info.Late == nil {
		r.d.learnAlias(after, grant.Asked, grant.Asked) // the other's quota was used up
	}
	if info.Late == nil && (grant.Probe != scheduler.NoCause || isAlias(grant.Asked) || info.ModelStatus != "") {
		r.conclude(after, grant, info)
	}
}

// conclude records what an answer said beside itself.
func (r *dispatch) conclude(ctx context.Context, grant *admission.Grant, info Sent) {
	if grant.Probe != scheduler.NoCause && !r.startOnly(grant) {
		r.d.audit.Record(ctx, events.Fluxgate, fmt.Sprintf("probe answered: the learned %s limit of %s on %s no longer holds", grant.Probe, grant.Model, grant.Project))
	}
	r.d.learnVersion(ctx, grant.Asked, info.ModelVersion)
	r.learnStatus(ctx, grant.Asked, info.ModelStatus)
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
func (r *dispatch) again(grant *admission.Grant, e *upstream.Error, l lesson.Lesson) bool {
	switch {
	case e.Class == upstream.ClassModelUnknown || r.beyondModel(e):
		// Its name says nothing to upstream, or it can't do what is asked: the others of the
		// chain may.
		r.models = slices.DeleteFunc(slices.Clone(r.models), func(m string) bool { return m == grant.Asked })
	case e.Class == upstream.ClassBare429:
		r.refusing.set(grant.Project, true)
	}
	if l.LeavesOut {
		r.excluded.set(grant.Project, true)
	}
	if !r.call.Retry || r.attempts >= r.most() || len(r.models) == 0 {
		return false
	}
	if r.beyondModel(e) {
		return true
	}
	switch l.Then {
	case lesson.Elsewhere:
		return true // what was learned keeps planning away from it
	case lesson.Limited:
		r.limited++
		return r.limited < maxLimited
	case lesson.Resends:
		if !r.call.Resend && !r.d.resend {
			return false
		}
		r.failed = e
	case lesson.FailsOver:
		// If there is no room for it now, the caller gets the error.
		r.failed = e
	case lesson.Doubtful:
	default:
		return false
	}
	r.doubtful++
	return r.doubtful < maxDoubtful || r.leaveProvider(grant.Project)
}

// A projectSet has projects by ID. Most requests need none, so that it is made when it
// is first written to.
type projectSet map[string]bool

func (s *projectSet) set(project string, in bool) {
	if *s == nil {
		*s = make(projectSet)
	}
	(*s)[project] = in
}

// most bounds the sends of the call by what there is to send it to.
func (r *dispatch) most() int {
	return len(r.pool.Keys) + len(r.pool.Projects)*len(r.call.Models) + maxLimited + maxDoubtful
}
