package gate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// The reasons for which a request can't be served by waiting.
var (
	// ErrTooLarge means that the request fits at no time: it is larger than the
	// model's context window, or upstream refused one of its size before.
	ErrTooLarge = errors.New("request never fits")
	// ErrNoProject means that no project has a usable key and model for it.
	ErrNoProject = errors.New("no usable project")
)

// maxReplans bounds how often a request is planned anew because the state was
// found changed when its reservation was to be committed.
const maxReplans = 3

// early is how much before its start a booking counts as due: a caller that is
// told whole seconds and one that reads milliseconds come back at the same
// moment, give or take the clocks.
const early = scheduler.Instant(1000)

// A Project is one that a request may go to.
type Project struct {
	ID   string
	Keys []string // fingerprints of its keys
}

// A Request asks for admission.
type Request struct {
	Caller string // public name; tickets are bound to it
	Hash   uint64 // of caller, route and body
	Chain  []string
	Demand scheduler.Demand
	// Projects are the candidates, Prefer the one to use if it is usable.
	Projects []Project
	Prefer   string
	MaxWait  *time.Duration
	Ticket   *Ticket // what the caller sent back, verified
	Book     bool    // the caller asks for a booking at the first refusal
}

// A Grant is a slot that is committed. It is to be used at once, and settled or
// cancelled afterwards.
type Grant struct {
	Project, Model string
	Reservation    scheduler.Reservation
	// Waited is how long ago the caller was first told to wait.
	Waited time.Duration
	Booked bool // the slot had been booked
	// Probe is the learned limit that the request goes beyond, to see whether it
	// still holds; usually none.
	Probe  scheduler.Cause
	Caller string // whom it is counted for
}

// A Wait is a refusal with the exact time to come back.
type Wait struct {
	Start          scheduler.Instant
	Project, Model string
	Cause          scheduler.Cause
	Limit          scheduler.EffectiveLimits // of that project and model
	Booked         bool                      // the slot is kept
	Ticket         string
}

// A Gate admits requests on behalf of one instance. It is safe for use by any
// number of goroutines.
type Gate struct {
	store    storage.Store
	rules    rulebook
	told     *ledger
	lateness lateness
	punctual punctuality
	signer   signer
}

// New returns a gate over a store that always decides by the same rules. It
// makes sure that the control document has a key for signing tickets.
func New(ctx context.Context, store storage.Store, rules *scheduler.Rules) (*Gate, error) {
	return Follow(ctx, store, func(storage.Control) *scheduler.Rules { return rules })
}

// Follow returns a gate like New whose rules follow the control document: the
// function says what they are under it. The hold must always be the same.
func Follow(ctx context.Context, store storage.Store, rules func(storage.Control) *scheduler.Rules) (*Gate, error) {
	control, err := ticketKey(ctx, store)
	if err != nil {
		return nil, fmt.Errorf("open gate: %w", err)
	}
	g := &Gate{store: store, rules: rulebook{under: rules}, signer: signer{control.TicketKey}, lateness: newLateness()}
	hold := g.rules.follow(control).Hold
	g.told, g.punctual = newLedger(hold), newPunctuality(hold)
	return g, nil
}

// Rules returns what the gate decides with, as of the last control document that
// it saw.
func (g *Gate) Rules() *scheduler.Rules { return g.rules.current.Load().rules }

// Control returns the control document, at most storage.ControlAge old, and has
// the gate go by it.
func (g *Gate) Control(ctx context.Context) (storage.Control, error) {
	control, err := g.store.Control(ctx)
	if err == nil {
		g.rules.follow(control)
	}
	return control, err
}

// FreshControl is Control for a document that is at most a second old.
func (g *Gate) FreshControl(ctx context.Context) (storage.Control, error) {
	control, err := g.store.FreshControl(ctx)
	if err == nil {
		g.rules.follow(control)
	}
	return control, err
}

// UpdateControl changes the control document, and has the gate go by it.
func (g *Gate) UpdateControl(ctx context.Context, change func(*storage.Control) error) (storage.Control, error) {
	control, err := g.store.UpdateControl(ctx, change)
	if err == nil {
		g.rules.follow(control)
	}
	return control, err
}

// Store returns the store behind the gate.
func (g *Gate) Store() storage.Store { return g.store }

// Now returns the store's time.
func (g *Gate) Now() scheduler.Instant { return g.store.Now() }

// behind is how far this instance's clock may be behind the store's time.
func (g *Gate) behind() time.Duration {
	_, latest := g.store.Between()
	return max(0, latest.Sub(g.Now()))
}

// Left returns how long the caller of a refusal is to wait from now on, at
// least a millisecond.
//
// A slot that is kept begins when its time has come for certain. For the caller
// may return to an instance whose clock is behind this one's, and must not be
// early there. The difference hardly ever costs a client that reads whole
// seconds another one: it is less than what the commit of the booking took,
// which is part of those seconds.
func (g *Gate) Left(w *Wait) time.Duration {
	now := g.Now()
	if w.Booked {
		earliest, _ := g.store.Between()
		now = min(now, earliest)
	}
	return max(w.Start.Sub(now), time.Millisecond)
}

