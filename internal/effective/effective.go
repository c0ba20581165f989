package effective

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/quotas"
	"fluxgate.dev/fluxgate/internal/sharing"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// The origins of the model chain, in rising order of trust.
const (
	ChainDefault    = "default"    // built in
	ChainDiscovered = "discovered" // from the models that upstream lists
	ChainOperator   = "operator"   // FLUXGATE_CHAIN
	ChainRunTime    = "run_time"   // POST /config
)

// Across returns the model chain in force where it has models of other providers than Gemini,
// in its order and without regard to the mode, and where it comes from; nil: it has none, and
// Chain is all there is.
func Across(cfg *config.Config, c storage.Control) (chain []string, from string) {
	gemini := scheduler.OfGemini(c.Across)
	switch {
	case len(gemini) < len(c.Across) && slices.Equal(gemini, c.Chain):
		return c.Across, ChainRunTime
	case len(c.Chain) > 0 || len(scheduler.OfGemini(cfg.Chain)) == len(cfg.Chain):
		return nil, ""
	}
	return Models(cfg.Chain, c), ChainOperator
}

// Whole returns all of the model chain in force, without regard to the mode, and where it comes
// from.
func Whole(cfg *config.Config, c storage.Control) (chain []string, from string) {
	if chain, from = Across(cfg, c); chain != nil {
		return chain, from
	}
	return Chain(cfg, c)
}

// Chain returns the model chain in force of Gemini, without regard to the mode, and where
// it comes from. An empty chain is the built-in one.
func Chain(cfg *config.Config, c storage.Control) (chain []string, from string) {
	if len(c.Chain) > 0 {
		return c.Chain, ChainRunTime
	}
	if chain = scheduler.OfGemini(Models(cfg.Chain, c)); len(chain) > 0 {
		return chain, ChainOperator
	}
	if len(c.Discovered) > 0 {
		return c.Discovered, ChainDiscovered
	}
	return scheduler.DefaultChain(), ChainDefault
}

// Models returns the models that the names of a chain mean: that of a family (pro, flash,
// flash_lite or gemma) is its models among those that Gemini lists, or that are built in, in
// their order. A model is there once, and there are no more than a project has calendars for.
func Models(names []string, c storage.Control) (models []string) {
	all := c.Discovered
	if len(all) == 0 {
		all = scheduler.DefaultChain()
	}
	add := func(model string) {
		if !slices.Contains(models, model) && len(models) < scheduler.MaxModels {
			models = append(models, model)
		}
	}
	for _, name := range names {
		family := scheduler.Family(strings.ReplaceAll(name, "-", "_"))
		if !slices.Contains(families, family) {
			add(name)
			continue
		}
		for _, model := range all {
			if scheduler.FamilyOf(model) == family {
				add(model)
			}
		}
	}
	return models
}

// families are those that a chain may name.
var families = []scheduler.Family{scheduler.Pro, scheduler.Flash, scheduler.FlashLite, scheduler.Gemma}

// Mode returns the mode in force: set at run time, or configured.
func Mode(cfg *config.Config, c storage.Control) scheduler.Mode {
	if c.Mode != "" {
		return scheduler.Mode(c.Mode)
	}
	return scheduler.Mode(cfg.Mode)
}

// Prefer returns which projects are used first where several have room: set at run time, or
// configured; any where nothing is said.
func Prefer(cfg *config.Config, c storage.Control) config.Prefer {
	return cmp.Or(config.Prefer(c.Prefer), cfg.Prefer, config.PreferAny)
}

// Rules returns the rules in force under a configuration, a control document and the usage
// tiers that keys declare of their projects.
//
// Of a limit that several sources name, the later of these counts, number by number:
//
//  1. what is built in for the model's family, or for it on a project of a usage tier;
//  2. what Gemini answered when it was asked, of the free tier, and so not of projects
//     that are paid for;
//  3. FLUXGATE_LIMITS, then POST /config, for all projects; of a family, then of the model;
//  4. FLUXGATE_LIMITS, then POST /config, for the one project; again the family's first.
//
// What upstream's 429s name comes after all of them; see [scheduler.Calendar.EffectiveLimits].
func Rules(cfg *config.Config, c storage.Control, tiers map[string]string) *scheduler.Rules {
	chain, _ := Chain(cfg, c)
	b := &builder{
		cfg: cfg, control: c, chain: slices.Clone(chain),
		shared:   cfg.Sharing(),
		reported: byProject(cfg, c.Reported)[""], configured: byProject(cfg, cfg.Limits), runTime: byProject(cfg, c.Limits), quotas: quotaProjects(cfg),
	}
	rules := b.rules("", "")
	rules.Projects = make(map[string]*scheduler.Rules)
	ofTier := make(map[scheduler.Tier]*scheduler.Rules) // shared by those without limits of their own
	for project := range b.others(tiers) {
		tier := scheduler.Tier(tiers[project])
		if _, own := b.own(project); own {
			rules.Projects[project] = b.rules(tier, project)
			continue
		}
		if ofTier[tier] == nil {
			ofTier[tier] = b.rules(tier, "")
		}
		rules.Projects[project] = ofTier[tier]
	}
	return rules
}

