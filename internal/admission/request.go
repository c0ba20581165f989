package admission

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// The reasons for which a request can't be served by waiting.
var (
	// ErrTooLarge means that the request fits at no time: it is larger than the
	// model's context window, or upstream refused one of its size before. It comes as a
	// *[TooLargeError].
	ErrTooLarge = errors.New("request never fits")
	// ErrCallerTooLarge means that the request fits at no time into its caller's own
	// limits. It comes as a *[TooLargeError].
	ErrCallerTooLarge = errors.New("request never fits the caller's own limits")
	// ErrNoProject means that no project has a usable key and model for it.
	ErrNoProject = errors.New("no usable project")
)

// A NoPlaceError is ErrNoProject where nothing but a place is missing on a project, for one more model or what the request weighs on beside.
type NoPlaceError struct {
	// Wait is after how long there is one, if the models that have the places are not asked for by then.
	Wait time.Duration
}

// Error implements error.
func (e *NoPlaceError) Error() string { return ErrNoProject.Error() + ": no place for one more model" }

// Unwrap returns ErrNoProject.
func (e *NoPlaceError) Unwrap() error { return ErrNoProject }

// A TooLargeError says what of a request is too large.
type TooLargeError struct {
	Caller   bool // for the caller's own limits
	Tokens   int64
	Requests int64 // that it counts as
	// MostTokens and MostRequests are the most that would fit. Where both do, something
	// else of the request is too large: what it weighs on a feature.
	MostTokens, MostRequests int64
}

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%v: %d tokens of at most %d, %d requests of at most %d", e.Unwrap(), e.Tokens, e.MostTokens, e.Requests, e.MostRequests)
}

// Unwrap returns ErrTooLarge or ErrCallerTooLarge.
func (e *TooLargeError) Unwrap() error {
	if e.Caller {
		return ErrCallerTooLarge
	}
	return ErrTooLarge
}

// allow raises the most to what one request may weigh on a calendar at any time, as far
// as is known.
func (e *TooLargeError) allow(c *scheduler.Calendar, rules *scheduler.Rules, now scheduler.Instant) {
	limits, tokens, requests := c.EffectiveLimits(rules, now), rules.Policy.Window(c.Model), int64(math.MaxInt64)
	if c.Refused > 0 && limits.TPM != scheduler.Unlimited {
		tokens = min(tokens, max(limits.TPM, c.Refused-1))
	}
	for _, limit := range []int64{limits.RPM, limits.RPD} {
		if limit != scheduler.Unlimited {
			requests = min(requests, limit)
		}
	}
	e.MostTokens, e.MostRequests = max(e.MostTokens, tokens), max(e.MostRequests, requests)
}

// A Project is one that a request may go to.
type Project struct {
	ID   string
	Keys []string // fingerprints of its keys
}

func appendIDs(ids []string, projects []Project) []string {
	ids = slices.Grow(ids, len(projects))
	for i := range projects {
		ids = append(ids, projects[i].ID)
	}
	return ids
}

// A Request asks for admission.
type Request struct {
	// Snapshot is what is decided by. Nil: the control document is read.
	Snapshot *Snapshot
	Caller   string // public name; tickets are bound to it
	Hash     uint64 // of caller, route and body
	// Models may serve the request, in order of preference, by the names that they
	// are asked for.
	Models []string
	Shared func(name string) string // by which name a model's requests are counted; nil: by its own
	Demand scheduler.Demand
	// Also, if not nil, returns what the request weighs beside a model's calendar, if it
	// goes to that model: on a feature, on outputs. It returns the same every time.
	Also   func(model string) []scheduler.Weight
	Serves func(project, model string) bool // whether a project has a model; nil: each has all
	// Projects are the candidates. Prefer is the fingerprint of the key to use, if it
	// is usable.
	Projects []Project
	Prefer   string
	// Near is the project that is to be taken if others are no better; empty: any.
	Near string
	// TryKey is the fingerprint of a key that may be used although it is marked invalid, to
	// see whether it still is; empty: none.
	TryKey  string
	MaxWait *time.Duration
	// Within, if not nil, is how long the caller can wait at all. Of a longer wait nothing
	// is kept.
	Within *time.Duration
	// Try is how long the caller gives one try; 0: it doesn't say. It is told what could
	// take the request within that time, and kept its place all the same: it may try again.
	Try    time.Duration
	Ticket *Ticket // what the caller sent back, verified
	Book   bool    // the caller asks for a booking at the first refusal
	// Punctual says that the caller comes at the millisecond that it is told, so a booking
	// needs no room for its being late until such callers are seen to be.
	Punctual bool
	// SitsOut is the longest wait that the caller sits out in one go; 0: any. Told more,
	// it comes back after that long, before its time, and has proved then that it returns.
	SitsOut time.Duration
	// Limit is the request's place in its caller's own limits; nil: it has none.
	Limit *CallerLimit
	// Over says that it is sent now in any case, over whatever limit: it gets a slot
	// wherever it would wait least, so that it is counted.
	Over bool
}

