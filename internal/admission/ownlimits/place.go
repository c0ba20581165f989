package ownlimits

import (
	"context"

	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A Place is that of one request in its caller's document.
type Place struct {
	Asker
	Store    storage.Store
	reserved *scheduler.Reservation
}

// An Offer is when the limits let a request go that can't go when it would, as the document is.
type Offer struct {
	Start scheduler.Instant // Never: they never do
	Cause scheduler.Cause
	State *scheduler.Project
}

func offered(o scheduler.Offer, state *scheduler.Project) *Offer {
	return &Offer{Start: o.Start, Cause: o.Cause, State: state}
}

// Taken reports whether the request has its place.
func (p *Place) Taken() bool { return p.reserved != nil }

// Now returns the store's time.
func (p *Place) Now() scheduler.Instant { return p.Store.Now() }

// Check returns what the limits say now, beside those that were told times and are to come soon; nil: there is room. For who
// holds a slot these are not looked at.
func (p *Place) Check(ctx context.Context, holds bool) (*Offer, error) {
	p.Recognise(p.Now())
	var read bool
	for {
		state, err := p.state(ctx)
		if err != nil {
			return nil, err
		}
		offer := p.Goes(p.Now(), state, holds)
		switch {
		case offer.Now():
			return nil, nil
		case read:
			return offered(offer, state), nil
		}
		// Before anybody is refused, what may be stale is read.
		if err := p.refresh(ctx); err != nil {
			return nil, err
		}
		read = true
	}
}

// LaterThan returns when the request may go at an instant or after it, behind those that were told times before, and beside
// what its caller was promised by projects or has booked.
func (p *Place) LaterThan(ctx context.Context, from scheduler.Instant, slots []scheduler.Booking) (scheduler.Instant, error) {
	state, err := p.state(ctx)
	if err != nil {
		return 0, err
	}
	return p.Later(p.Now(), state, from, p.kept(state, 0, slots)).Start, nil
}

// Beside returns what the limits say of a request that could start at an instant, beside what its caller was promised
// or has booked; nil: it can start then.
func (p *Place) Beside(ctx context.Context, start scheduler.Instant, slots []scheduler.Booking) (*Offer, error) {
	// The caller may have been served by another instance since.
	if err := p.refresh(ctx); err != nil {
		return nil, err
	}
	state, err := p.state(ctx)
	if err != nil {
		return nil, err
	}
	if offer := p.Plan(p.Now(), state, start, slots); offer.Start > start {
		return offered(offer, state), nil
	}
	return nil, nil
}

// BesideKept returns what the limits say now beside the caller's bookings, known and announced, but for one that the
// request gives up; nil: there is room.
func (p *Place) BesideKept(ctx context.Context, except uint64, known []scheduler.Booking) (*Offer, error) {
	state, err := p.state(ctx)
	if err != nil {
		return nil, err
	}
	if kept := p.kept(state, except, known); len(kept) > 0 {
		if offer := p.Plan(p.Now(), state, 0, kept); !offer.Now() {
			return offered(offer, state), nil
		}
	}
	return nil, nil
}

// Announce announces a booking, and returns what the limits say of it beside what its caller was promised or
// has booked, as far as this instance knows, and what others announced before; nil: it may be made.
func (p *Place) Announce(ctx context.Context, booking uint64, start scheduler.Instant, slots []scheduler.Booking) (*Offer, error) {
	if _, err := p.Store.Apply(ctx, p.Rules, p.document(), Announce(booking, start)); err != nil {
		return nil, err
	}
	state, err := p.state(ctx)
	if err != nil {
		return nil, err
	}
	return p.Beside(ctx, start, append(slots, Before(state, booking, p.Demand, slots, p.Now())...))
}

// Withdraw says that nothing came of a booking that was announced, or nothing comes any more.
func (p *Place) Withdraw(booking uint64) {
	p.Store.Later(p.Rules, p.document(), Withdraw(booking))
}

// Keep says that a booking is kept that was withdrawn.
func (p *Place) Keep(booking uint64, start scheduler.Instant) {
	p.Store.Later(p.Rules, p.document(), Announce(booking, start))
}

// TakeBeside takes the place, if there is room beside the caller's bookings; see [Place.BesideKept]. Which others announced
// since this instance last read the document is known once the place is taken. Then it is given back.
func (p *Place) TakeBeside(ctx context.Context, except uint64, known []scheduler.Booking) (*Offer, error) {
	if offer, err := p.BesideKept(ctx, except, known); offer != nil || err != nil {
		return offer, err
	}
	if offer, err := p.Take(ctx, false); offer != nil || err != nil {
		return offer, err
	}
	state, err := p.state(ctx)
	if err != nil {
		p.GiveBack()
		return nil, err
	}
	if kept := p.kept(state, except, known); len(kept) > 0 {
		state, _ = state.Apply(p.Rules, p.Now(), p.cancel())
		if offer := p.Plan(p.Now(), state, 0, kept); !offer.Now() {
			p.GiveBack()
			return offered(offer, state), nil
		}
	}
	return nil, nil
}

// Take takes the place, if there is room: with over, in any case.
func (p *Place) Take(ctx context.Context, over bool) (*Offer, error) {
	result, err := p.Store.Apply(ctx, p.Rules, p.document(), scheduler.Reserve{
		Model: Model, Demand: p.Demand, ID: ticket.NewID(), Over: over,
	})
	if err != nil {
		return nil, err
	}
	if result.Verdict != scheduler.Admitted {
		return &Offer{Start: result.Start, Cause: result.Cause}, nil
	}
	p.reserved = &result.Reservation
	return nil, nil
}

// Use counts tokens that a request which goes on has used now.
func (p *Place) Use(ctx context.Context, tokens int64) error {
	if p.reserved == nil {
		return nil
	}
	_, err := p.Store.Apply(ctx, p.Rules, p.document(), scheduler.Use{
		Model: Model, ID: p.reserved.ID, Reserved: *p.reserved, Tokens: tokens,
	})
	return err
}

// Settle corrects the place when the tokens are known; negative: unknown. It rides
// along with the caller's next request.
func (p *Place) Settle(tokens int64) {
	if p.reserved == nil {
		return
	}
	p.Store.Later(p.Rules, p.document(), scheduler.Settle{
		Model: Model, ID: p.reserved.ID, Reserved: *p.reserved, Tokens: tokens,
	})
	p.reserved = nil
}

// GiveBack takes the place of a request back that nothing came of. After Settle it
// does nothing.
func (p *Place) GiveBack() {
	if p.reserved == nil {
		return
	}
	p.Store.Later(p.Rules, p.document(), p.cancel())
	p.reserved = nil
}

func (p *Place) cancel() scheduler.Cancel {
	return scheduler.Cancel{Model: Model, ID: p.reserved.ID, Reserved: *p.reserved}
}

// kept are the caller's bookings that are known or were announced, but for one.
func (p *Place) kept(state *scheduler.Project, except uint64, known []scheduler.Booking) []scheduler.Booking {
	return Announced(p.Rules, state, except, p.Demand, known, p.Now())
}

func (p *Place) document() string { return Document(p.Caller) }

func (p *Place) state(ctx context.Context) (*scheduler.Project, error) {
	states, err := p.Store.View(ctx, []string{p.document()})
	if err != nil {
		return nil, err
	}
	return states[0], nil
}

func (p *Place) refresh(ctx context.Context) error {
	return p.Store.Refresh(ctx, []string{p.document()}, false)
}