// A builder makes the rules of projects from what all of them are made of.
type builder struct {
	cfg     *config.Config
	control storage.Control
	chain   []string
	shared  sharing.Table
	// By model, of all projects.
	reported map[string]scheduler.Override
	// By project, and then by model or family; of all projects under the empty one.
	configured, runTime map[string]map[string]scheduler.Override
	// quotas are the projects that have limits of their own among those of providers.
	quotas map[string]bool
}

// others yields the projects that have other rules than most.
func (b *builder) others(tiers map[string]string) iter.Seq[string] {
	return func(yield func(string) bool) {
		seen := map[string]bool{"": true}
		for _, named := range []iter.Seq[string]{maps.Keys(tiers), maps.Keys(b.configured), maps.Keys(b.runTime), maps.Keys(b.quotas)} {
			for project := range named {
				if !seen[project] && !yield(project) {
					return
				}
				seen[project] = true
			}
		}
	}
}

// own returns the overrides of one project alone, and whether it has limits of its own.
func (b *builder) own(project string) (layers []scheduler.Layer, any bool) {
	configured, runTime := b.configured[project], b.runTime[project]
	return []scheduler.Layer{{From: scheduler.FromOperator, Overrides: configured}, {From: scheduler.FromRunTime, Overrides: runTime}}, len(configured)+len(runTime) > 0 || b.quotas[project]
}

// rules returns the rules of a project of a tier; with no project, of those that have no
// limits of their own.
func (b *builder) rules(tier scheduler.Tier, project string) *scheduler.Rules {
	var layers []scheduler.Layer
	if !tier.Paid() {
		layers = append(layers, scheduler.Layer{From: scheduler.FromReported, Overrides: b.reported})
	}
	named, _ := b.own("")
	if project != "" {
		own, _ := b.own(project)
		named = append(named, own...)
	}
	named = b.together(named)
	layers = append(layers, named...)
	prefer := scheduler.Preference(Prefer(b.cfg, b.control))
	if prefer == scheduler.Preference(config.PreferAny) {
		prefer = ""
	}
	return &scheduler.Rules{
		Policy: scheduler.NewTierPolicy(tier, b.chain, layers...).WithWindows(b.control.Windows),
		Specs:  b.specs(tier, project, named),
		Skew:   b.cfg.Skew, Hold: b.cfg.Hold, Prefer: prefer,
	}
}

// specs returns what is limited of what isn't a model.
func (b *builder) specs(tier scheduler.Tier, project string, named []scheduler.Layer) map[string]scheduler.Spec {
	all := map[string]scheduler.Spec{scheduler.OfFeature(scheduler.EachModel, payload.LiveFeature): sessions(tier, named)}
	for _, p := range b.cfg.AllProviders() {
		add := func(model string, list quotas.List) {
			for calendar, spec := range quotaSpecs(p.Name, model, project, list) {
				if was, ok := all[calendar]; ok { // of another that shares it
					spec = joined(was, spec)
				}
				all[calendar] = spec
			}
		}
		for _, model := range quotaModels(p.Limits) {
			add(model, p.Limits)
			if counted := strings.TrimPrefix(b.shared.Counted(p.Name+"/"+model, sharing.Kind{}), p.Name+"/"); counted != model {
				add(counted, called(p.Limits, model, counted))
			}
		}
	}
	return all
}

// called returns the limits of one model, and of each, as if that had another name.
func called(list quotas.List, model, other string) (all quotas.List) {
	for _, l := range list {
		if l.Model == model {
			l.Model = other
		}
		if l.Model == "" || l.Model == other {
			all = append(all, l)
		}
	}
	return all
}

