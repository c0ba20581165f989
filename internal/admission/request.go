package admission

import (
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// The reasons for which a request can't be served by waiting.
var (
	// ErrTooLarge means that the request fits at no time: it is larger than the
	// model's context window, or upstream refused one of its size before.
	ErrTooLarge = errors.New("request never fits")
	// ErrCallerTooLarge means that the request fits at no time into its caller's own
	// limits.
	ErrCallerTooLarge = errors.New("request never fits the caller's own limits")
	// ErrNoProject means that no project has a usable key and model for it.
	ErrNoProject = errors.New("no usable project")
)

// A Project is one that a request may go to.
type Project struct {
	ID   string
	Keys []string // fingerprints of its keys
}

func projectIDs(projects []Project) []string {
	ids := make([]string, len(projects))
	for i, p := range projects {
		ids[i] = p.ID
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
	Demand scheduler.Demand
	// Also, if not nil, returns what the request weighs beside a model's calendar, if it
	// goes to that model: on a feature, on outputs. It returns the same every time.
	Also func(model string) []scheduler.Weight
	// Projects are the candidates. Prefer is the fingerprint of the key to use, if it
	// is usable.
	Projects []Project
	Prefer   string
	// Near is the project that is to be taken if others are no better; empty: any.
	Near string
	// Try is the fingerprint of a key that may be used although it is marked invalid, to
	// see whether it still is; empty: none.
	Try     string
	MaxWait *time.Duration
	Ticket  *Ticket // what the caller sent back, verified
	Book    bool    // the caller asks for a booking at the first refusal
	// Limit is the request's place in its caller's own limits; nil: it has none.
	Limit *CallerLimit
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
	// Trial says that it is tried after a block: others wait until it is settled.
	Trial  bool
	Caller string // whom it is counted for
}

// A Wait is a refusal with the exact time to come back.
type Wait struct {
	Start scheduler.Instant
	Cause scheduler.Cause
	Limit scheduler.EffectiveLimits // of what stands in the way
	// Caller is set where the caller's own limits stand in the way. Then nothing is
	// kept, and the fields below are empty.
	Caller         string
	Project, Model string
	On             string // the calendar that stands in the way; empty: the model's
	Booked         bool   // the slot is kept
	Ticket         string
}

// Refused reports whether upstream refuses what the request asks for beside its model,
// such as a feature, and nobody else has it sooner. It isn't known that it will be
// there after the wait, so no slot is kept for it, but for one that was.
func (w *Wait) Refused() bool { return refused(w.On, w.Cause) }

func refused(on string, cause scheduler.Cause) bool {
	return !scheduler.IsModel(on) && on != scheduler.OfProject && cause.OfBlock()
}

// newID returns a random ID for a reservation or booking. 32 bits pack well,
// and a calendar makes sure that its own differ.
func newID() uint64 { return uint64(rand.Uint32()) | 1<<32 }

// newIDOf returns a random ID for a booking or reservation, which says in its upper 31
// bits whose it is: so every instance knows what a caller has, and a build that doesn't
// keeps it.
func newIDOf(caller string) uint64 { return newID() | callerTag(caller) }

// tagOf returns what an ID says of its caller: the callerTag, or 0 where it says nothing,
// for an older build made it.
func tagOf(id uint64) uint64 { return id >> 33 << 33 }

// callerTag is what IDs have of a caller; 0 for who has no name.
func callerTag(caller string) uint64 {
	if caller == "" {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(caller)) // never fails
	return max(h.Sum64()>>33, 1) << 33
}
