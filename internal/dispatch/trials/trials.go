package trials

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

const (
	// First is how long after it was found that it can't pay something is tried; each further
	// trial in vain doubles that, up to Longest.
	First   = 5 * time.Minute
	Longest = time.Hour
	// record is the name of the record.
	record = "depleted"
)

// Records keep documents of this deployment.
type Records interface {
	UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error)
	Now() scheduler.Instant
}

// A Keeper keeps the record of trials.
type Keeper struct{ Records Records }

// A trial is when something was tried last, or found that it can't pay, and how often in vain.
type trial struct {
	At     scheduler.Instant `json:"at"`
	Before int               `json:"before,omitempty"`
}

func (t trial) due() scheduler.Instant { return t.At.Add(min(First<<min(t.Before, 8), Longest)) }

// Note has something tried after a while that was found now that it can't pay.
func (k Keeper) Note(ctx context.Context, name string) error {
	return k.update(ctx, func(trials map[string]trial) bool {
		if t, known := trials[name]; known && k.Records.Now().Sub(t.At) <= 2*Longest {
			return false
		}
		trials[name] = trial{At: k.Records.Now()}
		return true
	})
}

// Claim returns which of those that can't pay it is time to try, and claims the trial; empty: none.
func (k Keeper) Claim(ctx context.Context, names []string) (due string, err error) {
	err = k.update(ctx, func(trials map[string]trial) bool {
		now, changed := k.Records.Now(), false
		due = ""
		for _, name := range names {
			t, known := trials[name]
			switch {
			case !known:
				trials[name], changed = trial{At: now}, true
			case due == "" && t.due() <= now:
				trials[name] = trial{At: now, Before: min(t.Before+1, 8)}
				due, changed = name, true
			}
		}
		return changed
	})
	return due, err
}

// End forgets those that pay again.
func (k Keeper) End(ctx context.Context, names ...string) error {
	return k.update(ctx, func(trials map[string]trial) bool {
		known := len(trials)
		for name := range trials {
			if slices.Contains(names, name) {
				delete(trials, name)
			}
		}
		return len(trials) < known
	})
}

// update changes the record, unless change reports that there is nothing to. A record that can't
// be read is replaced.
func (k Keeper) update(ctx context.Context, change func(map[string]trial) bool) error {
	_, err := k.Records.UpdateRecord(ctx, record, func(data []byte) ([]byte, error) {
		trials := make(map[string]trial)
		if len(data) > 0 && json.Unmarshal(data, &trials) != nil {
			trials = make(map[string]trial)
		}
		if !change(trials) {
			return data, nil
		}
		return json.Marshal(trials)
	})
	if err != nil {
		return fmt.Errorf("record of depleted projects: %w", err)
	}
	return nil
}