// quotaModels returns the models that limits are named of, behind none, which stands for each.
func quotaModels(list quotas.List) []string {
	all := []string{""}
	for _, l := range list {
		if !slices.Contains(all, l.Model) {
			all = append(all, l.Model)
		}
	}
	return all
}

// quotaSpecs returns what the calendars beside a model's count on a project by the limits that are
// named of its provider. Number by number, the later of these counts: each model's, on all projects,
// then on this one; this model's, likewise. No model stands for each, no project for those that have
// no limits of their own.
func quotaSpecs(provider, model, project string, list quotas.List) map[string]scheduler.Spec {
	all := make(map[string]scheduler.Spec)
	for _, of := range [...]quotas.Limit{{}, {Project: project}, {Model: model}, {Model: model, Project: project}} {
		named := make(map[string]scheduler.Spec)
		for _, l := range list {
			if l.Model != of.Model || l.Project != of.Project {
				continue
			}
			l.Model = model
			calendar, spec := quotaSpec(provider, l)
			if was, ok := named[calendar]; ok { // such as requests and tokens of one period
				spec = joined(was, spec)
			}
			named[calendar] = spec
		}
		for calendar, spec := range named {
			if was, ok := all[calendar]; ok {
				spec = over(was, spec)
			}
			all[calendar] = spec
		}
	}
	return all
}

// quotaSpec returns the calendar that counts a limit, and what it counts.
func quotaSpec(provider string, l quotas.Limit) (calendar string, spec scheduler.Spec) {
	model, none, operator := provider+"/"+l.Model, scheduler.Unlimited, scheduler.FromOperator
	if l.Model == "" {
		model = provider + "/" + scheduler.EachModel
	}
	spec.EffectiveLimits = scheduler.EffectiveLimits{Limits: scheduler.Limits{RPM: none, TPM: none, RPD: none}, RPMFrom: operator, TPMFrom: operator, RPDFrom: operator}
	per, _ := l.Period() // it was checked when it was read
	spec.Window, spec.Refill, spec.Late = per, l.Burst > 0, l.Lateness()
	switch {
	case l.Of == quotas.AtATime:
		spec.RPM, spec.Window, spec.AtATime, spec.AtAnswer = l.Most, scheduler.PlaceFor, true, true
		return scheduler.OfPlaces(model), spec
	case l.Per == quotas.Day:
		spec.RPD = l.Most
		spec.Zone, _ = l.Location() // that too
		return scheduler.OfDay(model), spec
	case l.Of == quotas.OutputTokens:
		spec.TPM, spec.Burst.Tokens, spec.AtAnswer = l.Most, l.Burst, true
		return scheduler.OfOutputs(model), spec
	case l.Of == quotas.InputTokens:
		spec.TPM, spec.Burst.Tokens = l.Most, l.Burst
		return scheduler.OfInputs(model), spec
	case l.Of == quotas.Requests:
		spec.RPM, spec.Burst.Requests = l.Most, l.Burst
	default:
		spec.TPM, spec.Burst.Tokens = l.Most, l.Burst
	}
	if spec.Refill {
		return scheduler.OfBucket(model, per), spec
	}
	return scheduler.OfWindow(model, per), spec
}

// joined returns what counts by both: of what both limit, the lower.
func joined(a, b scheduler.Spec) scheduler.Spec {
	for _, x := range [3]struct{ to, from *int64 }{{&a.RPM, &b.RPM}, {&a.TPM, &b.TPM}, {&a.RPD, &b.RPD}} {
		if *x.to == scheduler.Unlimited || *x.from != scheduler.Unlimited && *x.from < *x.to {
			*x.to = *x.from
		}
	}
	a.Late = max(a.Late, b.Late)
	a.Burst.Requests, a.Burst.Tokens = smaller(a.Burst.Requests, b.Burst.Requests), smaller(a.Burst.Tokens, b.Burst.Tokens)
	if a.Refill != b.Refill { // tokens of input or output: who sends no more in a window than may be there at once keeps to both
		a.TPM, a.Refill, a.Burst.Tokens = min(a.TPM, a.Burst.Tokens), false, 0
	}
	return a
}

