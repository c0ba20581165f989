package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// A Span is a step of a request. The zero one records nothing.
type Span struct {
	r    *Recorder
	ctx  context.Context
	span trace.Span // nil: none
	// Of a send:
	start time.Time
	to    Target
}

// start begins a step; its spans are children of the request's.
func (r *Recorder) start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	if r == nil || r.m == nil {
		return ctx, Span{}
	}
	s := Span{r: r}
	if r.tracer != nil {
		ctx, s.span = r.tracer.Start(ctx, name, trace.WithSpanKind(kind))
	}
	s.ctx = ctx
	return ctx, s
}

func (s Span) recording() bool { return s.span != nil && s.span.IsRecording() }

// end ends the span; class says how the step failed, "": it didn't.
func (s Span) end(class string, attributes ...attribute.KeyValue) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attributes...)
	if class != "" {
		s.span.SetAttributes(errorType.String(class))
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// Count begins counting the tokens of a request.
func (r *Recorder) Count(ctx context.Context) (context.Context, Span) {
	return r.start(ctx, "count", trace.SpanKindInternal)
}

// Counted ends counting. Class names the failure, "": none.
func (s Span) Counted(tokens int64, class string) {
	if s.recording() {
		s.end(class, tokensKey.Int64(tokens))
	}
}

// Admit begins an admission.
func (r *Recorder) Admit(ctx context.Context) (context.Context, Span) {
	return r.start(ctx, "admit", trace.SpanKindInternal)
}

// A Decision is how an admission ended.
type Decision struct {
	Project, Model string
	// Cause is what stood in the way; empty: the request was admitted.
	Cause  string
	Booked bool // the slot was booked, or is from now on
	Tokens int64
	Wait   time.Duration // what the caller is told to wait, 0: no wait helps
	Waited time.Duration // since an admitted caller was first told to
	// Failed says that nothing was decided, for Cause.
	Failed bool
	// Untold says that the caller isn't told: it was a retry.
	Untold bool
}

// Decided ends an admission.
func (s Span) Decided(d Decision) {
	if s.r == nil {
		return
	}
	verdict := "admitted"
	switch {
	case d.Failed:
		verdict = "failed"
	case d.Cause != "":
		verdict = "refused"
	}
	if !d.Failed && !d.Untold {
		s.r.countDecision(s.ctx, d)
	}
	if !s.recording() {
		return
	}
	list := []attribute.KeyValue{verdictKey.String(verdict), tokensKey.Int64(d.Tokens), bookedKey.Bool(d.Booked)}
	list = appendSet(list, projectKey, d.Project, genAIModel, d.Model, causeKey, d.Cause)
	switch {
	case d.Wait > 0:
		list = append(list, waitKey.Float64(d.Wait.Seconds()))
	case d.Waited > 0:
		list = append(list, waitedKey.Float64(d.Waited.Seconds()))
	}
	class := ""
	if d.Failed {
		class = d.Cause
	}
	s.end(class, list...)
}

// countDecision counts an admission or a refusal.
func (r *Recorder) countDecision(ctx context.Context, d Decision) {
	model := r.models.orOther(d.Model)
	decision := decisionKey{r.projects.addOrOther(d.Project), model, d.Cause, d.Booked}
	times := waitTimeKey{model, d.Cause}
	if d.Cause == "" {
		r.m.admitted.add(decision, 1)
		r.m.waited.add(ctx, times, d.Waited.Seconds())
		return
	}
	r.m.refused.add(decision, 1)
	if d.Wait > 0 {
		r.m.wait.add(ctx, times, d.Wait.Seconds())
	}
}

// A Target is where a request is sent.
type Target struct {
	Provider       string // empty: Gemini
	Project, Model string
	Counted        string // the model that it is counted as
	Key            int    // public ID
	Attempt        int
}

// Send begins a send to a provider.
func (r *Recorder) Send(ctx context.Context, to Target) (context.Context, Span) {
	if r == nil || r.m == nil {
		return ctx, Span{}
	}
	ctx, s := r.start(ctx, "send", trace.SpanKindClient)
	s.start, s.to = time.Now(), to
	return ctx, s
}

// An Answer is what became of a send.
type Answer struct {
	Tokens int64 // input tokens as Gemini counted them; negative: unknown
	// Of the answer, as Gemini counted them; of its input those that were cached.
	Output, Thoughts, Cached int64
	// Model is the version that answered; empty: unknown.
	Model string
	// Class is that of the error; empty: none. Status is its HTTP status, 0 if
	// there was no answer.
	Class  string
	Status int
}

// Answered ends a send.
func (s Span) Answered(a Answer) {
	if s.r == nil {
		return
	}
	r, m := s.r, s.r.m
	operation, caller := operationOf(""), ""
	if q := requestOf(s.ctx); q != nil {
		operation, caller = q.operation, q.caller
	}
	if a.Class == "" {
		r.models.add(s.to.Model)
		r.models.add(s.to.Counted)
	}
	project, model := r.projects.addOrOther(s.to.Project), r.models.orOther(s.to.Model)
	m.upstream.add(s.ctx, sendKey{operation, s.to.Provider, "", model, a.Class}, time.Since(s.start).Seconds())
	if a.Class != "" {
		m.failures.add(sendKey{operation, s.to.Provider, project, model, a.Class}, 1)
	}
	if a.Tokens > 0 {
		m.tokens.add(s.ctx, usageKey{operation, s.to.Provider, project, model, "input"}, float64(a.Tokens))
		if output := a.Output + a.Thoughts; output > 0 {
			m.tokens.add(s.ctx, usageKey{operation, s.to.Provider, project, model, "output"}, float64(output))
		}
		if caller != "" {
			m.callerTokens.add(caller, a.Tokens)
		}
	}
	if !s.recording() {
		return
	}
	s.span.SetName(operation + " " + s.to.Model)
	list := []attribute.KeyValue{
		genAIOperation.String(operation), genAIProvider.String(providerOf(s.to.Provider)), projectKey.String(s.to.Project),
		keyIndexKey.Int(s.to.Key), attemptKey.Int(s.to.Attempt),
	}
	list = appendSet(list, genAIModel, s.to.Model, genAIResponseModel, a.Model)
	if a.Tokens > 0 {
		list = append(list, genAIInputTokens.Int64(a.Tokens), genAIOutputTokens.Int64(a.Output+a.Thoughts))
		if a.Thoughts > 0 {
			list = append(list, genAIThoughts.Int64(a.Thoughts))
		}
		if a.Cached > 0 {
			list = append(list, genAICached.Int64(a.Cached))
		}
	}
	if a.Status != 0 {
		list = append(list, httpStatus.Int(a.Status))
	}
	s.end(a.Class, list...)
}

// Failed counts an upstream error of a request that takes no slot: one that
// counts tokens, or is about files, cached contents or models.
func (r *Recorder) Failed(operation string, to Target, class string) {
	if r == nil || r.m == nil {
		return
	}
	send := sendKey{operation, to.Provider, r.projects.addOrOther(to.Project), r.models.orOther(to.Model), class}
	r.m.failures.add(send, 1)
}

// Settle begins the settling of a slot.
func (r *Recorder) Settle(ctx context.Context) (context.Context, Span) {
	return r.start(ctx, "settle", trace.SpanKindInternal)
}

// Settled ends the settling of a slot.
func (s Span) Settled(err error) {
	if s.recording() {
		s.end(storeFailure(err))
	}
}
