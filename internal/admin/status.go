package admin

import (
	"context"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/pool"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/history"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/shadow"
	"fluxgate.dev/fluxgate/internal/sharing"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/internal/validation"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A Status is gemini-flux's status, and what there is to know beyond it.
type Status struct {
	Keys       []keyStatus    `json:"keys"`
	Mode       scheduler.Mode `json:"mode"`
	ModeSource string         `json:"mode_source"` // configured or run_time
	// Prefer says which projects are used first where several have room, free, paid or any, and
	// PreferSource where that is from, as ModeSource.
	Prefer       config.Prefer   `json:"prefer"`
	PreferSource string          `json:"prefer_source"`
	Policy       map[string]any  `json:"policy"`
	ModelChain   []string        `json:"model_chain"`
	ChainSource  string          `json:"chain_source"`
	Projects     []projectStatus `json:"projects"`
	// Idle is how a model of the chain stands on a project that doesn't list it, by name.
	Idle map[string]modelStatus `json:"idle,omitempty"`
	// Next is the "after" of the next page; empty: there is none.
	Next string `json:"next,omitempty"`
	// Callers, Troubles (the last refusals and failures, newest first) and Events are for
	// administrators alone.
	Callers    []callerStatus   `json:"callers,omitzero"`
	Troubles   []usage.Trouble  `json:"troubles,omitempty"`
	Events     []events.Event   `json:"events,omitzero"`
	Errors     map[string]int64 `json:"errors"` // upstream's, today, by class
	Store      storage.Stats    `json:"store"`  // of this instance, since it started
	Operations operationsStatus `json:"operations"`
	Validation *moment          `json:"validation,omitempty"`
	Reported   *reportedStatus  `json:"reported_policy,omitempty"`
	History    []history.Entry  `json:"history"`
	Simulated  bool             `json:"simulated,omitempty"` // a simulator answers instead of Gemini
	// Kind is where quota is kept: memory or firestore.
	Kind string `json:"store_kind,omitempty"`
	// Shadow is what this instance would have done, where it only watches.
	Shadow   *shadow.Report `json:"shadow,omitempty"`
	Now      instant        `json:"now"`
	ResetsAt instant        `json:"resets_at"` // next Pacific midnight
}

// A keyStatus says how one key does.
type keyStatus struct {
	Index       int                   `json:"key_index"`
	Status      validation.Status     `json:"status"`
	Reason      string                `json:"reason,omitempty"`
	Until       *time.Time            `json:"until,omitempty"` // of an exhausted one
	Fingerprint string                `json:"fingerprint"`
	Project     string                `json:"project"`
	Provider    string                `json:"provider,omitempty"` // empty: Gemini
	Models      map[string]modelToday `json:"models"`
	LastUsedAt  float64               `json:"last_used_at"` // Unix seconds of the last change of its project, 0: never
	CheckedAt   *time.Time            `json:"checked_at,omitempty"`
}

type modelToday struct {
	Used      int64 `json:"used_today"`
	Remaining int64 `json:"remaining_today"` // -1: unlimited
}

// A callerStatus is what one caller used today, on all projects.
type callerStatus struct {
	Caller   string `json:"caller"`
	Requests int64  `json:"requests_today"`
	Tokens   int64  `json:"tokens_today"`
	// Quotas are its own limits as they stand, if it has some.
	Quotas []quotaStatus `json:"quotas,omitempty"`
	// Budgets are how its budgets stand, if it has some.
	Budgets []budget.Left `json:"budgets,omitempty"`
}

// A quotaStatus is one limit of a caller's own.
type quotaStatus struct {
	Quota    scheduler.Cause `json:"quota"` // rpm, tpm or rpd
	Limit    int64           `json:"limit"`
	Left     int64           `json:"left"`
	ResetsIn float64         `json:"resets_in"` // seconds until nothing counts against it any more
}

// An operationsStatus is what all instances asked of Firestore today, beside what
// is free. https://cloud.google.com/firestore/pricing
type operationsStatus struct {
	Reads      int64 `json:"reads"`
	Writes     int64 `json:"writes"`
	FreeReads  int64 `json:"free_reads"`
	FreeWrites int64 `json:"free_writes"`
}

const (
	freeReads  = 50_000
	freeWrites = 20_000
)

type moment struct {
	At time.Time `json:"at"`
}

// A reportedStatus says when Gemini last answered what its limits are, or was last
// asked in vain.
type reportedStatus struct {
	At    time.Time `json:"at"`
	Error string    `json:"error,omitempty"`
}

// A Look says what of a status is asked.
type Look struct {
	Administrator bool
	// Idle has every project list the models of the chain that nothing is to be said of.
	Idle bool
	// After and Limit are of a page: so many projects after that one, with their keys. 0: all.
	After string
	Limit int
}

// readLook reads what the query of GET /status asks for.
func readLook(query url.Values, administrator bool) (Look, error) {
	look := Look{Administrator: administrator, Idle: query.Get("idle") == "true", After: query.Get("after")}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return look, apierror.Invalid("limit", "want a number of projects, at least 1")
		}
		look.Limit = n
	}
	return look, nil
}

