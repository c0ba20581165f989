package jobs

import (
	"cmp"
	"context"
	"strings"

	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/telemetry"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/internal/usage/price"
)

// atATime is how many results are claimed at a time: what is lost of a file that an instance was
// counting when it was killed.
const atATime = 1000

// A Reading counts the results of one job as an answer passes that has them. It belongs to one
// goroutine; the nil one counts nothing.
type Reading struct {
	registry *Registry
	at       place
	results  *answers.Results
	single   bool            // there is one at most
	waiting  []answers.Usage // that aren't claimed yet
	first    int64           // which of all the first of them is
	over     bool            // nothing of it is this reading's to count
}

// Reading returns what counts an answer about a job, or a file with results, that comes in a form.
func (g *Registry) Reading(form answers.Form, project, name string) *Reading {
	if g == nil {
		return nil
	}
	if over, _ := g.over.Get(place{project, name}); over {
		return nil
	}
	r := &Reading{registry: g, at: place{project, name}, single: form == answers.Single}
	r.results = answers.NewResults(form, func(u answers.Usage) { r.waiting = append(r.waiting, u) })
	return r
}

// Saw counts an answer about a job that is there in full.
func (g *Registry) Saw(ctx context.Context, form answers.Form, project, name string, text []byte) {
	r := g.Reading(form, project, name)
	r.See(ctx, text)
	r.End(ctx, true)
}

// See reads a piece of the answer, before the caller gets it.
func (r *Reading) See(ctx context.Context, text []byte) {
	if r == nil || r.over {
		return
	}
	_, _ = r.results.Write(text) // never fails
	if len(r.waiting) >= atATime {
		r.count(ctx, false)
	}
}

// End counts what came of the answer; whole says that it was all.
func (r *Reading) End(ctx context.Context, whole bool) {
	if r != nil && !r.over && r.first+int64(len(r.waiting)) > 0 {
		r.count(ctx, whole || r.single)
	}
}

// count claims what is waiting, and counts it, though the caller may have left.
func (r *Reading) count(ctx context.Context, all bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	end := r.first + int64(len(r.waiting))
	e, from, ok := r.registry.claim(ctx, r.at, r.first, end, all)
	if r.over = !ok; !ok {
		return
	}
	for _, u := range r.waiting[min(from, end)-r.first:] {
		r.registry.used(ctx, r.at, e, u)
	}
	r.first, r.waiting = end, r.waiting[:0]
}

// used counts one result.
func (g *Registry) used(ctx context.Context, at place, e entry, u answers.Usage) {
	a := usage.Answer{
		For:   usage.For{Project: at.project, Model: e.Model, Caller: e.Caller},
		Input: max(u.PromptTokens, 0), Metered: u.PromptTokens >= 0, Used: u.Tokens, Batch: e.Batch,
	}
	if provider, _, other := strings.Cut(at.name, ":"); !other {
		a.Model, a.Answered = cmp.Or(a.Model, u.ModelVersion), u.ModelVersion
	} else if a.Model == "" && u.ModelVersion != "" {
		a.Model = provider + "/" + u.ModelVersion
	}
	model, input, output := cmp.Or(a.Answered, a.Model), a.Input, budget.Output(u.Output+u.Thoughts, !a.Metered)
	if e.Batch {
		cost, _ := g.o.Usage.Served(a)
		g.o.Budgets.SpendBatch(a.Caller, model, input, u.Cached, output)
		g.told(a, input, cost)
		return
	}
	cost := g.o.Usage.Ended(a, e.Before)
	g.o.Budgets.SpendBeyond(a.Caller, model, input, u.Cached, output, e.Before)
	g.told(a, max(0, input-e.Before), max(0, cost))
}

// told has it measured.
func (g *Registry) told(a usage.Answer, input int64, cost price.Pico) {
	g.o.Telemetry.Used(telemetry.Used{
		Caller: a.Caller, Model: a.Model, Input: input, Output: a.Used.Output, Thoughts: a.Used.Thoughts, Cached: a.Used.Cached,
		Tools: a.Used.Tools, Cost: int64(cost),
	})
}
