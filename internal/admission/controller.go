package admission

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/admission/fair"
	"fluxgate.dev/fluxgate/internal/admission/lateness"
	"fluxgate.dev/fluxgate/internal/admission/ownlimits"
	"fluxgate.dev/fluxgate/internal/admission/patience"
	"fluxgate.dev/fluxgate/internal/admission/ticket"
	"fluxgate.dev/fluxgate/internal/admission/turns"
	"fluxgate.dev/fluxgate/internal/admission/waitlist"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// Options are what a Controller works with.
type Options struct {
	Store storage.Store // required
	// Rules says what is decided by under a control document. The hold must always
	// be the same. It is asked again after Renew. Required.
	Rules func(storage.Control) *scheduler.Rules
	// Mode says which mode is in force under a control document. Default: both
	// families, all models of the chain.
	Mode func(storage.Control) scheduler.Mode
	// Callers are the limits of callers that have some, by name.
	Callers map[string]scheduler.Override
	// Shared says that more than one caller may come, which are served by turns. If not, one
	// caller's requests are served as they come, and booked as far ahead as they wait.
	Shared bool
	// Weights are those of callers that have another than 1, by name.
	Weights map[string]int64
}

// A Controller admits requests on behalf of one instance. It is safe for use by
// any number of goroutines.
type Controller struct {
	store     storage.Store
	snapshots snapshots
	callers   map[string]*scheduler.Rules // of callers that have limits
	shared    bool                        // by several callers
	weights   map[uint32]int64            // by scheduler.CallerOf
	waitlist  *waitlist.List
	told      *ownlimits.Told // by callers' own limits
	turns     turns.Book
	served    fair.Served
	lateness  lateness.Commits
	holders   *lateness.Holders
	signer    ticket.Signer
}

// New returns a controller. It makes sure that the control document has a key for
// signing tickets.
func New(ctx context.Context, o Options) (*Controller, error) {
	control, err := ticketKey(ctx, o.Store)
	if err != nil {
		return nil, fmt.Errorf("open admission: %w", err)
	}
	if o.Mode == nil {
		o.Mode = func(storage.Control) scheduler.Mode { return scheduler.Both }
	}
	c := &Controller{
		store: o.Store, shared: o.Shared, snapshots: snapshots{rules: o.Rules, mode: o.Mode}, signer: ticket.Signer{Key: control.TicketKey}, lateness: lateness.NewCommits(),
	}
	rules := c.snapshots.of(control).Rules
	c.callers, c.weights = ownlimits.Rules(o.Callers, rules), make(map[uint32]int64, len(o.Weights))
	for name, w := range o.Weights {
		c.weights[scheduler.CallerOf(name)] = w
	}
	c.waitlist, c.told, c.holders = waitlist.New(rules.Hold), ownlimits.NewTold(rules.Hold), lateness.NewHolders(rules.Hold)
	return c, nil
}

// Admit books the request a slot now, or says when to come back: the strictest of
// what the projects and the caller's own limits say. Exactly one of the results is
// not nil. Errors are ErrTooLarge, ErrCallerTooLarge, ErrNoProject, those of the
// store, which are storage.ErrUnavailable after patience.GiveUp at the latest, and the
// context's.
func (c *Controller) Admit(ctx context.Context, req Request) (*Grant, *Wait, error) {
	limited := patience.Limit(ctx)
	defer limited.End()
	grant, wait, err := c.admit(limited, req)
	return grant, wait, limited.Explain(err)
}

func (c *Controller) admit(ctx context.Context, req Request) (*Grant, *Wait, error) {
	if req.Snapshot == nil {
		var err error
		if req.Snapshot, err = c.Snapshot(ctx); err != nil {
			return nil, nil, err
		}
	}
	d := &decision{
		c: c, rules: req.Snapshot.Rules, req: req, demand: req.Demand, came: c.Now(), began: fair.Unknown,
	}
	d.chain, d.asked = req.Snapshot.Counted(req.Models, req.Shared)
	grant, wait, err := d.take(ctx)
	if grant != nil && d.since != 0 {
		grant.Waited = max(0, grant.Reservation.Start.Sub(d.since))
	}
	if wait != nil {
		d.compare(wait)
	}
	return grant, wait, err
}

// Left returns how long the caller of a refusal is to wait from now on, at least a
// millisecond.
//
// A slot that is kept begins when its time has come for certain. For the caller
// may return to an instance whose clock is behind this one's, and must not be
// early there. The difference hardly ever costs a client that reads whole seconds
// another one: it is less than what the commit of the booking took, which is part
// of those seconds.
func (c *Controller) Left(w *Wait) time.Duration {
	now := c.Now()
	if w.Booked {
		earliest, _ := c.store.Between()
		now = min(now, earliest)
	}
	return max(w.Start.Sub(now), time.Millisecond)
}

// Release gives a booking back, or forgets what was told. It reports whether
// the ticket stood for anything. What this instance doesn't see of it the projects are
// asked for: another may have booked it since they were read.
func (c *Controller) Release(ctx context.Context, t *Ticket, projects []Project) (bool, error) {
	if c.waitlist.Take(t.ID, c.Now()) != nil {
		return true, nil
	}
	ids := appendIDs(nil, projects)
	states, err := c.store.View(ctx, ids)
	if err != nil {
		return false, err
	}
	if i := slices.IndexFunc(states, func(p *scheduler.Project) bool { _, _, ok := p.Booking(t.ID); return ok }); i >= 0 {
		ids = ids[i : i+1]
	}
	var released atomic.Bool
	var asked errgroup.Group
	for _, id := range ids {
		asked.Go(func() error {
			result, err := c.store.Apply(ctx, c.Rules(), id, scheduler.Release{Booking: t.ID})
			if err == nil && result.Changed {
				released.Store(true)
			}
			return err
		})
	}
	if err := asked.Wait(); err != nil && !released.Load() {
		return false, fmt.Errorf("release: %w", err)
	}
	if released.Load() {
		c.CallerLimit(t.Caller, scheduler.Demand{}).withdraw(t.ID)
	}
	return released.Load(), nil
}

// Apply changes a project: an upstream refusal, marks of keys.
func (c *Controller) Apply(ctx context.Context, project string, change scheduler.Change) (scheduler.Result, error) {
	return c.store.Apply(ctx, c.Rules(), project, change)
}

func (c *Controller) weight(caller uint32) int64 { return c.weights[caller] }
