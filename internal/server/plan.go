package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/scheduler"
)

// A planResponse says when, where and why a request would run, and books nothing.
type planResponse struct {
	Tokens     int64           `json:"tokens"`
	Counted    bool            `json:"counted"` // the tokens were counted; else they were given, or are at most so many
	Now        instant         `json:"now"`
	Best       *planCandidate  `json:"best"` // what planning would choose, or one of those that tie; null: it fits nowhere, ever
	Candidates []planCandidate `json:"candidates"`
}

// A planCandidate is one model of one project.
type planCandidate struct {
	Project string          `json:"project"`
	Model   string          `json:"model"`
	Start   instant         `json:"start"` // null: never
	WaitMS  *int64          `json:"wait_ms"`
	Cause   scheduler.Cause `json:"cause,omitempty"` // what stands between now and the start
	Limits  planLimits      `json:"limits"`
}

type planLimits struct {
	RPM int64 `json:"rpm"`
	TPM int64 `json:"tpm"`
	RPD int64 `json:"rpd"`
}

// noUsable is the cause of a project of which no key can be used.
const noUsable scheduler.Cause = "no_usable_key"

// plan serves POST /plan: a token count, a body of /generate or one of Gemini's
// generateContent, with "model" beside it.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	p, err := s.readKeys(ctx)
	if err != nil {
		return err
	}
	q, err := s.question(ctx, r, p, body)
	if err != nil {
		return err
	}
	if err := s.gate.Store().Refresh(ctx, p.ids(), true); err != nil {
		return err
	}
	states, err := s.gate.Store().View(ctx, p.ids())
	if err != nil {
		return err
	}
	out, err := s.answerPlan(ctx, p, states, q)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// A question is what is to be planned.
type question struct {
	models  []string // by the names they are asked for
	request scheduler.Request
	counted bool
}

// question reads what is asked, by what the body holds.
func (s *Server) question(ctx context.Context, r *http.Request, p *pool, body []byte) (*question, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, jsonTrouble(err)
	}
	switch {
	case fields["tokens"] != nil:
		return s.questionOfSize(ctx, body)
	case fields["contents"] != nil:
		return s.questionOfNative(ctx, r, p, body, fields["model"])
	}
	in := new(generateRequest)
	if err := decodeBody(body, in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	upstream, err := in.upstream()
	if err != nil {
		return nil, err
	}
	c, err := s.prepare(ctx, r, p, in, upstream, body)
	if err != nil {
		return nil, err
	}
	return &question{c.models, scheduler.Request{Demand: c.demand, MaxWait: c.maxWait}, c.exact}, nil
}

// questionOfSize is one of so many tokens.
func (s *Server) questionOfSize(ctx context.Context, body []byte) (*question, error) {
	var in struct {
		Tokens  int64    `json:"tokens"`
		Mode    string   `json:"mode"`
		Model   string   `json:"model"`
		MaxWait *float64 `json:"max_wait"`
	}
	if err := decodeBody(body, &in); err != nil {
		return nil, err
	}
	if in.Tokens < 1 {
		return nil, invalid("tokens", "want a whole number from 1.")
	}
	// The rest means what it means in a request.
	request := &generateRequest{Prompt: "-", Mode: in.Mode, Model: in.Model, MaxWait: in.MaxWait}
	if err := request.check(); err != nil {
		return nil, err
	}
	models, err := s.models(ctx, request)
	if err != nil {
		return nil, err
	}
	q := &question{models: models, request: scheduler.Request{Demand: scheduler.Demand{Tokens: in.Tokens}}}
	if in.MaxWait != nil {
		wait := seconds(*in.MaxWait)
		q.request.MaxWait = &wait
	}
	return q, nil
}

// questionOfNative is one of a body for generateContent.
func (s *Server) questionOfNative(ctx context.Context, r *http.Request, p *pool, body []byte, named json.RawMessage) (*question, error) {
	model := autoModel
	if named != nil {
		if err := json.Unmarshal(named, &model); err != nil {
			return nil, invalid("model", "want a string.")
		}
	}
	model = strings.TrimPrefix(model, "models/")
	if model != autoModel && !validModel(model) {
		return nil, invalid("model", `want a model name such as "gemini-2.5-flash", or "auto".`)
	}
	said, err := readMentions(body)
	if err != nil {
		return nil, invalid("body", "want one JSON object.")
	}
	if p, err = s.owners(ctx, p, said.resources); err != nil {
		return nil, err
	}
	models, err := s.candidates(ctx, r, model)
	if err != nil {
		return nil, err
	}
	tokens, err := s.countRaw(ctx, p, models, &relay{s: s, r: r, body: body, said: said})
	if err != nil {
		return nil, err
	}
	return &question{models, scheduler.Request{Demand: scheduler.Demand{Tokens: tokens}}, true}, nil
}

// answerPlan plans for every candidate.
func (s *Server) answerPlan(ctx context.Context, p *pool, states []*scheduler.Project, q *question) (*planResponse, error) {
	chain, asked, err := s.buckets(ctx, q.models)
	if err != nil {
		return nil, err
	}
	q.request.Chain = chain
	rules, now := s.gate.Rules(), s.gate.Now()
	out := &planResponse{Tokens: q.request.Demand.Tokens, Counted: q.counted, Now: instant(now), Candidates: []planCandidate{}}
	var usable []scheduler.Candidate
	for i, project := range p.projects {
		cand := scheduler.Candidate{ID: project.ID, State: states[i]}
		_, unusable := p.pick(project.ID, states[i], 0)
		if unusable == nil {
			usable = append(usable, cand)
		}
		for _, o := range scheduler.Offers(rules, now, []scheduler.Candidate{cand}, q.request) {
			if unusable != nil {
				o.Start, o.Cause = scheduler.Never, noUsable
			}
			out.Candidates = append(out.Candidates, candidateOf(o, asked, states[i], rules, now))
		}
	}
	best, _ := scheduler.Plan(rules, now, usable, q.request, func(int) int { return 0 }) // of those that tie the first
	for i := range out.Candidates {
		if c := &out.Candidates[i]; c.Project == best.Project && c.Model == asked.of(best.Model) {
			out.Best = c
		}
	}
	return out, nil
}

func candidateOf(o scheduler.Offer, asked aliases, state *scheduler.Project, rules *scheduler.Rules, now scheduler.Instant) planCandidate {
	l := state.Calendar(o.Model).EffectiveLimits(rules, now).Limits
	c := planCandidate{Project: o.Project, Model: asked.of(o.Model), Start: instant(o.Start), Cause: o.Cause, Limits: planLimits(l)}
	if o.Start != scheduler.Never {
		wait := max(0, o.Start.Sub(now)).Milliseconds()
		c.WaitMS = &wait
	}
	return c
}
