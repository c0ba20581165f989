package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/gemini"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/scheduler"
)

// A report is the startup report, one line at a time. It may have no writer.
type report struct{ w io.Writer }

func (r *report) line(format string, args ...any) {
	if r.w != nil {
		fmt.Fprintf(r.w, format+"\n", args...)
	}
}

// checkers bounds how many keys are checked at a time, checkTimeout how long
// the check of one may take.
const (
	checkers     = 8
	checkTimeout = 10 * time.Second
)

// introduce checks every key with a free request, keeps what it finds, and
// writes the report.
func (a *App) introduce(ctx context.Context, cfg *config.Config, r *report) error {
	list, err := a.pool.Keys(ctx)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	mode := scheduler.Mode(cfg.Mode)
	if control, err := a.store.Control(ctx); err != nil {
		return fmt.Errorf("read mode: %w", err)
	} else if control.Mode != "" {
		mode = scheduler.Mode(control.Mode)
	}
	rules := a.gate.Rules()
	chain := rules.Policy.Chain(mode)
	empty := len(chain) == 0
	if empty { // nothing will be served, but keys can be checked all the same
		chain = rules.Policy.Chain(scheduler.Both)
	}
	r.line("keys: checking %d with a free request each", len(list))
	found := a.check(ctx, list, chain)
	count := map[string]int{}
	projects := map[string]bool{}
	for i, k := range list {
		f := found[i]
		count[f.state]++
		if f.state == "healthy" {
			projects[k.Project] = true
		}
		text := f.state
		if f.why != "" {
			text += " (" + f.why + ")"
		}
		r.line("  key %-3d project %-18s %s", k.Index, k.Project, text)
	}
	r.line("keys: %d healthy, %d exhausted, %d invalid, %d disabled, %d unknown",
		count["healthy"], count["exhausted"], count["invalid"], count["disabled"], count["unknown"])
	r.line("mode: %s", mode)
	if empty {
		r.line("chain: EMPTY, this mode leaves none of %s: every request will be refused", strings.Join(chain, ", "))
		return nil
	}
	r.line("chain: %s", strings.Join(chain, " > "))
	limits := rules.Policy.Limits(chain[0])
	if n := len(projects); n > 0 && limits.TPM > 0 {
		r.line("worst case: one request of 1,000,000 tokens every %s (it keeps %s busy for %s on one of %d healthy projects)",
			limits.Interval(1_000_000, n), chain[0], limits.Cooldown(1_000_000), n)
	}
	return nil
}

type finding struct{ state, why string }

// check finds out about every key: from the store, then by a free request.
func (a *App) check(ctx context.Context, list []keys.Key, chain []string) []finding {
	out := make([]finding, len(list))
	var wg sync.WaitGroup
	places := make(chan struct{}, checkers)
	for i, k := range list {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			out[i] = a.checkOne(ctx, k, chain)
		})
	}
	wg.Wait()
	return out
}

func (a *App) checkOne(ctx context.Context, k keys.Key, chain []string) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	states, err := a.store.View(ctx, []string{k.Project})
	if err != nil {
		return finding{"unknown", "the store can't be read"}
	}
	if states[0].Mark(k.Fingerprint).Disabled {
		return finding{"disabled", ""}
	}
	// A model that was retired for one project says nothing about its key, so
	// the last of the chain may have to answer.
	for i, model := range slices.Backward(chain) {
		_, err = a.client.CountTokens(ctx, k.Value.Reveal(), gemini.Request{Model: model, Parts: []gemini.Part{{Text: "ping"}}})
		var failure *gemini.Error
		if !errors.As(err, &failure) || i == 0 || failure.Class != gemini.ClassModelGone && failure.Class != gemini.ClassModelUnknown {
			break
		}
	}
	return a.judge(ctx, k, states[0], chain, err)
}

// judge says what the answer to a check means, and keeps it.
func (a *App) judge(ctx context.Context, k keys.Key, state *scheduler.Project, chain []string, answer error) finding {
	var failure *gemini.Error
	if errors.As(answer, &failure) && failure.Class == gemini.ClassKeyInvalid {
		if err := a.mark(ctx, k, failure.Reason); err != nil {
			return finding{"invalid", failure.Reason + "; not kept: " + err.Error()}
		}
		return finding{"invalid", failure.Reason}
	}
	if answer != nil {
		return finding{"unknown", fmt.Sprintf("the check failed: %v", answer)}
	}
	if state.Mark(k.Fingerprint).Invalid != "" {
		if err := a.mark(ctx, k, ""); err != nil {
			return finding{"unknown", "it is valid again; not kept: " + err.Error()}
		}
	}
	now, rules := a.gate.Now(), a.gate.Rules()
	for _, model := range chain {
		c := state.Calendar(model)
		limit := c.Figures(rules, now).RPD
		blocked := c.Block.Until > now && (c.Block.Cause.Daily() || c.Block.Cause == scheduler.Unavailable)
		if !blocked && (limit == scheduler.Unlimited || c.Used(rules, scheduler.DayOf(now)) < limit) {
			return finding{"healthy", ""}
		}
	}
	return finding{"exhausted", "until " + scheduler.DayOf(now).End().Time().Format(time.RFC3339)}
}

func (a *App) mark(ctx context.Context, k keys.Key, reason string) error {
	_, err := a.gate.Apply(ctx, k.Project, scheduler.SetMark{Key: k.Fingerprint, Invalid: &reason})
	return err
}
