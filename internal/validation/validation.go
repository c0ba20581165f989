package validation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

const (
	// Fresh is how long a result is good enough for a start. It is a little more
	// than a day, so that a daily schedule keeps it fresh.
	Fresh = 26 * time.Hour

	// maxChecks bounds how many keys are checked at a time, checkTimeout how long
	// the check of one may take.
	maxChecks    = 8
	checkTimeout = 10 * time.Second
	// lease is how long an instance may take for all of them before another one
	// may begin: it may have died.
	lease = 2 * time.Minute
	// record is the name of the record of results.
	record = "validation"
)

// A Status is the state of a key.
type Status string

// The states of a key.
const (
	Healthy   Status = "healthy"
	Exhausted Status = "exhausted" // every model of the chain is spent or gone for the day
	Invalid   Status = "invalid"   // its provider refuses it
	Disabled  Status = "disabled"  // by an operator
	Unknown   Status = "unknown"   // the check failed for another reason
)

// A Result is what was found out about one key.
type Result struct {
	Key         int        `json:"key_index"`
	Fingerprint string     `json:"fingerprint"`
	Project     string     `json:"project"`
	Provider    string     `json:"provider,omitempty"` // whom the key is for; empty: Gemini
	Status      Status     `json:"status"`
	Reason      string     `json:"reason,omitempty"`
	Until       *time.Time `json:"until,omitempty"` // of Exhausted
}

// A Report is what a validation found.
type Report struct {
	At   time.Time `json:"at"` // zero: never
	Keys []Result  `json:"keys"`
	// Running says that another instance is validating at this moment; the
	// results are those of the time before.
	Running bool `json:"running"`
}

// Of returns what was found out about the key with that fingerprint.
func (r Report) Of(fingerprint string) (Result, bool) {
	i := slices.IndexFunc(r.Keys, func(x Result) bool { return x.Fingerprint == fingerprint })
	if i < 0 {
		return Result{}, false
	}
	return r.Keys[i], true
}

// Summary says how many keys are in which state.
func (r Report) Summary() string {
	count := make(map[Status]int)
	for _, k := range r.Keys {
		count[k.Status]++
	}
	return fmt.Sprintf("%d healthy, %d exhausted, %d invalid, %d disabled, %d unknown",
		count[Healthy], count[Exhausted], count[Invalid], count[Disabled], count[Unknown])
}

// A KeySource is where the keys are had from; *keys.Pool is one.
type KeySource interface {
	Keys(ctx context.Context) ([]keys.Key, error)
}

// A Validator validates the keys of a deployment.
type Validator struct {
	Admission *admission.Controller
	Keys      KeySource
	Providers upstream.Providers
	Logger    *slog.Logger
}

// document is the record.
type document struct {
	Report Report    `json:"report"`
	Holder uint32    `json:"holder,omitempty"` // of the lease
	Until  time.Time `json:"until,omitzero"`   // of the lease
}

var errHeld = errors.New("another instance is validating")

// Last returns what was found last.
func (v *Validator) Last(ctx context.Context) (Report, error) {
	data, err := v.Admission.Record(ctx, record)
	if err != nil {
		return Report{}, fmt.Errorf("read validation: %w", err)
	}
	d, err := decode(data)
	if err != nil {
		return Report{}, fmt.Errorf("read validation: %w", err)
	}
	return d.Report, nil
}

// Ensure validates unless there is a fresh result that covers every key.
func (v *Validator) Ensure(ctx context.Context) (Report, error) {
	list, err := v.Keys.Keys(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("validate: read keys: %w", err)
	}
	last, err := v.Last(ctx)
	if err == nil && v.Admission.Now().Time().Sub(last.At) < Fresh && covers(last, list) {
		return v.withCurrentStates(ctx, last, list)
	}
	return v.Run(ctx)
}

func covers(r Report, list []keys.Key) bool {
	return !slices.ContainsFunc(list, func(k keys.Key) bool {
		_, ok := r.Of(k.Fingerprint)
		return !ok
	})
}

