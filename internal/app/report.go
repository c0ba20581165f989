package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/effective"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/nearest"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/validation"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/scheduler/limits"
	"fluxgate.dev/fluxgate/storage"
)

// A report is the startup report, one line at a time. It may have no writer.
type report struct{ w io.Writer }

func (r *report) line(format string, args ...any) {
	if r.w != nil {
		fmt.Fprintf(r.w, format+"\n", args...)
	}
}

const shadowed = "SHADOW: every request is sent as it comes, over whatever limit; what would have waited is only told (FLUXGATE_SHADOW)"

// introduce has the keys checked, which how tells, and writes the report. It returns what
// was found of the keys.
func (a *App) introduce(ctx context.Context, r *report, how string, check func(context.Context) (validation.Report, error)) (validation.Report, error) {
	snapshot, err := a.admission.Snapshot(ctx)
	if err != nil {
		return validation.Report{}, fmt.Errorf("read mode: %w", err)
	}
	mode, rules, chain := snapshot.Mode, snapshot.Rules, snapshot.Chain("")
	r.line("%s", how)
	found, err := check(ctx)
	if err != nil {
		return validation.Report{}, err
	}
	first := make(map[string]int) // the key of each project that comes first
	for _, k := range found.Keys {
		at, shared := first[k.Project]
		if !shared {
			first[k.Project] = k.Key
			r.line("  key %-3d project %-18s %s", k.Key, k.Project, describe(k))
			continue
		}
		r.line("  key %-3d project %-18s %s; it shares the limits of key %d, whose project is the same", k.Key, k.Project, describe(k), at)
	}
	r.line("keys: %s (checked %s)", found.Summary(), found.At.Format(time.RFC3339))
	for _, p := range a.others {
		n := 0
		for _, k := range found.Keys {
			if k.Provider == p.Name {
				n++
			}
		}
		if n > 0 {
			r.line("provider %s: %s, format %s, keys: %d; its models are %s/…", p.Name, p.BaseURL, p.Format, n, p.Name)
		}
	}
	if a.shadow.On() {
		r.line(shadowed)
	}
	r.line("mode: %s", mode)
	if snapshot.Rules.Prefer != "" {
		from := "FLUXGATE_PREFER"
		if snapshot.Control.Prefer != "" {
			from = "set at run time"
		}
		r.line("projects of %s tiers are used first (%s)", snapshot.Rules.Prefer, from)
	}
	whole, _ := effective.Whole(a.cfg, snapshot.Control)
	if whole = mode.Filter(whole); len(whole) == 0 {
		r.line("chain: EMPTY, this mode leaves none of %s: every request will be refused. Set another mode or chain", strings.Join(rules.Policy.Chain(scheduler.Both), ", "))
		return found, nil
	}
	r.line("chain: %s", strings.Join(whole, " > "))
	if ofGemini := scheduler.OfGemini(whole); len(ofGemini) > 0 && !slices.ContainsFunc(found.Keys, func(k validation.Result) bool { return k.Provider == "" }) {
		r.line("  WARNING: %s: never used, there is no key of Gemini. Set one, or a chain of other providers' models (FLUXGATE_CHAIN)", strings.Join(ofGemini, ", "))
	}
	for _, model := range whole {
		provider, _, foreign := strings.Cut(model, "/")
		if foreign && !slices.ContainsFunc(found.Keys, func(k validation.Result) bool { return k.Provider == provider }) {
			r.line("  WARNING: %s is never used: there is no key of %s. Set one, or leave it out of the chain", model, provider)
		}
	}
	for _, model := range a.admin.Unlisted(ctx, whole) {
		r.line("  WARNING: %s isn't among the models that its provider lists. Is its name right in the chain?", model)
	}
	if windows := snapshot.Control.Windows; len(windows) > 0 {
		for _, model := range chain {
			if _, listed := windows[model]; !listed {
				r.line("  WARNING: %s isn't among the models that Gemini lists. Is its name right in the chain?", model)
			}
		}
	}
	for _, text := range unknownLimits(a.cfg, slices.Sorted(maps.Keys(snapshot.Control.Windows)), whole, found.Keys) {
		r.line("  WARNING: %s", text)
	}
	return found, a.introduceLimits(ctx, r, snapshot)
}

// limited are the names beside those of models that limits may be set for.
var limited = []string{
	string(scheduler.Pro), string(scheduler.Flash), string(scheduler.FlashLite), string(scheduler.Gemma), string(scheduler.Embedding),
	payload.SearchFeature, payload.URLFeature, payload.MapsFeature, payload.ImageFeature, payload.LiveFeature,
}

// unknownLimits says which limits are set for what nobody has: a model that Gemini doesn't list,
// as far as that is known, or a project of no key.
func unknownLimits(cfg *config.Config, listed, chain []string, keys []validation.Result) (warnings []string) {
	var projects []string
	for _, k := range keys {
		projects = append(projects, k.Project)
	}
	models := slices.Concat(listed, chain, limited)
	meant := func(name string, of []string) string {
		if word := nearest.Word(name, of); word != "" {
			return " Did you mean " + word + "?"
		}
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Limits)) {
		project, model := cfg.SplitLimited(name)
		if project != "" && !slices.Contains(projects, project) {
			warnings = append(warnings, fmt.Sprintf("FLUXGATE_LIMITS names the project %s, which is no key's.%s", project, meant(project, projects)))
		}
		if len(listed) > 0 && !slices.Contains(models, model) && ofText(model) {
			warnings = append(warnings, fmt.Sprintf("FLUXGATE_LIMITS names %s, which Gemini doesn't list.%s", model, meant(model, models)))
		}
	}
	return warnings
}