// Status says how everything does. It reads fresh, at most once a second, as long as it
// isn't asked all the time: then it is as fresh as freshly has it. Callers and events are
// for administrators alone.
func (a *Admin) Status(ctx context.Context, query url.Values, administrator bool) (*Status, error) {
	look, err := readLook(query, administrator)
	if err != nil {
		return nil, err
	}
	p, err := a.dispatch.Pool(ctx)
	if err != nil {
		return nil, err
	}
	snapshot, states, err := a.look(ctx, p)
	if err != nil {
		return nil, err
	}
	notes, err := a.notes(ctx, snapshot.Control.Epoch)
	if err != nil {
		return nil, err
	}
	v := &statusView{
		rules: snapshot.Rules, now: a.admission.Now(), control: snapshot.Control, mode: snapshot.Mode, chain: snapshot.Chain(""), look: look,
	}
	v.whole, v.source = effective.Whole(a.cfg, snapshot.Control)
	v.whole, v.shared = v.mode.Filter(v.whole), a.cfg.Sharing()
	out := v.response(p, states, notes)
	out.Prefer = effective.Prefer(a.cfg, snapshot.Control)
	out.Store, out.Shadow, out.Simulated, out.Kind = a.admission.Stats(), a.shadow.Report(), a.cfg.Simulated, a.storeKind
	if look.Administrator {
		out.Callers, out.Events = a.callers(ctx, states, v.now), notes.events
		if out.Troubles, err = a.usage.Last(ctx); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// A statusView is what a status is made under.
type statusView struct {
	rules   *scheduler.Rules
	now     scheduler.Instant
	control storage.Control
	mode    scheduler.Mode
	chain   []string         // Gemini's part of it
	whole   []string         // with models of other providers, if it has some
	shared  sharing.Table    // which of them are counted together
	source  string           // where it comes from
	names   iter.Seq[string] // of models that may have given up their places
	look    Look
}

func (v *statusView) response(p *dispatch.Pool, states []*scheduler.Project, n notes) Status {
	out := Status{
		Mode: v.mode, ModeSource: sourceOf(v.control.Mode), PreferSource: sourceOf(v.control.Prefer), Policy: policyOf(v.rules.Policy), ModelChain: v.whole, ChainSource: v.source,
		Errors: map[string]int64{}, Operations: operationsStatus{FreeReads: freeReads, FreeWrites: freeWrites},
		History: n.history, Now: instant(v.now), ResetsAt: instant(scheduler.DayOf(v.now).End()),
	}
	if !n.validation.At.IsZero() {
		out.Validation = &moment{n.validation.At}
	}
	if !n.reported.At.IsZero() {
		out.Reported = &n.reported
	}
	v.names = func(yield func(string) bool) {
		for _, e := range n.history {
			if !yield(e.Model) {
				return
			}
		}
		for _, state := range states {
			if state == nil {
				continue
			}
			for _, c := range state.Calendars {
				if !yield(c.Model) {
					return
				}
			}
		}
		for _, model := range v.whole {
			if !yield(model) {
				return
			}
		}
	}
	shown := make(map[string]bool, len(states))
	out.Projects, out.Keys = []projectStatus{}, []keyStatus{}
	begun := v.look.After == ""
	for i, project := range p.Projects {
		switch {
		case !begun:
			begun = project.ID == v.look.After
		case v.look.Limit == 0 || len(out.Projects) < v.look.Limit:
			out.Projects = append(out.Projects, v.project(project.ID, p.KeyOf(project.ID), states[i]))
			shown[project.ID] = true
		case out.Next == "":
			out.Next = out.Projects[len(out.Projects)-1].Project
		}
		today := states[i].Today(v.now)
		out.Operations.Reads += today.Reads
		out.Operations.Writes += today.Writes
		for _, f := range today.Failures {
			out.Errors[f.Class] += f.N
		}
	}
	if !v.look.Idle {
		out.Idle = v.leaveOutIdle(out.Projects)
	}
	for _, k := range v.keys(p, states, n.validation) {
		if shown[k.Project] {
			out.Keys = append(out.Keys, k)
		}
	}
	return out
}

// sourceOf says where a setting is from that was set to this at run time, if it was.
func sourceOf(atRunTime string) string {
	if atRunTime == "" {
		return "configured"
	}
	return "run_time"
}

// keys says how every key does.
func (v *statusView) keys(p *dispatch.Pool, states []*scheduler.Project, report validation.Report) []keyStatus {
	byProject := make(map[string]*scheduler.Project, len(states))
	for i, project := range p.Projects {
		byProject[project.ID] = states[i]
	}
	out := make([]keyStatus, len(p.Keys))
	for i, k := range p.Keys {
		out[i] = v.of(k.Project).key(k, byProject[k.Project], report)
	}
	return out
}

func (v *statusView) key(k keys.Key, state *scheduler.Project, report validation.Report) keyStatus {
	found, checked := report.Of(k.Fingerprint)
	found.Fingerprint, found.Provider = k.Fingerprint, k.Of()
	standing := validation.Standing(v.rules, v.now, state, v.chain, found)
	out := keyStatus{
		Index: k.Index, Fingerprint: k.Fingerprint, Project: k.Project, Provider: k.Of(),
		Status: standing.Status, Reason: standing.Reason, Until: standing.Until,
		Models: make(map[string]modelToday, len(v.chain)),
	}
	if checked {
		out.CheckedAt = &report.At
	}
	if state != nil {
		out.LastUsedAt = float64(state.Latest) / 1000
	}
	for _, model := range v.wanted(k) {
		c := state.Calendar(model)
		out.Models[model] = modelToday{c.Used(v.rules, scheduler.DayOf(v.now)), validation.Left(v.rules, v.now, c)}
	}
	return out
}

// wanted are the models that are told of for a key although nothing may be known of them: the
// chain's, of its provider, by the names that they are counted by.
func (v *statusView) wanted(k keys.Key) (models []string) {
	if k.Of() == "" {
		return v.chain
	}
	for _, model := range v.whole {
		if model = v.shared.Counted(model, sharing.Kind{}); pool.ProviderOf(model) == k.Provider && !slices.Contains(models, model) {
			models = append(models, model)
		}
	}
	return models
}

// callers says what callers used today, and how those stand that have limits of their own.
func (a *Admin) callers(ctx context.Context, states []*scheduler.Project, now scheduler.Instant) []callerStatus {
	out := callersOf(states, now)
	for _, name := range slices.Sorted(maps.Keys(a.cfg.Callers)) {
		i := slices.IndexFunc(out, func(c callerStatus) bool { return c.Caller == name })
		if i < 0 {
			i = len(out)
			out = append(out, callerStatus{Caller: name})
		}
		out[i].Budgets, _ = a.budgets.Left(ctx, name) // what can't be read isn't told
		for _, q := range a.admission.Quotas(ctx, name) {
			out[i].Quotas = append(out[i].Quotas, quotaStatus{q.Cause, q.Limit, q.Left, q.Reset.Seconds()})
		}
	}
	return out
}

// callersOf sums what callers used today over all projects, in the order in which
// they were first seen.
func callersOf(states []*scheduler.Project, now scheduler.Instant) []callerStatus {
	out := []callerStatus{} // an empty list still says that there may be one
	at := make(map[string]int)
	for _, state := range states {
		for _, x := range state.Today(now).Callers {
			i, ok := at[x.Caller]
			if !ok {
				i = len(out)
				at[x.Caller] = i
				out = append(out, callerStatus{Caller: x.Caller})
			}
			out[i].Requests += x.Requests
			out[i].Tokens += x.Tokens
		}
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

// Notes are what the records of the deployment say.
type notes struct {
	events     []events.Event
	validation validation.Report
	reported   reportedStatus
	history    []history.Entry
}

// notesFor is how long notes are shown before they are read again, if no administrator
// changed anything meanwhile; watchedFor is that while somebody watches.
const (
	notesFor   = 10 * time.Second
	watchedFor = time.Minute
)

// A notebook caches the notes.
type notebook struct {
	mu    sync.Mutex
	epoch int64
	read  time.Time // zero: never
	notes notes
}

// notes reads what the records say.
func (a *Admin) notes(ctx context.Context, epoch int64) (notes, error) {
	b := &a.notebook
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.read.IsZero() && b.epoch == epoch && time.Since(b.read) < a.freshly.choose(notesFor, watchedFor) {
		return b.notes, nil
	}
	var n notes
	var err error
	if n.events, err = a.events.Last(ctx); err != nil {
		return n, err
	}
	if n.validation, err = a.Validator().Last(ctx); err != nil {
		return n, err
	}
	reported, err := a.policy.Current(ctx)
	if err != nil {
		return n, err
	}
	n.reported = reportedStatus{reported.At, reported.Error}
	if n.reported.At.IsZero() {
		n.reported.At = reported.TriedAt
	}
	if n.history, err = a.history.Last(ctx, a.admission.Now()); err != nil {
		return n, err
	}
	if n.history == nil {
		n.history = []history.Entry{}
	}
	b.epoch, b.read, b.notes = epoch, time.Now(), n
	return n, nil
}
