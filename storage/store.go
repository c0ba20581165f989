package storage

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// The errors of a Store. Match them with errors.Is.
var (
	// ErrUnavailable means that the store could not be reached or did not
	// answer in time. Nothing may be sent upstream on its strength.
	ErrUnavailable = errors.New("store unavailable")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("store closed")
)

// A Store keeps the state of every project and a control document, for any
// number of instances, and tells the time that all of them go by.
//
// All methods may be called by any number of goroutines.
type Store interface {
	// Now returns the store's time. It never goes back within one Store once
	// the database was heard, which it was when View or Apply succeeded.
	Now() scheduler.Instant

	// Between returns the instants between which the store's time is, for Now is
	// not exact: two instances disagree by some milliseconds, and by much more
	// while they have only heard slow answers. Now may be later than both when
	// it waits for the time to catch up with it.
	Between() (earliest, latest scheduler.Instant)

	// View returns the projects as this instance knows them, in the order of
	// ids, its own changes that are still on their way included. A project
	// without a document is nil; one whose document can't be read says so
	// (Project.Unreadable), and View fails if that is true of all of them. What it
	// never saw, or saw before an admin's last change, it reads first; otherwise
	// it does not wait. The result is not to be changed.
	View(ctx context.Context, ids []string) ([]*scheduler.Project, error)

	// Refresh brings the view up to date where it may be stale: when other
	// writers are in evidence or it is older than a minute, and not more than
	// once a second. With force it reads whatever was not read this second.
	// It is called before a request is refused on the strength of the view.
	Refresh(ctx context.Context, ids []string, force bool) error

	// Apply carries out a change and returns once it is durable, with what it
	// did to the state that it was applied to. A change that changes nothing
	// costs no write; whether it does is judged by the view, except for SetMark
	// and Release, which look at the database first.
	//
	// The error is that of ctx when it ended first (its cause, where it has one),
	// and ErrUnavailable when the database doesn't answer: within Options.GiveUp, and
	// a CommitTimeout more where the project must be read first or another commit
	// is under way. In both cases the outcome is unknown, and a reservation that
	// comes of it is taken back: its holder has the booking again that it claimed. The rules
	// are the deployment's, of which the project's own count.
	Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error)

	// Later has a change piggybacked on the next commit of the project. It
	// costs no write of its own and is lost with the instance, so it is only
	// for changes that give something back, and for those that Apply couldn't be
	// heard to have made and that change nothing when they are made again.
	Later(rules *scheduler.Rules, id string, change scheduler.Change)

	// Control returns the control document, at most ControlAge old. What it
	// refers to is shared and not to be changed.
	Control(ctx context.Context) (Control, error)

	// FreshControl is Control for whoever looks at the deployment from outside:
	// at most a second old.
	FreshControl(ctx context.Context) (Control, error)

	// UpdateControl changes the control document. The function may run more
	// than once, on its own result too when a reply was lost, and must change
	// nothing but its argument. Its error is returned as it is, and then
	// nothing is changed. The epoch grows by one, at which every instance
	// reads every project anew.
	UpdateControl(ctx context.Context, change func(*Control) error) (Control, error)

	// Record returns what the record of that name holds, nil if there is none.
	// Records are small documents of the deployment (at most MaxRecord bytes)
	// that no admission depends on: events, results of checks, history, whose
	// resources are. Every call
	// reads.
	Record(ctx context.Context, name string) ([]byte, error)

	// UpdateRecord changes a record, on condition that nobody else has since it was read, and
	// returns what it holds then. The function may run more than once. Its error is returned as it is,
	// and then nothing is changed; what is as before isn't written.
	UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error)

	// Instances returns how many instances are at work, this one included, as far as it shows by what they
	// write.
	Instances() int

	// Stats returns what this Store has asked of its database.
	Stats() Stats

	// Close writes what was piggybacked and ends the store. When ctx
	// ends before that is done, what is left is given up, with its error.
	Close(ctx context.Context) error
}

// ControlAge is how old the control document may be in an instance that has seen nothing of
// a newer one: the document of a project tells which was known to who wrote it.
const ControlAge = 10 * time.Second