// otherKinds begin the names of Gemini's models that make images, videos and music alone.
var otherKinds = []string{"imagen-", "veo-", "lyria-"}

// ofText reports whether a model takes and gives text, by its name: what is kept of those that Gemini
// lists are these.
func ofText(model string) bool {
	family := scheduler.FamilyOf(model)
	return family != scheduler.Foreign && family != scheduler.Embedding && !limits.OfSessions(model) &&
		!slices.ContainsFunc(otherKinds, func(begins string) bool { return strings.HasPrefix(model, begins) })
}

// introduceLimits writes the limits in force of the models of the chain, which is Gemini's,
// once for all projects that have them alike.
func (a *App) introduceLimits(ctx context.Context, r *report, snapshot *admission.Snapshot) error {
	list, err := a.pool.Keys(ctx)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	var projects []string
	for _, k := range list {
		if k.Of() == "" && !slices.Contains(projects, k.Project) {
			projects = append(projects, k.Project)
		}
	}
	states, err := a.admission.View(ctx, projects)
	if err != nil {
		return fmt.Errorf("read limits: %w", err)
	}
	var order []string
	alike := make(map[string][]string)
	for i, project := range projects {
		var b strings.Builder
		rules := snapshot.Rules.Of(project)
		for _, model := range snapshot.Chain("") {
			fmt.Fprintf(&b, "\n  %-32s %s", model, inForce(states[i].Calendar(model).EffectiveLimits(rules, a.admission.Now())))
		}
		lines := tierText(rules.Policy.Tier()) + ", and where they come from:" + b.String()
		if alike[lines] == nil {
			order = append(order, lines)
		}
		alike[lines] = append(alike[lines], project)
	}
	for _, lines := range order {
		r.line("limits of %s%s", projectsText(alike[lines], len(projects)), lines)
	}
	for _, p := range a.others {
		if slices.ContainsFunc(list, func(k keys.Key) bool { return k.Of() == p.Name }) {
			introduceOthers(r, a.cfg, p, snapshot.Control.Limits)
		}
	}
	return nil
}

// introduceOthers writes the limits of another provider that somebody has named, and where.
func introduceOthers(r *report, cfg *config.Config, p config.Provider, runTime map[string]storage.Limits) {
	var lines []string
	line := func(project, model, limit, from string) {
		if model = cmp.Or(strings.TrimPrefix(model, p.Name+"/"), "each model"); project != "" {
			model += " on " + project
		}
		lines = append(lines, fmt.Sprintf("\n  %-32s %s (%s)", model, limit, from))
	}
	for _, l := range p.Limits {
		line(l.Project, l.Model, l.String(), "FLUXGATE_PROVIDERS")
	}
	for _, g := range p.Shared {
		line("", strings.Join(g[1:], ", "), "counted together as "+g[0], "FLUXGATE_PROVIDERS")
	}
	named := func(limits map[string]config.Limits, from string) {
		for _, name := range slices.Sorted(maps.Keys(limits)) {
			if project, model := cfg.SplitLimited(name); strings.HasPrefix(model, p.Name+"/") {
				line(project, model, limits[name].String(), from)
			}
		}
	}
	named(cfg.Limits, "FLUXGATE_LIMITS")
	atRunTime := make(map[string]config.Limits, len(runTime))
	for name, l := range runTime {
		atRunTime[name] = config.Limits(l)
	}
	named(atRunTime, "POST /config")
	if len(lines) == 0 {
		r.line("limits of %s: none is named, so they are learned from what its answers say", p.Name)
		return
	}
	r.line("limits of %s that are named (others are learned from what its answers say):%s", p.Name, strings.Join(lines, ""))
}

// projectsText names projects of so many, a few of them.
func projectsText(some []string, all int) string {
	const few = 5
	switch n := len(some); {
	case n == all:
		return "each project"
	case n > few:
		return fmt.Sprintf("%s and %d other projects", strings.Join(some[:few], ", "), n-few)
	}
	return strings.Join(some, ", ")
}

func tierText(t scheduler.Tier) string {
	switch {
	case t == scheduler.FreeTier:
		return " (free tier)"
	case t != "":
		return fmt.Sprintf(" (tier %s)", t)
	}
	return ""
}

// sources are where limits come from, as people know them.
var sources = map[scheduler.Source]string{
	scheduler.FromDefault: "built in", scheduler.FromTier: "built in for the tier, as of " + limits.TiersAsOf, scheduler.FromLearned: "learned from a 429",
	scheduler.FromReported: "Gemini's answer", scheduler.FromOperator: "FLUXGATE_LIMITS", scheduler.FromRunTime: "POST /config",
}

// inForce says the limits of a model where no project has learned others.
func inForce(f scheduler.EffectiveLimits) string {
	text := make([]string, 0, 3)
	for _, l := range []struct {
		name  string
		limit int64
		from  scheduler.Source
	}{{"requests/minute", f.RPM, f.RPMFrom}, {"tokens/minute", f.TPM, f.TPMFrom}, {"requests/day", f.RPD, f.RPDFrom}} {
		number := "unlimited"
		if l.limit != scheduler.Unlimited {
			number = fmt.Sprint(l.limit)
		}
		text = append(text, fmt.Sprintf("%s %s (%s)", number, l.name, cmp.Or(sources[l.from], string(l.from))))
	}
	return strings.Join(text, ", ")
}

// describe says how a key does, and why.
func describe(k validation.Result) string {
	switch {
	case k.Until != nil:
		return fmt.Sprintf("%s (until %s)", k.Status, k.Until.Format(time.RFC3339))
	case k.Reason != "":
		return fmt.Sprintf("%s (%s)", k.Status, k.Reason)
	}
	return string(k.Status)
}
