package admission

import (
	"context"
	"time"

	"fluxgate.dev/fluxgate/internal/admission/ownlimits"
	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/scheduler"
)

// A caller's own limits are kept like those of a project, in a document of their own with one calendar: RPM, TPM and
// RPD mean the same. They are looked at beside the projects' and committed before them, so a caller that has limits
// costs one write more, admitted or booked, and one that has none costs nothing. The two commits are not one
// transaction: that would deadlock, and make the caller's document hot. If the second is refused the first is given
// back. In this order, what a caller's requests take from each other they take from nobody else: of a hundred at once
// that are one too many, none has a project's slot even for as long as giving it back takes. Nothing is booked there,
// but what is to be is announced: a caller is promised and booked by the projects only what its own limits let it use, and
// what goes at once leaves room for that. Package ownlimits does it; here it is put in the words of a wait.

// A CallerLimit is the place of one request in its caller's own limits, however
// often it is admitted. The nil one is that of a caller without limits.
type CallerLimit struct{ own ownlimits.Place }

// CallerLimit returns the place of a request in its caller's own limits; nil if it
// has none.
func (c *Controller) CallerLimit(caller string, demand scheduler.Demand) *CallerLimit {
	rules := c.callers[caller]
	if rules == nil {
		return nil
	}
	demand.Allowance += callerAllowance
	return &CallerLimit{ownlimits.Place{Asker: ownlimits.Asker{Told: c.told, Rules: rules, Caller: caller, Demand: demand}, Store: c.store}}
}

// callerAllowance is how much later than its place in its caller's limits a request may be
// sent for the sake of the project's slot, which is committed after it.
const callerAllowance = 500 * time.Millisecond

// taken reports whether the request has its place, or needs none.
func (l *CallerLimit) taken() bool { return l == nil || l.own.Taken() }

// Take takes the place of a request that needs no slot of a project's. It returns the wait
// where there is no room, and remembers that for a request with that hash; 0: it has none.
func (l *CallerLimit) Take(ctx context.Context, hash uint64) (*Wait, error) {
	limited := patience.Limit(ctx)
	defer limited.End()
	wait, err := l.check(limited, hash, false)
	if wait == nil && err == nil {
		wait, err = l.reserve(limited, false, 0, nil)
	}
	switch {
	case err != nil:
	case wait == nil:
		l.came()
	default:
		if wait, err = l.later(limited, wait, wait.Start, nil); err == nil {
			l.own.Tell(wait.Start, l.own.Now())
		}
	}
	return wait, limited.Explain(err)
}

// Check returns the wait that the limits would demand now of a request that wasn't told any; nil if there is room, or the
// request has its place already.
func (l *CallerLimit) Check(ctx context.Context) (*Wait, error) {
	wait, err := l.check(ctx, 0, false)
	if wait == nil && err == nil && !l.taken() {
		wait, err = l.wait(l.own.BesideKept(ctx, 0, nil))
	}
	if wait == nil || err != nil {
		return nil, err
	}
	return l.later(ctx, wait, wait.Start, nil)
}

// check returns the wait that the limits demand now; nil if there is room. Who was told a time is recognised by
// its hash. Who holds a slot comes before those that were merely told times.
func (l *CallerLimit) check(ctx context.Context, hash uint64, holds bool) (*Wait, error) {
	if l.taken() {
		return nil, nil
	}
	l.own.Hash = hash
	return l.wait(l.own.Check(ctx, holds))
}

// later returns a wait that the limits demand as it is from an instant on: behind those that were told times
// before, and beside what its caller was promised by projects or has booked.
func (l *CallerLimit) later(ctx context.Context, wait *Wait, from scheduler.Instant, slots []scheduler.Booking) (*Wait, error) {
	start, err := l.own.LaterThan(ctx, from, slots)
	later := *wait
	if start != scheduler.Never {
		later.Start = start
	}
	return &later, err
}

// came forgets what the request was told: it goes now, or waits for a project.
func (l *CallerLimit) came() {
	if l != nil {
		l.own.Came(l.own.Now())
	}
}

// beside returns the wait that the limits demand of a request that could start at an
// instant, beside what the caller was promised or has booked; nil if it can start then.
func (l *CallerLimit) beside(ctx context.Context, start scheduler.Instant, slots []scheduler.Booking) (*Wait, error) {
	if l.taken() {
		return nil, nil
	}
	return l.wait(l.own.Beside(ctx, start, slots))
}

// announce announces a booking, and returns the wait that the limits demand of it beside what the caller was
// promised or has booked, as far as this instance knows, and what others announced before.
func (l *CallerLimit) announce(ctx context.Context, booking uint64, start scheduler.Instant, slots []scheduler.Booking) (*Wait, error) {
	if l.taken() {
		return nil, nil
	}
	return l.wait(l.own.Announce(ctx, booking, start, slots))
}

// withdraw says that nothing came of a booking that was announced, or nothing comes any more.
func (l *CallerLimit) withdraw(booking uint64) {
	if l != nil {
		l.own.Withdraw(booking)
	}
}

// keep says that a booking is kept all the same, after [CallerLimit.claim].
func (l *CallerLimit) keep(booking uint64, start scheduler.Instant) {
	if l != nil {
		l.own.Keep(booking, start)
	}
}

// reserve takes the place, now that a project seems to have a slot: with over, whatever is
// in the way. It returns the wait when another request of the same caller was faster, or where the place is kept for
// what it has booked, but for what the request gives up.
func (l *CallerLimit) reserve(ctx context.Context, over bool, except uint64, known []scheduler.Booking) (*Wait, error) {
	switch {
	case l.taken():
		return nil, nil
	case over:
		return l.wait(l.own.Take(ctx, true))
	}
	return l.wait(l.own.TakeBeside(ctx, except, known))
}

// claim takes the place of a request that comes for a booking, which isn't announced any more then.
func (l *CallerLimit) claim(ctx context.Context, booking uint64) (*Wait, error) {
	if l.taken() {
		return nil, nil
	}
	l.own.Withdraw(booking)
	return l.wait(l.own.Take(ctx, false))
}

// wait is what is told where the limits demand to wait for an offer; nil: they don't.
func (l *CallerLimit) wait(offer *ownlimits.Offer, err error) (*Wait, error) {
	switch {
	case err != nil || offer == nil:
		return nil, err
	case offer.Start == scheduler.Never:
		e := &TooLargeError{Caller: true, Tokens: l.own.Demand.Tokens, Requests: max(1, l.own.Demand.Requests)}
		e.allow(offer.State.Calendar(ownlimits.Model), l.own.Rules, l.own.Now())
		return nil, e
	}
	return &Wait{
		Start: offer.Start, Cause: offer.Cause, Caller: l.own.Caller,
		Limit: offer.State.Calendar(ownlimits.Model).EffectiveLimits(l.own.Rules, l.own.Now()),
	}, nil
}

// Use counts tokens that a request which goes on has used now.
func (l *CallerLimit) Use(ctx context.Context, tokens int64) error {
	if l == nil {
		return nil
	}
	return l.own.Use(ctx, tokens)
}

// Settle corrects the place when the tokens are known; negative: unknown. It rides
// along with the caller's next request.
func (l *CallerLimit) Settle(tokens int64) {
	if l != nil {
		l.own.Settle(tokens)
	}
}

// GiveBack takes the place of a request back that nothing came of. After Settle it
// does nothing.
func (l *CallerLimit) GiveBack() {
	if l != nil {
		l.own.GiveBack()
	}
}