// Control is what holds for the whole deployment.
type Control struct {
	// Epoch grows with every change an admin makes.
	Epoch int64 `firestore:"epoch"`
	// Mode is the run-time mode, and Prefer which projects come first; empty: as configured.
	Mode   string `firestore:"mode"`
	Prefer string `firestore:"prefer"`
	// TicketKey signs tickets, so that any instance recognises them.
	TicketKey []byte `firestore:"ticket_key"`
	// Aliases maps a model name to the one that upstream resolves it to.
	Aliases map[string]string `firestore:"aliases"`
	// Redirects maps a model name to the model that answers requests for it, which count on either until an alias says where.
	Redirects map[string]string `firestore:"redirects"`
	// Chain is the model chain that an admin set at run time, Gemini's part of it, which builds from before know alone; empty:
	// none. Across is all of it, if it has others; where its part of Gemini isn't Chain, such a build has set that since.
	Chain  []string `firestore:"chain"`
	Across []string `firestore:"across"`
	// Limits are those that an admin set at run time, by model or family.
	Limits map[string]Limits `firestore:"limits"`
	// LimitsAt is when Limits were last changed.
	LimitsAt time.Time `firestore:"limits_at"`
	// Reported are the limits that Gemini itself reported, as far as they are believed, as of
	// ReportedAt; Discovered are the models that it lists, as a chain.
	Reported   map[string]Limits `firestore:"reported"`
	Discovered []string          `firestore:"discovered"`
	// Windows are the most input tokens that models take, as listed.
	Windows    map[string]int64 `firestore:"windows"`
	ReportedAt time.Time        `firestore:"reported_at"`
	// Incarnation is random, another each time that the document is made, and restored
	// after it was lost; empty: by a build that didn't know it. Restored is the last
	// epoch from before that whoever did it knew of, RestoredAt when that was, by the
	// store's time. Builds from before leave them alone, or (4bd3115) lose them.
	Incarnation string            `firestore:"incarnation"`
	Restored    int64             `firestore:"restored"`
	RestoredAt  scheduler.Instant `firestore:"restored_at"`
}

// Limits replace single limits of a model; nil keeps what is there.
type Limits struct {
	RPM *int64 `firestore:"rpm" json:"rpm,omitempty"`
	TPM *int64 `firestore:"tpm" json:"tpm,omitempty"`
	RPD *int64 `firestore:"rpd" json:"rpd,omitempty"`
}

func (l Limits) clone() Limits {
	return Limits{cloned(l.RPM), cloned(l.TPM), cloned(l.RPD)}
}

func cloned(n *int64) *int64 {
	if n == nil {
		return nil
	}
	return new(*n)
}

// clone returns a copy that shares nothing.
func (c Control) clone() Control {
	aliases := make(map[string]string, len(c.Aliases))
	maps.Copy(aliases, c.Aliases)
	c.Aliases, c.Redirects = aliases, maps.Clone(c.Redirects)
	c.TicketKey = append([]byte(nil), c.TicketKey...)
	c.Chain, c.Across, c.Discovered = slices.Clone(c.Chain), slices.Clone(c.Across), slices.Clone(c.Discovered)
	c.Limits, c.Reported, c.Windows = cloneLimits(c.Limits), cloneLimits(c.Reported), maps.Clone(c.Windows)
	return c
}

func cloneLimits(all map[string]Limits) map[string]Limits {
	if all == nil {
		return nil
	}
	out := make(map[string]Limits, len(all))
	for name, l := range all {
		out[name] = l.clone()
	}
	return out
}

// Stats counts what a Store asked of its database since it was opened.
type Stats struct {
	Reads     int64 `json:"reads"`     // project documents read
	Writes    int64 `json:"writes"`    // commits of project documents tried
	Conflicts int64 `json:"conflicts"` // commits that lost a race
	Recovered int64 `json:"recovered"` // commits that applied but reported failure
	Control   int64 `json:"control"`   // reads and writes of the control document and of records
	// Unreadable counts the project documents, each version once, that could not
	// be read.
	Unreadable int64 `json:"unreadable,omitempty"`
	// Lost counts the documents that were found missing or older than what was known to
	// be durable, and were written back.
	Lost int64 `json:"lost,omitempty"`
}
