package weights

import (
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/dispatch/pool"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// A Request is what is known of one before it is answered.
type Request struct {
	Caller string
	Fast   bool  // it asks for Anthropic's fast mode
	Likely int64 // tokens of its input, as they are estimated without asking anybody
	upstream.Asked
}

// Tokens returns what a request weighs on the calendars of models, whichever of them serves it.
func (b *Book) Tokens(models []string, r Request) int64 {
	most := int64(0)
	for _, model := range models {
		tokens := r.Input
		if p := b.providers.Of(pool.ProviderOf(model)); p != nil {
			r.Output, _ = b.Expect(r.Caller, model, r.MaxOutput)
			tokens = p.Reserves(r.Asked)
		}
		most = max(most, tokens)
	}
	return most
}

// Also returns what a request of that weight weighs beside a model's calendar: on those of which
// limits have been named, or are known by what the provider said. It is asked for by a name that is
// the model's or of one that shares its limits.
func (b *Book) Also(rules *scheduler.Rules, model, asked string, demand scheduler.Demand, r Request) []scheduler.Weight {
	if pool.ProviderOf(model) == upstream.Gemini {
		return nil
	}
	output, takes := b.Expect(r.Caller, asked, r.MaxOutput)
	all := make([]scheduler.Weight, 0, 12)
	add := func(on string, d scheduler.Demand) {
		all = append(all, scheduler.Weight{On: on, Demand: d, IfKnown: !rules.Limited(on)})
	}
	known := false
	if p, ok := b.providers.Of(pool.ProviderOf(model)).(upstream.Limiter); ok {
		r.Output = output
		output, known = p.Outputs(r.Asked)
	}
	add(scheduler.OfOutputs(model), scheduler.Demand{Tokens: output, Allowance: takes})
	if known {
		all[0].IfKnown = false // what was put out before the limit was told counts too
	}
	add(scheduler.OfInputs(model), scheduler.Demand{Tokens: r.Input})
	add(scheduler.OfUsed(model), scheduler.Demand{Tokens: demand.Tokens, Allowance: takes})
	all[len(all)-1].IfPlace = true // the next answer has the model's own limit hold again
	for _, per := range windows {
		add(scheduler.OfWindow(model, per), demand)
	}
	for _, per := range buckets {
		add(scheduler.OfBucket(model, per), demand)
	}
	add(scheduler.OfDay(model), demand)
	add(scheduler.OfPlaces(model), scheduler.Demand{Allowance: takes})
	return all
}

var windows, buckets = scheduler.WindowPeriods(), scheduler.BucketPeriods()

// An Answer is what came of a request.
type Answer struct {
	Prompt   int64 // tokens; negative: it doesn't say
	Used     answers.Tokens
	Reserved int64 // tokens, on the model's calendar
	Took     time.Duration
}

// Settle notes on a grant what an answer of a provider's turned out to weigh beside the model's
// calendar, and returns what it did there; negative: that isn't known. The next requests are
// reserved by what it put out. Without a request it is one to Gemini.
func (b *Book) Settle(p upstream.Provider, grant *admission.Grant, r *Request, a Answer) int64 {
	if r == nil {
		weighs := p.Weighs(upstream.Asked{}, a.Prompt, a.Used, a.Reserved)
		grant.Count(weighs)
		return weighs
	}
	weighs, input, output := p.Weighs(r.Asked, a.Prompt, a.Used, a.Reserved), int64(-1), int64(-1)
	if a.Prompt >= 0 {
		input = p.Weighs(upstream.Asked{}, a.Prompt, answers.Tokens{Cached: a.Used.Cached}, 0)
		output = a.Used.Output + a.Used.Thoughts
		b.Note(r.Caller, grant.Asked, output, a.Took)
	}
	count(grant, weighs, input, output)
	return weighs
}

// Failed notes on a grant that its request failed: who refuses one puts nothing out for it.
func Failed(grant *admission.Grant, r *Request, e *upstream.Error) {
	if r != nil && e.Class != upstream.ClassTimeout && e.Class != upstream.ClassCanceled && e.Class != upstream.ClassBroken {
		count(grant, -1, -1, 0)
	}
}

// count notes on a grant what an answer turned out to weigh on each calendar beside the model's, and
// what it took in and put out; negative: it isn't known.
func count(grant *admission.Grant, tokens, input, output int64) {
	grant.Counted = nil
	for _, x := range grant.Also {
		n := tokens
		switch {
		case x.On == scheduler.OfOutputs(grant.Model), x.On == scheduler.OfOutputs(grant.Asked):
			n = output
		case x.On == scheduler.OfInputs(grant.Model), x.On == scheduler.OfInputs(grant.Asked):
			n = input
		case !counts(grant.Model, x.On) && !counts(grant.Asked, x.On):
			n = -1
		}
		grant.Counted = append(grant.Counted, n)
	}
}

// counts reports whether a calendar counts the tokens of a model's requests as the model's does.
func counts(model, on string) bool {
	of, ok := scheduler.CountsSent(on)
	return scheduler.IsModel(on) || ok && of == model
}