// Run validates every key now. When another instance is at it, it returns what
// was found the time before, and says so.
func (v *Validator) Run(ctx context.Context) (Report, error) {
	list, err := v.Keys.Keys(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("validate: read keys: %w", err)
	}
	holder := rand.Uint32()
	var before Report
	_, err = v.Admission.UpdateRecord(ctx, record, func(data []byte) ([]byte, error) {
		d, _ := decode(data) // one that can't be read is replaced
		before = d.Report
		now := v.Admission.Now().Time()
		if d.Until.After(now) {
			return nil, errHeld
		}
		d.Holder, d.Until = holder, now.Add(lease)
		return json.Marshal(d)
	})
	if errors.Is(err, errHeld) {
		before.Running = true
		return before, nil
	}
	if err != nil {
		return Report{}, fmt.Errorf("validate: %w", err)
	}
	report := Report{Keys: v.check(ctx, list)}
	report.At = v.Admission.Now().Time().Truncate(time.Millisecond)
	// The lease is given back even if the caller has hung up.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	_, err = v.Admission.UpdateRecord(after, record, func(data []byte) ([]byte, error) {
		d, _ := decode(data)
		if d.Holder != holder {
			return data, nil // it took too long, and somebody else has begun anew
		}
		if ctx.Err() != nil {
			return json.Marshal(document{Report: d.Report})
		}
		return json.Marshal(document{Report: report})
	})
	if err != nil {
		return Report{}, fmt.Errorf("validate: keep results: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return Report{}, fmt.Errorf("validate: %w", err)
	}
	return report, nil
}

func decode(data []byte) (d document, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &d)
	}
	return d, err
}

// check checks keys, a few at a time.
func (v *Validator) check(ctx context.Context, list []keys.Key) []Result {
	out := make([]Result, len(list))
	changed := make([]bool, len(list))
	chain := v.chain(ctx)
	var checks errgroup.Group
	checks.SetLimit(maxChecks)
	for i, k := range list {
		checks.Go(func() error {
			out[i], changed[i] = v.checkOne(ctx, k, chain)
			return nil
		})
	}
	_ = checks.Wait() // what each found is in its result
	if slices.Contains(changed, true) {
		// A new epoch: that a key works again must reach every instance.
		if _, err := v.Admission.UpdateControl(ctx, func(*storage.Control) error { return nil }); err != nil {
			v.Logger.Warn("validation: other instances will learn of it later", "error", err)
		}
	}
	return out
}

// chain returns the models to check keys with.
func (v *Validator) chain(ctx context.Context) []string {
	if s, err := v.Admission.Snapshot(ctx); err == nil {
		if chain := s.Chain(""); len(chain) > 0 {
			return chain
		}
	}
	// Nothing will be served in this mode, but keys can be checked all the same.
	return v.Admission.Rules().Policy.Chain(scheduler.Both)
}

func (v *Validator) checkOne(ctx context.Context, k keys.Key, chain []string) (r Result, changed bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	r = Result{Key: k.Index, Fingerprint: k.Fingerprint, Project: k.Project, Provider: k.Of(), Status: Unknown}
	states, err := v.Admission.FreshView(ctx, []string{k.Project}) // others may have found out what a free call can't show
	if err != nil {
		r.Reason = "the store can't be read"
		return r, false
	}
	if states[0].Mark(k.Fingerprint).Disabled {
		r.Status = Disabled
		return r, false
	}
	provider := v.Providers.Of(k.Provider)
	prompter, counts := provider.(upstream.Prompter)
	if !counts {
		chain = nil // it is Gemini's, and says nothing of this project
		_, err = provider.ListModels(ctx, k.Value.Reveal())
	}
	// A model that was retired for one project says nothing about its key, so
	// the last of the chain may have to answer.
	for i, model := range slices.Backward(chain) {
		_, err = prompter.CountPrompt(ctx, k.Value.Reveal(), upstream.Prompt{Model: model, Pieces: []payload.Piece{{Text: "ping"}}})
		var failure *upstream.Error
		if !errors.As(err, &failure) || i == 0 || failure.Class != upstream.ClassModelGone && failure.Class != upstream.ClassModelUnknown {
			break
		}
	}
	var failure *upstream.Error
	if errors.As(err, &failure) && failure.Class == upstream.ClassKeyInvalid &&
		!upstream.ConfirmInvalid(ctx, provider, k.Value.Reveal()) {
		r.Reason = fmt.Sprintf("the check failed, though not for the key: %v", err)
		return r, false
	}
	return v.judge(ctx, r, states[0], chain, err)
}

