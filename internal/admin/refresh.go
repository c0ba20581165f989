package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/internal/policy"
	"fluxgate.dev/fluxgate/internal/requestlog"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A PolicyResult says what is known from Gemini.
type PolicyResult struct {
	policy.Reported
	Running bool `json:"running"` // another instance is asking at this moment
}

// RefreshPolicyNow is RefreshPolicy with force, as POST /refresh-policy asks.
func (a *Admin) RefreshPolicyNow(ctx context.Context) (*PolicyResult, error) {
	known, ran, err := a.RefreshPolicy(ctx, true)
	if err != nil {
		return nil, err
	}
	// Empty is not the same as not known.
	if known.Models == nil {
		known.Models = map[string]policy.Limits{}
	}
	if known.Refused == nil {
		known.Refused = []policy.Refusal{}
	}
	return &PolicyResult{known, !ran}, nil
}

// RefreshPolicy asks Gemini for its models and limits if that is due, or in any
// case with force, and has every instance go by what is believed of the answer.
// Ran is false when another call is at it, or nothing was due. It may take a
// minute.
func (a *Admin) RefreshPolicy(ctx context.Context, force bool) (known policy.Reported, ran bool, err error) {
	known, ran, err = a.policy.Refresh(ctx, force)
	if err != nil {
		return known, ran, err
	}
	return known, ran, a.follow(ctx, known)
}

// Retire implements [dispatch.ChainKeeper].
func (a *Admin) Retire(ctx context.Context, model string, at time.Time) error {
	known, err := a.policy.Retire(ctx, model, at)
	if err != nil {
		return err
	}
	return a.follow(ctx, known)
}

// Relist implements [dispatch.ChainKeeper].
func (a *Admin) Relist(ctx context.Context) error {
	known, ran, err := a.policy.Relist(ctx)
	if err != nil || !ran {
		return err
	}
	return a.follow(ctx, known)
}

// Sessions returns the models for sessions of the Live API that Gemini lists, best first; none
// where that isn't known.
func (a *Admin) Sessions(ctx context.Context) []string {
	known, err := a.policy.Current(ctx)
	if err != nil {
		requestlog.From(ctx, a.log).Warn("models for sessions not read", "error", err) // what was known last holds
	}
	return known.Sessions
}

// follow has every instance go by what is known from Gemini. Another one may have found more
// since that was read, and nobody undoes it: what is written is read again before.
func (a *Admin) follow(ctx context.Context, known policy.Reported) error {
	// What the caller's hanging up must not interrupt.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	snapshot, err := a.admission.FreshSnapshot(ctx)
	if err != nil {
		return err
	}
	if a.goneBy(snapshot.Control, known) {
		return nil
	}
	if known, err = a.policy.Latest(ctx); err != nil || a.goneBy(snapshot.Control, known) {
		return err
	}
	limits := a.reportedLimits(known)
	_, err = a.admission.UpdateControl(ctx, func(c *storage.Control) error {
		c.Reported, c.ReportedAt = limits, known.At
		c.Discovered, c.Windows = known.Chain, known.Windows
		return nil
	})
	if err != nil {
		return err
	}
	a.audit.Record(ctx, events.Fluxgate, refreshed(len(known.Chain), len(limits), len(known.Refused)))
	return a.review(ctx)
}

// refreshed says what came of Gemini's answer: how many models its list gives the chain, of how
// many it named limits, and how many of its numbers weren't believed.
func refreshed(chain, limited, refused int) string {
	models := func(n int) string {
		if n == 1 {
			return "1 model"
		}
		return fmt.Sprintf("%d models", n)
	}
	said := fmt.Sprintf("policy refreshed: the chain has %s of Gemini's list", models(chain))
	if limited > 0 {
		said += fmt.Sprintf(", and limits of %s are as its answer says", models(limited))
	} else {
		said += "; its answer named no limits, so those built in stay"
	}
	if refused > 0 {
		said += fmt.Sprintf("; %d of its numbers are too large to be believed and were left out", refused)
	}
	return said
}

// goneBy reports whether what is known is what a control document has.
func (a *Admin) goneBy(c storage.Control, known policy.Reported) bool {
	return sameLimits(c.Reported, a.reportedLimits(known)) && slices.Equal(c.Discovered, known.Chain) && maps.Equal(c.Windows, known.Windows)
}

// reportedLimits are the limits that count now of what is known.
func (a *Admin) reportedLimits(known policy.Reported) map[string]storage.Limits {
	limits := make(map[string]storage.Limits)
	for model, l := range known.Overrides(a.admission.Now().Time()) {
		limits[model] = storage.Limits(l)
	}
	return limits
}

func sameLimits(a, b map[string]storage.Limits) bool {
	same := func(x, y *int64) bool { return x == nil && y == nil || x != nil && y != nil && *x == *y }
	return maps.EqualFunc(a, b, func(x, y storage.Limits) bool {
		return same(x.RPM, y.RPM) && same(x.TPM, y.TPM) && same(x.RPD, y.RPD)
	})
}

// chainSet returns Gemini's part of the chain that somebody has set, if anybody has.
func (a *Admin) chainSet(ctx context.Context) []string {
	snapshot, err := a.admission.Snapshot(ctx)
	if err == nil && len(snapshot.Control.Chain) > 0 {
		return snapshot.Control.Chain
	}
	return scheduler.OfGemini(a.cfg.Chain)
}

func open(model string) int {
	if scheduler.FamilyOf(model) == scheduler.Gemma {
		return 1
	}
	return 0
}

var errNoRoom = errors.New("no project has room for the question now")

// ask sends the question for the limits, on whichever of the models is free now. It is
// admitted like any other request, and takes the last of them first: their days are the
// longest. Open models come after the others, for they can't be asked for JSON.
func (a *Admin) ask(ctx context.Context, prompt upstream.Prompt, models []string) (*upstream.Reply, error) {
	ctx = requestlog.With(ctx, a.logger(ctx).With("for", "policy"))
	p, err := a.dispatch.PoolOf(ctx, upstream.Gemini)
	if err != nil {
		return nil, err
	}
	snapshot, err := a.admission.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	models = slices.Clone(models)
	slices.Reverse(models)
	slices.SortStableFunc(models, func(a, b string) int { return cmp.Compare(open(a), open(b)) })
	var now time.Duration
	var reply *upstream.Reply
	_, wait, err := a.dispatch.Do(ctx, p, &dispatch.Call{
		Snapshot: snapshot, Caller: events.Fluxgate, Models: models, MaxWait: &now,
		Demand: scheduler.Demand{Tokens: policy.TokenBound(prompt), Requests: 1}, Exact: true,
		Send: dispatch.SendPrompt(prompt, &reply),
	})
	switch {
	case err != nil:
		return nil, err
	case wait != nil:
		a.dispatch.Forget(ctx, wait, events.Fluxgate)
		return nil, errNoRoom
	}
	return reply, nil
}
