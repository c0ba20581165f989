package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/validation"
	"fluxgate.dev/fluxgate/scheduler"
)

// A report is the startup report, one line at a time. It may have no writer.
type report struct{ w io.Writer }

func (r *report) line(format string, args ...any) {
	if r.w != nil {
		fmt.Fprintf(r.w, format+"\n", args...)
	}
}

// introduce has every key checked, unless that was done recently, and writes the
// report.
func (a *App) introduce(ctx context.Context, r *report) error {
	snapshot, err := a.admission.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("read mode: %w", err)
	}
	mode, rules, chain := snapshot.Mode, snapshot.Rules, snapshot.Chain("")
	r.line("keys: checking them with a free request each, unless that was done within a day")
	found, err := a.admin.Validator().Ensure(ctx)
	if err != nil {
		return err
	}
	projects := map[string]bool{}
	for _, k := range found.Keys {
		if k.Status == validation.Healthy {
			projects[k.Project] = true
		}
		r.line("  key %-3d project %-18s %s", k.Key, k.Project, describe(k))
	}
	r.line("keys: %s (checked %s)", found.Summary(), found.At.Format(time.RFC3339))
	if a.shadow.On() {
		r.line("SHADOW: every request is sent as it comes, over whatever limit; what would have waited is only told (FLUXGATE_SHADOW)")
	}
	r.line("mode: %s", mode)
	if len(chain) == 0 {
		r.line("chain: EMPTY, this mode leaves none of %s: every request will be refused", strings.Join(rules.Policy.Chain(scheduler.Both), ", "))
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
