package admin

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/dispatch/requesthash"
	"fluxgate.dev/fluxgate/internal/dispatch/weights"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/completion"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Plan says when, where and why a request would run, and books nothing.
type Plan struct {
	Tokens     int64           `json:"tokens"`
	Counted    bool            `json:"counted"` // the tokens were counted; else they were given, or are at most so many
	Now        instant         `json:"now"`
	Best       *planCandidate  `json:"best"` // what planning would choose, or one of those that tie; null: it fits nowhere, ever
	Candidates []planCandidate `json:"candidates"`
	// Own is what the caller's own limits and budgets demand, beside what the projects do; none:
	// nothing.
	Own *ownWait `json:"own,omitempty"`
}

// A planCandidate is one model of one project.
type planCandidate struct {
	Project string          `json:"project"`
	Model   string          `json:"model"`
	Start   instant         `json:"start"` // null: never
	WaitMS  *int64          `json:"wait_ms"`
	Cause   scheduler.Cause `json:"cause,omitempty"` // what stands between now and the start
	// Of is what has that limit, where it isn't the model by itself: its output, or what is sent to it
	// within another time than a minute.
	Of     string     `json:"of,omitempty"`
	Limits planLimits `json:"limits"`
}

type planLimits struct {
	RPM int64 `json:"rpm"`
	TPM int64 `json:"tpm"`
	RPD int64 `json:"rpd"`
}

// noUsable is the cause of a project of which no key can be used.
const noUsable scheduler.Cause = "no_usable_key"

// A Question is what POST /plan is asked.
type Question struct {
	Caller   resources.Caller
	Body     []byte
	Fallback string // as of candidates.FallbackHeader
}

// Plan says when, where and why a request would run: one of so many tokens, a body
// of /generate, one of Gemini's generateContent with "model" beside it, or a chat with messages in
// OpenAI's format or Anthropic's. It books nothing.
func (a *Admin) Plan(ctx context.Context, q Question) (*Plan, error) {
	p, err := a.dispatch.Pool(ctx)
	if err != nil {
		return nil, err
	}
	snapshot, err := a.admission.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	plan, err := a.read(ctx, p, snapshot, q)
	if err != nil {
		return nil, err
	}
	states, err := a.admission.FreshView(ctx, plan.pool.IDs())
	if err != nil {
		return nil, err
	}
	out := a.answer(plan.pool, states, plan)
	out.Own, err = a.own(ctx, q.Caller.Name, plan)
	return out, err
}

// A planning is what is to be planned.
type planning struct {
	snapshot *admission.Snapshot
	models   []string // by the names they are asked for
	shared   func(model string) string
	request  scheduler.Request
	tokens   int64 // as it was asked
	counted  bool
	pool     *dispatch.Pool // on which it can run
}

