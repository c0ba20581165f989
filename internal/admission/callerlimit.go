package admission

import (
	"context"
	"math/rand/v2"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/ownlimits"
	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/scheduler"
)

// A caller's own limits are kept like those of a project, in a document of their own with one calendar: RPM, TPM and
// RPD mean the same. They are looked at beside the projects' and committed before them, so a caller that has limits
// costs one write more, admitted or booked, and one that has none costs nothing. The two commits are not one
// transaction: that would deadlock, and make the caller's document hot. If the second is refused the first is given
// back. In this order, what a caller's requests take from each other they take from nobody else: of a hundred at once
// that are one too many, none has a project's slot even for as long as giving it back takes. Nothing is booked there,
// but what is to be is announced: a caller is promised and booked by the projects only what its own limits let it use.

// A CallerLimit is the place of one request in its caller's own limits, however
// often it is admitted. The nil one is that of a caller without limits.
type CallerLimit struct {
	c        *Controller
	rules    *scheduler.Rules
	caller   string
	demand   scheduler.Demand
	reserved *scheduler.Reservation
}

// CallerLimit returns the place of a request in its caller's own limits; nil if it
// has none.
func (c *Controller) CallerLimit(caller string, demand scheduler.Demand) *CallerLimit {
	rules := c.callers[caller]
	if rules == nil {
		return nil
	}
	demand.Allowance += callerAllowance
	return &CallerLimit{c: c, rules: rules, caller: caller, demand: demand}
}

// callerAllowance is how much later than its place in its caller's limits a request may be
// sent for the sake of the project's slot, which is committed after it.
const callerAllowance = 500 * time.Millisecond

// taken reports whether the request has its place, or needs none.
func (l *CallerLimit) taken() bool { return l == nil || l.reserved != nil }

// Take takes the place of a request that needs no slot of a project's. It returns the wait
// where there is no room.
func (l *CallerLimit) Take(ctx context.Context) (*Wait, error) {
	limited := patience.Limit(ctx)
	defer limited.End()
	wait, err := l.Check(limited)
	if wait == nil && err == nil {
		wait, err = l.reserve(limited, false)
	}
	return wait, limited.Explain(err)
}

// Check returns the wait that the limits demand now; nil if there is room, or the
// request has its place already.
func (l *CallerLimit) Check(ctx context.Context) (*Wait, error) {
	if l.taken() {
		return nil, nil
	}
	offer, state, err := l.plan(ctx, scheduler.Request{})
	if err == nil && !offer.Now() {
		// Before anybody is refused, what may be stale is read.
		if err = l.c.store.Refresh(ctx, []string{ownlimits.Document(l.caller)}, false); err == nil {
			offer, state, err = l.plan(ctx, scheduler.Request{})
		}
	}
	switch {
	case err != nil || offer.Now():
		return nil, err
	case offer.Start == scheduler.Never:
		e := &TooLargeError{Caller: true, Tokens: l.demand.Tokens, Requests: max(1, l.demand.Requests)}
		e.allow(state.Calendar(ownlimits.Model), l.rules, l.c.Now())
		return nil, e
	}
	return l.wait(offer.Start, offer.Cause, state), nil
}

// beside returns the wait that the limits demand of a request that could start at an
// instant, beside what the caller was promised or has booked; nil if it can start then.
func (l *CallerLimit) beside(ctx context.Context, start scheduler.Instant, slots []scheduler.Booking) (*Wait, error) {
	if l.taken() {
		return nil, nil
	}
	// The caller may have been served by another instance since.
	if err := l.c.store.Refresh(ctx, []string{ownlimits.Document(l.caller)}, false); err != nil {
		return nil, err
	}
	offer, state, err := l.plan(ctx, scheduler.Request{
		From: start, Queue: true, Waitlist: func(string, string) []scheduler.Booking { return slots },
	})
	switch {
	case err != nil || offer.Start <= start:
		return nil, err
	case offer.Start == scheduler.Never:
		return nil, ErrCallerTooLarge
	}
	return l.wait(offer.Start, offer.Cause, state), nil
}

