package standing

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/upstream/arrival"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/scheduler"
)

// Watched returns the context to send the request of a grant with. Where a limit is one of a short window, the request counts there for
// longer if it isn't sent as soon as it was to be, for a connection has to be dialled, or doesn't arrive as soon as is taken.
func Watched(ctx context.Context, ctl *admission.Controller, grant *admission.Grant, log *slog.Logger) context.Context {
	if len(grant.Also) == 0 {
		return ctx // as with nearly all of Gemini's
	}
	rules, w := ctl.Rules().Of(grant.Project), watcher{sent: scheduler.Never, arrived: scheduler.Never}
	for _, x := range grant.Also {
		s := rules.Spec(x.On)
		if s.Window >= scheduler.Short || s.Refill || s.AtATime || s.AtAnswer {
			continue
		}
		arrived := x.Reservation.End.Add(-s.Window)
		w.arrived, w.sent = min(w.arrived, arrived), min(w.sent, arrived.Add(-rules.Late(x.On)/2))
		if w.longer.Model == "" {
			w.longer = scheduler.Extend{Model: x.On, ID: x.Reservation.ID, Reserved: x.Reservation, Caller: grant.Caller}
		} else {
			w.longer.Also = append(w.longer.Also, x)
		}
	}
	if w.longer.Model == "" {
		return ctx
	}
	kept := w
	kept.ctx, kept.ctl, kept.grant, kept.log = context.WithoutCancel(ctx), ctl, grant, log // the caller may leave meanwhile
	return arrival.WithWatcher(ctx, &kept)
}

// A watcher has a request count for longer that is late.
type watcher struct {
	ctx    context.Context
	ctl    *admission.Controller
	grant  *admission.Grant
	log    *slog.Logger
	longer scheduler.Extend
	// sent and arrived are until when it may be and count as long as it does.
	sent, arrived scheduler.Instant
}

// Wrote implements arrival.Watcher. Half of what a request may arrive late is for its way, as where admission covers its commit.
func (w *watcher) Wrote(at time.Time) { w.until(at, w.sent) }

// Late implements arrival.Watcher.
func (w *watcher) Late(until time.Time) { w.until(until, w.arrived) }

func (w *watcher) until(at time.Time, covered scheduler.Instant) {
	extend := w.longer
	if extend.Until = w.ctl.Now().Add(time.Until(at)); extend.Until <= covered {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(w.ctx, timeout)
		defer cancel()
		if _, err := w.ctl.Apply(ctx, w.grant.Project, extend); err != nil {
			w.log.Error("a request arrives late, which isn't kept", "project", w.grant.Project, "error", err)
		}
	}()
}

// arrivedLate has the calendars of a request that was refused told that it may have arrived later than somebody has named, or than
// was measured.
func arrivedLate(ctx context.Context, ctl *admission.Controller, grant *admission.Grant, told []ratelimits.Limit, sent Sent) (news []string, err error) {
	if sent.refused == nil {
		return nil, nil
	}
	rules := ctl.Rules().Of(grant.Project)
	for _, x := range grant.Also {
		spec := rules.Spec(x.On)
		if spec.Late == 0 || !mayBeLate(spec, x.Reservation, told, sent.again) {
			continue
		}
		result, err := ctl.Apply(ctx, grant.Project, scheduler.ArrivedLate{Model: x.On, ID: x.Reservation.ID})
		if err != nil {
			return news, err
		}
		if result.Changed {
			how := "are named"
			if rules.Measured(x.On) {
				how = "were measured"
			}
			long := "a day"
			if result.LateFor < 24*time.Hour {
				long = "an hour" // somebody else is known to use the limits
			}
			news = append(news, fmt.Sprintf("requests for %s on %s arrive later than the %v that %s: for %s they count for longer", scheduler.NameOfCalendar(x.On), grant.Project, spec.Late, how, long))
		}
	}
	return news, nil
}

// mayBeLate reports whether a refusal may be one by a limit, for all that it says: what is left of that, and when to come back.
func mayBeLate(spec scheduler.Spec, r scheduler.Reservation, told []ratelimits.Limit, again time.Duration) bool {
	said, enough := false, true
	for _, l := range told {
		if l.Per != spec.Window || l.Tier != ratelimits.Standard || l.Remaining < 0 {
			continue
		}
		least := r.Requests
		if l.Dimension != ratelimits.Requests {
			least = max(r.Tokens, 1)
		}
		said, enough = true, enough && l.Remaining >= least
	}
	return !(said && enough) && again <= spec.Window+scheduler.Short
}