// judge returns what the answer to a check means, and records what it says of the key.
func (v *Validator) judge(ctx context.Context, r Result, state *scheduler.Project, chain []string, answer error) (Result, bool) {
	var failure *upstream.Error
	errors.As(answer, &failure)
	known := state.Mark(r.Fingerprint).Invalid
	// It looks at the key before it looks for the model.
	missing := failure != nil && (failure.Class == upstream.ClassModelGone || failure.Class == upstream.ClassModelUnknown)
	switch {
	case (answer == nil || missing) && upstream.OfProject(known):
		// The call is free: it proves the key, and nothing of what its project may spend.
		r.Status, r.Reason = Invalid, known
		return r, false
	case answer == nil || missing:
		r.Status, r.Reason, r.Until = standing(v.Admission.Rules().Of(r.Project), v.Admission.Now(), state, chain, r.Provider)
		if missing {
			r.Reason = fmt.Sprintf("no model of the chain is there for it: %v", answer)
		}
	case failure != nil && failure.Class == upstream.ClassKeyInvalid:
		r.Status, r.Reason = Invalid, failure.KeyReason()
	default:
		r.Reason = fmt.Sprintf("the check failed: %v", answer)
		return r, false
	}
	if r.Status == Invalid && known == r.Reason || r.Status != Invalid && known == "" {
		return r, false
	}
	reason := ""
	if r.Status == Invalid {
		reason = r.Reason
	}
	if _, err := v.Admission.Apply(ctx, r.Project, scheduler.SetMark{Key: r.Fingerprint, Invalid: &reason}); err != nil {
		v.Logger.Error("validation: a key's state is not kept", "key", r.Key, "error", err)
		return r, false
	}
	if r.Status == Invalid {
		v.Logger.Warn("key invalid", "key", r.Key, "project", r.Project, "reason", r.Reason)
	}
	return r, true
}

// standing says what is left of a project for a key that works. Of other providers than Gemini it
// isn't known which models are wanted of a project, so none of them is exhausted.
func standing(rules *scheduler.Rules, now scheduler.Instant, state *scheduler.Project, chain []string, provider string) (Status, string, *time.Time) {
	if provider != "" {
		return Healthy, "", nil
	}
	first := scheduler.Never // that one of them may be had again
	for _, model := range chain {
		c := state.Calendar(model)
		if Left(rules, now, c) != 0 {
			return Healthy, "", nil
		}
		until := scheduler.DayOf(now).End()
		if c.Block.Unavailable(now) {
			// However long upstream doesn't have it, and today's last request may be gone as well.
			if left(rules, now, c) != 0 {
				until = 0
			}
			until = max(until, c.Block.Until)
		}
		first = min(first, until)
	}
	if len(chain) == 0 {
		first = scheduler.DayOf(now).End()
	}
	until := first.Time()
	return Exhausted, "", &until
}

// Left returns how many requests a model of a project can still take today, as
// far as is known: scheduler.Unlimited where nothing limits them.
func Left(rules *scheduler.Rules, now scheduler.Instant, c *scheduler.Calendar) int64 {
	if blocked(c, now) {
		return 0
	}
	return left(rules, now, c)
}

// blocked reports whether upstream has said that a model isn't to be had for now, or not today.
func blocked(c *scheduler.Calendar, now scheduler.Instant) bool {
	return c.Block.Unavailable(now) || c.Block.Until > now && c.Block.Cause.Daily()
}

// left is Left whatever upstream has said.
func left(rules *scheduler.Rules, now scheduler.Instant, c *scheduler.Calendar) int64 {
	limit := c.EffectiveLimits(rules, now).RPD
	if limit == scheduler.Unlimited {
		return scheduler.Unlimited
	}
	return max(0, limit-c.Used(rules, scheduler.DayOf(now)))
}

// Standing returns the state of a key as it is now: what the project document
// says of it, or else, for a key that works as far as is known, what is left of
// the chain. A check that failed is told where nothing is known better.
func Standing(rules *scheduler.Rules, now scheduler.Instant, state *scheduler.Project, chain []string, r Result) Result {
	switch m := state.Mark(r.Fingerprint); {
	case state != nil && state.Unreadable != "":
		r.Status, r.Reason, r.Until = Unknown, "the document of its project can't be read", nil
	case m.Disabled:
		r.Status, r.Reason, r.Until = Disabled, "", nil
	case m.Invalid != "":
		r.Status, r.Reason, r.Until = Invalid, m.Invalid, nil
	case r.Status != Unknown:
		r.Status, r.Reason, r.Until = standing(rules, now, state, chain, r.Provider)
	}
	return r
}

// withCurrentStates brings results up to date with what the projects' documents say.
func (v *Validator) withCurrentStates(ctx context.Context, report Report, list []keys.Key) (Report, error) {
	chain := v.chain(ctx)
	out := Report{At: report.At}
	var ids []string
	for _, k := range list {
		if !slices.Contains(ids, k.Project) {
			ids = append(ids, k.Project)
		}
	}
	states, err := v.Admission.FreshView(ctx, ids) // others may have found out what a free call can't show
	if err != nil {
		return Report{}, fmt.Errorf("validate: %w", err)
	}
	for _, k := range list {
		r, _ := report.Of(k.Fingerprint)
		r.Key, r.Project, r.Provider = k.Index, k.Project, k.Of()
		out.Keys = append(out.Keys, Standing(v.Admission.Rules().Of(k.Project), v.Admission.Now(), states[slices.Index(ids, k.Project)], chain, r))
	}
	return out, nil
}