// Admit books the request a slot now, or says when to come back. Exactly one of
// the results is not nil. Errors are ErrTooLarge, ErrNoProject, those of the
// store, and the context's.
func (g *Gate) Admit(ctx context.Context, req Request) (*Grant, *Wait, error) {
	if _, err := g.Control(ctx); err != nil {
		return nil, nil, err
	}
	a := &admission{
		g: g, rules: g.Rules(), req: req, demand: req.Demand, came: g.Now(), conflicts: g.store.Stats().Conflicts,
	}
	if err := a.look(ctx); err != nil {
		return nil, nil, err
	}
	if err := a.recognise(ctx); err != nil {
		return nil, nil, err
	}
	grant, wait, err := a.decide(ctx)
	if grant != nil && a.since != 0 {
		grant.Waited = max(0, grant.Reservation.Start.Sub(a.since))
	}
	return grant, wait, err
}

// Settle tells what became of a grant: its real input tokens (negative:
// unknown) and when its last byte was sent, in local time (zero: unknown). What
// weighs more than was reserved is committed before Settle returns; what weighs
// less rides along with the next commit.
func (g *Gate) Settle(ctx context.Context, grant *Grant, tokens int64, sentAt time.Time) error {
	return g.settle(ctx, grant, scheduler.Settle{Tokens: tokens}, sentAt)
}

// settleTimeout bounds the commit of what was settled: the caller's answer ends
// with it.
const settleTimeout = 10 * time.Second

// A Failure is how the request of a grant failed.
type Failure struct {
	Class        string    // of upstream's error
	SentAt       time.Time // of its last byte; zero: it was certainly not sent in full
	UnknownModel bool      // upstream doesn't know the model, which then leaves no state
}

// Fail tells that the request of a grant failed. Whether upstream counts failed
// requests is not established, so the slot stays used if the request was sent.
func (g *Gate) Fail(ctx context.Context, grant *Grant, f Failure) error {
	if f.UnknownModel || f.SentAt.IsZero() {
		g.cancel(grant, scheduler.Cancel{Unknown: f.UnknownModel, Failed: f.Class})
		return nil
	}
	return g.settle(ctx, grant, scheduler.Settle{Tokens: -1, Failed: f.Class}, f.SentAt)
}

func (g *Gate) settle(ctx context.Context, grant *Grant, s scheduler.Settle, sentAt time.Time) error {
	s.Model, s.ID, s.Reserved, s.Caller = grant.Model, grant.Reservation.ID, grant.Reservation, grant.Caller
	if !sentAt.IsZero() {
		s.SentAt = g.Now() - scheduler.Instant(time.Since(sentAt)/time.Millisecond)
	}
	if s.Tokens <= grant.Reservation.Tokens && s.SentAt <= g.latestArrival(grant) {
		g.store.Later(g.Rules(), grant.Project, s)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if _, err := g.store.Apply(ctx, g.Rules(), grant.Project, s); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	return nil
}

// latestArrival is until when the reservation's interval covers an arrival.
func (g *Gate) latestArrival(grant *Grant) scheduler.Instant {
	return grant.Reservation.End - scheduler.Instant(scheduler.Window/time.Millisecond)
}

// Cancel takes back a grant whose request was certainly never sent. Unknown
// says that upstream doesn't know the model, which then leaves no state.
func (g *Gate) Cancel(grant *Grant, unknown bool) {
	g.cancel(grant, scheduler.Cancel{Unknown: unknown})
}

func (g *Gate) cancel(grant *Grant, c scheduler.Cancel) {
	c.Model, c.ID, c.Caller = grant.Model, grant.Reservation.ID, grant.Caller
	g.store.Later(g.Rules(), grant.Project, c)
}

// Apply changes a project: what upstream taught, marks of keys.
func (g *Gate) Apply(ctx context.Context, project string, change scheduler.Change) (scheduler.Result, error) {
	return g.store.Apply(ctx, g.Rules(), project, change)
}

// Release gives a booking back, or forgets what was told. It reports whether
// the ticket stood for anything.
func (g *Gate) Release(ctx context.Context, t *Ticket, projects []Project) (bool, error) {
	released := g.told.take(t.ID)
	ids := projectIDs(projects)
	states, err := g.store.View(ctx, ids)
	if err != nil {
		return false, err
	}
	for i, state := range states {
		if _, _, ok := state.Booking(t.ID); ok {
			result, err := g.store.Apply(ctx, g.Rules(), ids[i], scheduler.Release{Booking: t.ID})
			if err != nil {
				return false, fmt.Errorf("release: %w", err)
			}
			released = released || result.Changed
		}
	}
	return released, nil
}

func projectIDs(projects []Project) []string {
	ids := make([]string, len(projects))
	for i, p := range projects {
		ids[i] = p.ID
	}
	return ids
}

// newID returns a random ID for a reservation or booking. 32 bits pack well,
// and a calendar makes sure that its own differ.
func newID() uint64 { return uint64(rand.Uint32()) | 1<<32 }
