package ownlimits

import (
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// A Quota is one of a caller's own limits as it stands.
type Quota struct {
	Cause       scheduler.Cause // ByRPM, ByTPM or ByRPD
	Limit, Left int64
	Window      time.Duration
	Reset       time.Duration // until nothing counts against it any more; 0: nothing does
}

// Quotas returns a caller's own limits as they stand in its document.
func Quotas(rules *scheduler.Rules, state *scheduler.Project, now scheduler.Instant) []Quota {
	calendar := state.Calendar(Model)
	limits := calendar.EffectiveLimits(rules, now)
	requests, tokens := calendar.InWindow(rules, now)
	var last scheduler.Instant
	for _, r := range calendar.Sent {
		last = max(last, r.End)
	}
	for _, x := range calendar.Folded {
		last = max(last, x.End)
	}
	minute := max(0, last.Sub(now))
	today := calendar.Day(rules, now)
	var out []Quota
	add := func(cause scheduler.Cause, limit, used int64, window, reset time.Duration) {
		if limit == scheduler.Unlimited {
			return
		}
		if used == 0 {
			reset = 0
		}
		out = append(out, Quota{Cause: cause, Limit: limit, Left: max(0, limit-used), Window: window, Reset: reset})
	}
	add(scheduler.ByRPM, limits.RPM, requests, scheduler.Window, minute)
	add(scheduler.ByTPM, limits.TPM, tokens, scheduler.Window, minute)
	add(scheduler.ByRPD, limits.RPD, calendar.Used(rules, today), 24*time.Hour, today.End().Sub(now))
	return out
}