// smaller returns the smaller of two bursts; 0: it has none.
func smaller(a, b int64) int64 {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// over returns what counts where b goes before a: what b doesn't limit is limited as a says.
func over(a, b scheduler.Spec) scheduler.Spec {
	b.Late = cmp.Or(b.Late, a.Late)
	if b.RPM == scheduler.Unlimited {
		b.RPM, b.Burst.Requests = a.RPM, a.Burst.Requests
	}
	if b.TPM == scheduler.Unlimited {
		b.TPM, b.Burst.Tokens = a.TPM, a.Burst.Tokens
	}
	return b
}

// sessionFor is how long a session counts unless it is extended: when its instance is
// gone, its place is free again after that.
const sessionFor = 2 * time.Minute

// sessions returns what is limited of sessions, under overrides of rising trust: their RPM is
// how many a project may have of a model at a time, their RPD how many it may begin on a day.
// How many there really may be is found out, by one session at a time, or named by an operator.
func sessions(tier scheduler.Tier, layers []scheduler.Layer) scheduler.Spec {
	s := scheduler.Spec{Window: sessionFor, AtATime: true, Start: true}
	from := tier.Limits("").RPMFrom
	s.EffectiveLimits = scheduler.EffectiveLimits{
		Limits:  scheduler.Limits{RPM: tier.Sessions(), TPM: scheduler.Unlimited, RPD: scheduler.Unlimited},
		RPMFrom: from, TPMFrom: from, RPDFrom: from,
	}
	for _, l := range layers {
		o := l.Overrides[payload.LiveFeature]
		o.TPM = nil // tokens are limited of the model
		s.Override(o, l.From)
	}
	return s
}

// quotaProjects returns the projects that have limits of their own among those of providers.
func quotaProjects(cfg *config.Config) map[string]bool {
	all := make(map[string]bool)
	for _, p := range cfg.AllProviders() {
		for _, l := range p.Limits {
			if l.Project != "" {
				all[l.Project] = true
			}
		}
	}
	return all
}

// byProject sorts limits by project, "" for those of all, and then by model or family.
func byProject[L config.Limits | storage.Limits](cfg *config.Config, limits map[string]L) map[string]map[string]scheduler.Override {
	out := map[string]map[string]scheduler.Override{"": {}}
	for name, l := range limits {
		project, model := cfg.SplitLimited(name)
		if out[project] == nil {
			out[project] = make(map[string]scheduler.Override)
		}
		out[project][model] = scheduler.Override(l)
	}
	return out
}

// numbers are those of an override.
var numbers = [...]func(*scheduler.Override) **int64{
	func(o *scheduler.Override) **int64 { return &o.RPM },
	func(o *scheduler.Override) **int64 { return &o.TPM },
	func(o *scheduler.Override) **int64 { return &o.RPD },
}

// together returns layers that name limits, of models that share theirs by the name that they are counted by, too: each number
// of the one that all layers hold to the lowest, where that is named. The layers stay as they are.
func (b *builder) together(layers []scheduler.Layer) []scheduler.Layer {
	shared := make(map[string]map[string]bool) // models of which something is named, by the name that they are counted by
	for _, l := range layers {
		for model := range l.Overrides {
			if counted := b.shared.Counted(model, sharing.Kind{}); counted != model {
				if shared[counted] == nil {
					shared[counted] = map[string]bool{counted: true}
				}
				shared[counted][model] = true
			}
		}
	}
	if len(shared) == 0 {
		return layers
	}
	out := slices.Clone(layers)
	for i := range out {
		out[i].Overrides = make(map[string]scheduler.Override, len(layers[i].Overrides))
		maps.Copy(out[i].Overrides, layers[i].Overrides)
	}
	for counted, models := range shared {
		for i := range out {
			delete(out[i].Overrides, counted)
		}
		for _, number := range numbers {
			if lowest, at := strictest(layers, models, number); lowest != nil {
				o := out[at].Overrides[counted]
				*number(&o) = lowest
				out[at].Overrides[counted] = o
			}
		}
	}
	return out
}

// strictest returns the lowest of what models are held to, of each of which the last layer counts that names it, and the layer;
// nil: none does. Of several that name as much it is the last.
func strictest(layers []scheduler.Layer, models map[string]bool, number func(*scheduler.Override) **int64) (lowest *int64, at int) {
	for model := range models {
		for i, l := range slices.Backward(layers) {
			o := l.Overrides[model]
			n := *number(&o)
			if n == nil {
				continue
			}
			if lowest == nil || lower(*n, *lowest) || *n == *lowest && i > at {
				lowest, at = n, i
			}
			break
		}
	}
	return lowest, at
}

// lower reports whether a limit is below another; one that is unlimited is below none.
func lower(a, b int64) bool {
	return a != b && a != scheduler.Unlimited && (b == scheduler.Unlimited || a < b)
}