// announce announces a booking, and returns the wait that the limits demand of it beside what the caller was
// promised or has booked, as far as this instance knows, and what others announced before.
func (l *CallerLimit) announce(ctx context.Context, booking uint64, start scheduler.Instant, slots []scheduler.Booking) (*Wait, error) {
	if l.taken() {
		return nil, nil
	}
	id := ownlimits.Document(l.caller)
	if _, err := l.c.store.Apply(ctx, l.rules, id, ownlimits.Announce(booking, start)); err != nil {
		return nil, err
	}
	states, err := l.c.store.View(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	return l.beside(ctx, start, append(slots, ownlimits.Before(states[0], booking, l.demand, slots, l.c.Now())...))
}

// withdraw says that nothing came of a booking that was announced, or nothing comes any more.
func (l *CallerLimit) withdraw(booking uint64) {
	if l != nil {
		l.c.store.Later(l.rules, ownlimits.Document(l.caller), ownlimits.Withdraw(booking))
	}
}

func (l *CallerLimit) plan(ctx context.Context, req scheduler.Request) (scheduler.Offer, *scheduler.Project, error) {
	id := ownlimits.Document(l.caller)
	states, err := l.c.store.View(ctx, []string{id})
	if err != nil {
		return scheduler.Offer{}, nil, err
	}
	req.Chain, req.Demand = []string{ownlimits.Model}, l.demand
	offer, _ := scheduler.Plan(l.rules, l.c.Now(), []scheduler.Candidate{{ID: id, State: states[0]}}, req, rand.IntN)
	return offer, states[0], nil
}

func (l *CallerLimit) wait(start scheduler.Instant, cause scheduler.Cause, state *scheduler.Project) *Wait {
	return &Wait{
		Start: start, Cause: cause, Caller: l.caller,
		Limit: state.Calendar(ownlimits.Model).EffectiveLimits(l.rules, l.c.Now()),
	}
}

// reserve takes the place, now that a project seems to have a slot: with over, whatever is
// in the way. It returns the wait when another request of the same caller was faster.
func (l *CallerLimit) reserve(ctx context.Context, over bool) (*Wait, error) {
	if l.taken() {
		return nil, nil
	}
	result, err := l.c.store.Apply(ctx, l.rules, ownlimits.Document(l.caller), scheduler.Reserve{
		Model: ownlimits.Model, Demand: l.demand, ID: ticket.NewID(), Over: over,
	})
	if err != nil {
		return nil, err
	}
	if result.Verdict != scheduler.Admitted {
		return l.wait(result.Start, result.Cause, nil), nil
	}
	l.reserved = &result.Reservation
	return nil, nil
}

// Use counts tokens that a request which goes on has used now.
func (l *CallerLimit) Use(ctx context.Context, tokens int64) error {
	if l == nil || l.reserved == nil {
		return nil
	}
	_, err := l.c.store.Apply(ctx, l.rules, ownlimits.Document(l.caller), scheduler.Use{
		Model: ownlimits.Model, ID: l.reserved.ID, Reserved: *l.reserved, Tokens: tokens,
	})
	return err
}

// Settle corrects the place when the tokens are known; negative: unknown. It rides
// along with the caller's next request.
func (l *CallerLimit) Settle(tokens int64) {
	if l == nil || l.reserved == nil {
		return
	}
	l.c.store.Later(l.rules, ownlimits.Document(l.caller), scheduler.Settle{
		Model: ownlimits.Model, ID: l.reserved.ID, Reserved: *l.reserved, Tokens: tokens,
	})
	l.reserved = nil
}

// GiveBack takes the place of a request back that nothing came of. After Settle it
// does nothing.
func (l *CallerLimit) GiveBack() {
	if l == nil || l.reserved == nil {
		return
	}
	l.c.store.Later(l.rules, ownlimits.Document(l.caller), scheduler.Cancel{Model: ownlimits.Model, ID: l.reserved.ID, Reserved: *l.reserved})
	l.reserved = nil
}