// also is Also of a model.
func (r *Request) also(model string) []scheduler.Weight {
	if r.Also == nil {
		return nil
	}
	return r.Also(model)
}

// A Grant is a slot that is committed, and all that is needed to send the request.
// It is to be used at once, and settled or cancelled afterwards.
type Grant struct {
	Project string
	Key     string // fingerprint of the key to send it with
	Model   string // whose calendar it is counted in
	Asked   string // the name by which the model is asked for

	Reservation scheduler.Reservation
	// Also are its reservations on calendars beside the model's, and Counted, which whoever
	// settles it may set, the tokens that each of them turned out to weigh; negative or
	// missing: unknown.
	Also    []scheduler.Share
	Counted []int64
	// Waited is how long ago the caller was first told to wait.
	Waited time.Duration
	Booked bool // the slot had been booked
	// Probe is the learned limit that the request goes beyond, to see whether it
	// still holds; usually none.
	Probe scheduler.Cause
	// Beyond says that it is beyond a limit per day that nobody has named.
	Beyond bool
	// Trial says that it is tried after a block: others wait until it is settled.
	Trial  bool
	Caller string // whom it is counted for
}

// Count notes the tokens of an answer for each other model's calendar that it is on.
func (g *Grant) Count(tokens int64) {
	g.Counted = nil
	for i, x := range g.Also {
		if g.Counted = append(g.Counted, -1); scheduler.IsModel(x.On) {
			g.Counted[i] = tokens
		}
	}
}

// A Wait is a refusal with the exact time to come back.
type Wait struct {
	Start scheduler.Instant
	Cause scheduler.Cause
	Limit scheduler.EffectiveLimits // of what stands in the way
	// Caller is set where the caller's own limits stand in the way. Then nothing is
	// kept, and the fields below are empty.
	Caller string
	// Budget names the budget of the caller's that is used up, and BudgetLimit says how much
	// it is, where that stands in the way.
	Budget, BudgetLimit string

	Project, Model string
	On             string // the calendar that stands in the way; empty: the model's
	Booked         bool   // the slot is kept
	Ticket         string
	// Contested says that other callers wait for the model, or were served lately: whether a
	// slot is kept for a caller that comes back depends on what each was served.
	Contested bool
	// Preferred says that only the project of the preferred key was asked.
	Preferred bool
	// Within and Models are those of the request, Projects how many projects were asked.
	Within   *time.Duration
	Models   []string
	Projects int
	// Instead is a model of the chain that could take it sooner, at InsteadAt: within the
	// time that the caller can wait or gives a try, or else now. Empty: there is none.
	Instead   string
	InsteadAt scheduler.Instant
}

// Refused reports whether upstream refuses what the request asks for beside its model,
// such as a feature, and nobody else has it sooner. It isn't known that it will be
// there after the wait, so no slot is kept for it, but for one that was.
func (w *Wait) Refused() bool { return refused(w.On, w.Cause) }

func refused(on string, cause scheduler.Cause) bool {
	return !scheduler.IsModel(on) && on != scheduler.OfProject && cause.OfBlock()
}
