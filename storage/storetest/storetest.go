package storetest

import (
	"context"
	"testing"

	"fluxgate.dev/fluxgate/storage"
)

// A Harness is one database.
type Harness interface {
	// Open returns one more Store over the database, as another instance of
	// the service would have it, or the one Store there is if the database
	// isn't shared. It is closed when the test ends.
	Open(t testing.TB, c Config) storage.Store
	// Asked returns how many project documents were read and how many commits
	// of one arrived, counted outside the Stores.
	Asked() (reads, writes int64)
}

// A Kind says which cases a database can have. The others are not run.
type Kind struct {
	// Shared: Stores over the database are instances of their own, whose
	// commits can be given Trouble.
	Shared bool
	// Virtual: time is simulated.
	Virtual bool
}

// A Maker makes a harness for one case and runs its body.
type Maker func(t *testing.T, body func(t *testing.T, h Harness))

// A Config is how a Store is opened.
type Config struct {
	storage.Options
	Trouble
}

// Trouble is what happens to the commits of one instance, which are counted
// from 1. Nil functions do nothing.
type Trouble struct {
	// Before runs before a commit is passed on to the database.
	Before func(ctx context.Context, n int)
	// Refuse returns an error instead of passing the commit on.
	Refuse func(n int) error
	// Lose returns an error in place of the reply to a commit that was carried
	// out.
	Lose func(ctx context.Context, n int) error
}

type testCase struct {
	name    string
	body    func(t *testing.T, h Harness)
	shared  bool // needs instances of their own
	virtual bool // waits
}

// Run runs the suite.
func Run(t *testing.T, k Kind, maker Maker) {
	var all []testCase
	all = append(all, basicCases...)
	all = append(all, severalCases...)
	all = append(all, controlCases...)
	all = append(all, recordCases...)
	all = append(all, concurrentCases...)
	all = append(all, raceCases...)
	all = append(all, faultCases...)
	all = append(all, cancelCases...)
	all = append(all, emptiedCases...)
	for _, c := range all {
		if c.shared && !k.Shared || c.virtual && !k.Virtual {
			continue
		}
		t.Run(c.name, func(t *testing.T) { maker(t, c.body) })
	}
}