// read reads what is asked, by what the body holds.
func (a *Admin) read(ctx context.Context, p *dispatch.Pool, s *admission.Snapshot, q Question) (*planning, error) {
	var tokens, contents, messages bool
	var model []byte
	err := payload.Members(q.Body, func(name string, value []byte) error {
		switch name {
		case "tokens":
			tokens = true
		case "contents":
			contents = true
		case "messages":
			messages = true
		case "model":
			model = value
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case tokens:
		return a.readSize(ctx, p, s, q)
	case contents:
		return a.readNative(ctx, s, q, model)
	case messages:
		return a.readChat(ctx, p, s, q)
	}
	in, err := dispatch.ReadPrompt(q.Body)
	if err != nil {
		return nil, err
	}
	way, err := a.chain.Prompt(s, p, in)
	if err != nil {
		return nil, err
	}
	c := q.call(s, way.Models)
	var none *upstream.Reply
	if err := a.dispatch.Prepare(ctx, way.Pool, c, in, &none); err != nil {
		return nil, err
	}
	return a.of(ctx, c, way.Pool), nil
}

// call is the call of which it is asked.
func (q Question) call(s *admission.Snapshot, models []string) *dispatch.Call {
	return &dispatch.Call{Snapshot: s, Caller: q.Caller.Name, Hash: requesthash.Of(q.Caller.Name, "/plan", q.Body), Models: models}
}

// of plans a call that was sized.
func (a *Admin) of(ctx context.Context, c *dispatch.Call, p *dispatch.Pool) *planning {
	s := a.dispatch.Sharing(ctx, p, c, c.Models)
	request := scheduler.Request{Demand: c.Demand, MaxWait: c.MaxWait, Also: a.dispatch.Also(c, s, c.Demand), Serves: s.Serves(p)}
	return &planning{c.Snapshot, s.Models, a.dispatch.Shared(c), request, c.Demand.Tokens, c.Exact, p}
}

// readChat reads a question about a chat in OpenAI's format or a message in Anthropic's, which is estimated.
func (a *Admin) readChat(ctx context.Context, p *dispatch.Pool, s *admission.Snapshot, q Question) (*planning, error) {
	asked := completion.Read(q.Body)
	way, err := a.chain.Any(s, p, strings.TrimPrefix(asked.Model, "models/"), "")
	if err != nil {
		return nil, err
	}
	c := q.call(s, way.Models)
	if err := a.dispatch.Size(ctx, way.Pool, c, dispatch.OtherSizer(q.Body, asked)); err != nil {
		return nil, err
	}
	c.Exact = false
	return a.of(ctx, c, way.Pool), nil
}

// readSize reads a question about so many tokens.
func (a *Admin) readSize(ctx context.Context, p *dispatch.Pool, s *admission.Snapshot, q Question) (*planning, error) {
	var in struct {
		Tokens  int64    `json:"tokens"`
		Mode    string   `json:"mode"`
		Model   string   `json:"model"`
		MaxWait *float64 `json:"max_wait"`
	}
	if err := payload.Decode(q.Body, &in); err != nil {
		return nil, err
	}
	if in.Tokens < 1 {
		return nil, apierror.Invalid("tokens", "want a whole number from 1.")
	}
	if err := payload.CheckMaxWait("max_wait", in.MaxWait); err != nil {
		return nil, err
	}
	mode, err := candidates.ParseMode(in.Mode)
	if err != nil {
		return nil, err
	}
	way, err := a.chain.Any(s, p, strings.TrimPrefix(in.Model, "models/"), mode)
	if err != nil {
		return nil, err
	}
	c := q.call(s, way.Models)
	sizer := dispatch.Sizer{Bytes: -1, Estimate: func() int64 { return in.Tokens }}
	if len(scheduler.OfGemini(c.Models)) < len(c.Models) {
		sizer.Other = &weights.Request{Likely: in.Tokens}
	}
	if err := a.dispatch.Size(ctx, way.Pool, c, sizer); err != nil {
		return nil, err
	}
	if in.MaxWait != nil {
		wait := payload.Seconds(*in.MaxWait)
		c.MaxWait = &wait
	}
	plan := a.of(ctx, c, way.Pool)
	plan.tokens, plan.counted = in.Tokens, false
	return plan, nil
}

// readNative reads a question about a body for generateContent.
func (a *Admin) readNative(ctx context.Context, s *admission.Snapshot, q Question, named []byte) (*planning, error) {
	model := candidates.Auto
	if named != nil {
		if err := json.Unmarshal(named, &model); err != nil {
			return nil, apierror.Invalid("model", "want a string.")
		}
	}
	model = strings.TrimPrefix(model, "models/")
	if !payload.ValidModel(model) {
		return nil, payload.ErrModel
	}
	refs, err := payload.ReadReferences(q.Body)
	if errors.Is(err, payload.ErrManyResources) {
		return nil, err
	}
	if err != nil {
		return nil, payload.ErrNotObject
	}
	p, err := a.dispatch.PoolFor(ctx, q.Caller, refs.Resources)
	if err != nil {
		return nil, err
	}
	models, err := candidates.Of(s, model, q.Fallback)
	if err != nil {
		return nil, err
	}
	tokens, err := a.dispatch.Count(ctx, p, models, dispatch.BodySizer(&payload.Body{Text: q.Body, JSON: q.Body, References: refs}))
	if err != nil {
		return nil, err
	}
	plan := a.of(ctx, &dispatch.Call{Snapshot: s, Models: models, Demand: scheduler.Demand{Tokens: tokens}, Exact: true}, p)
	return plan, nil
}

// answer plans for every candidate.
func (a *Admin) answer(p *dispatch.Pool, states []*scheduler.Project, plan *planning) *Plan {
	chain, asked := plan.snapshot.Counted(plan.models, plan.shared)
	plan.request.Chain, plan.request.MaxWait = chain, p.MaxWait(plan.request.MaxWait)
	rules, now := plan.snapshot.Rules, a.admission.Now()
	has, ofProvider := plan.request.Serves, plan.request
	ofProvider.Serves = p.Serves() // what a project doesn't have is told, too
	out := &Plan{Tokens: plan.tokens, Counted: plan.counted, Now: instant(now), Candidates: []planCandidate{}}
	var usable []scheduler.Candidate
	for i, project := range p.Projects {
		cand := scheduler.Candidate{ID: project.ID, State: states[i]}
		_, unusable := p.Pick(project.ID, states[i])
		if unusable == nil {
			usable = append(usable, cand)
		}
		for _, o := range scheduler.Offers(rules, now, []scheduler.Candidate{cand}, ofProvider) {
			if has != nil && !has(project.ID, o.Model) {
				o.Start, o.Cause = scheduler.Never, scheduler.Unavailable
			}
			if unusable != nil {
				o.Start, o.Cause = scheduler.Never, noUsable
			}
			out.Candidates = append(out.Candidates, candidateOf(o, asked, states[i], rules.Of(project.ID), now))
		}
	}
	best, _ := scheduler.Plan(rules, now, usable, plan.request, func(int) int { return 0 }) // of those that tie the first
	for i := range out.Candidates {
		if c := &out.Candidates[i]; c.Project == best.Project && c.Model == asked.Of(best.Model) {
			out.Best = c
		}
	}
	return out
}

func candidateOf(o scheduler.Offer, asked admission.Asked, state *scheduler.Project, rules *scheduler.Rules, now scheduler.Instant) planCandidate {
	l := state.Calendar(o.Model).EffectiveLimits(rules, now).Limits
	c := planCandidate{Project: o.Project, Model: asked.Of(o.Model), Start: instant(o.Start), Cause: o.Cause, Limits: planLimits(l)}
	if o.On != "" {
		c.Of = scheduler.NameOfCalendar(o.On)
	}
	if o.Start != scheduler.Never {
		wait := max(0, o.Start.Sub(now)).Milliseconds()
		c.WaitMS = &wait
	}
	return c
}
