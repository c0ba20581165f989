package server

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A statusResponse is gemini-flux's status, with projects, store and time.
type statusResponse struct {
	Keys       []keyStatus     `json:"keys"`
	Mode       scheduler.Mode  `json:"mode"`
	Policy     map[string]any  `json:"policy"`
	ModelChain []string        `json:"model_chain"`
	Projects   []projectStatus `json:"projects"`
	Store      storage.Stats   `json:"store"`
	Now        time.Time       `json:"now"`
	ResetsAt   time.Time       `json:"resets_at"` // next Pacific midnight
}

type keyStatus struct {
	Index       int                   `json:"key_index"`
	Status      string                `json:"status"` // healthy, exhausted, invalid or disabled
	Reason      string                `json:"reason,omitempty"`
	Fingerprint string                `json:"fingerprint"`
	Project     string                `json:"project"`
	Models      map[string]modelToday `json:"models"`
	LastUsedAt  float64               `json:"last_used_at"` // Unix seconds of the last change of its project, 0: never
}

type modelToday struct {
	Used      int64 `json:"used_today"`
	Remaining int64 `json:"remaining_today"` // -1: unlimited
}

type projectStatus struct {
	Project string        `json:"project"`
	Moved   int64         `json:"promise_moved"`
	Models  []modelStatus `json:"models"`
}

type modelStatus struct {
	Model    string       `json:"model"`
	RPM      limitStatus  `json:"rpm"`
	TPM      limitStatus  `json:"tpm"`
	RPD      limitStatus  `json:"rpd"`
	Bookings int          `json:"bookings"`
	Block    *blockStatus `json:"block,omitempty"`
	// NextFree is when a request of 10,000 tokens could start.
	NextFree time.Time `json:"next_free"`
}

type limitStatus struct {
	Limit  int64            `json:"limit"` // -1: unlimited
	Used   int64            `json:"used"`
	Source scheduler.Source `json:"source"`
}

type blockStatus struct {
	Until time.Time       `json:"until"`
	Cause scheduler.Cause `json:"cause"`
}

// status serves GET /status. It reads fresh, at most once a second.
func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	p, err := s.readKeys(ctx)
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
	mode, err := s.mode(ctx)
	if err != nil {
		return err
	}
	now := s.gate.Now()
	rules := s.gate.Rules()
	out := statusResponse{
		Mode: mode, Policy: policyOf(rules.Policy), ModelChain: rules.Policy.Chain(mode),
		Store: s.gate.Store().Stats(), Now: now.Time(), ResetsAt: scheduler.DayOf(now).End().Time(),
	}
	byProject := make(map[string]*scheduler.Project, len(states))
	for i, project := range p.projects {
		byProject[project.ID] = states[i]
		out.Projects = append(out.Projects, projectStatusOf(project.ID, states[i], rules, now))
	}
	for _, k := range p.keys {
		out.Keys = append(out.Keys, keyStatusOf(k, byProject[k.Project], rules, out.ModelChain, now))
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func keyStatusOf(k keys.Key, state *scheduler.Project, rules *scheduler.Rules, chain []string, now scheduler.Instant) keyStatus {
	out := keyStatus{
		Index: k.Index, Status: "healthy", Fingerprint: k.Fingerprint, Project: k.Project,
		Models: make(map[string]modelToday, len(chain)),
	}
	if state != nil {
		out.LastUsedAt = float64(state.Latest) / 1000
	}
	left := false
	for _, model := range chain {
		c := state.Calendar(model)
		limit := c.Figures(rules, now).RPD
		used := c.Used(rules, scheduler.DayOf(now))
		today := modelToday{used, scheduler.Unlimited}
		if limit != scheduler.Unlimited {
			today.Remaining = max(0, limit-used)
		}
		if c.Block.Until > now && (c.Block.Cause.Daily() || c.Block.Cause == scheduler.Unavailable) {
			today.Remaining = 0
		}
		left = left || today.Remaining != 0
		out.Models[model] = today
	}
	switch m := state.Mark(k.Fingerprint); {
	case m.Disabled:
		out.Status = "disabled"
	case m.Invalid != "":
		out.Status, out.Reason = "invalid", m.Invalid
	case !left:
		out.Status = "exhausted"
	}
	return out
}

func projectStatusOf(id string, state *scheduler.Project, rules *scheduler.Rules, now scheduler.Instant) projectStatus {
	out := projectStatus{Project: id, Models: []modelStatus{}}
	if state == nil {
		return out
	}
	out.Moved = state.Moved
	for _, c := range state.Calendars {
		f := c.Figures(rules, now)
		requests, tokens := c.InWindow(rules, now)
		start, _ := c.Earliest(rules, now, scheduler.Demand{Tokens: 10_000})
		m := modelStatus{
			Model:    c.Model,
			RPM:      limitStatus{f.RPM, requests, f.RPMFrom},
			TPM:      limitStatus{f.TPM, tokens, f.TPMFrom},
			RPD:      limitStatus{f.RPD, c.Used(rules, scheduler.DayOf(now)), f.RPDFrom},
			Bookings: len(c.Bookings),
			NextFree: start.Time(),
		}
		if c.Block.Until > now {
			m.Block = &blockStatus{c.Block.Until.Time(), c.Block.Cause}
		}
		out.Models = append(out.Models, m)
	}
	return out
}

// policyOf returns the policy in gemini-flux's shape.
func policyOf(p *scheduler.Policy) map[string]any {
	out := map[string]any{"daily_reset_time_pt": "00:00"}
	for _, family := range []scheduler.Family{scheduler.Pro, scheduler.Flash, scheduler.FlashLite} {
		l := p.FamilyLimits(family)
		out[string(family)] = map[string]int64{
			"requests_per_day": l.RPD, "tokens_per_minute": l.TPM, "requests_per_minute": l.RPM,
		}
	}
	out["token_cooldown_seconds"] = p.FamilyLimits(scheduler.Pro).Cooldown(1_000_000).Seconds()
	return out
}
