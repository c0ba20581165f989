package history

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// Days is how many finished days are kept.
const Days = 30

// MaxBytes bounds what is kept; of very large pools it is fewer days.
const MaxBytes = 400 << 10

// record is the name of the record.
const record = "history"

// An Entry is what one model of a project was used for on one day.
type Entry struct {
	Day      string `json:"day"` // Pacific date, YYYY-MM-DD
	Project  string `json:"project"`
	Model    string `json:"model"`
	Requests int64  `json:"requests"`
	Tokens   int64  `json:"tokens"` // input tokens
}

// Records is the part of a store that history is kept in.
type Records interface {
	Record(ctx context.Context, name string) ([]byte, error)
	UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error)
}

// A Keeper keeps the history of a deployment. It is safe for use by any number
// of goroutines.
type Keeper struct {
	records    Records
	lastLooked atomic.Int32 // the day on which finished days were last looked for
	again      atomic.Int64 // the instant before which they aren't looked for again
	cached     atomic.Pointer[snapshot]
}

// A snapshot is what the record said on some day.
type snapshot struct {
	day     scheduler.Day
	entries []Entry
}

// NewKeeper returns the keeper over the records of a store.
func NewKeeper(r Records) *Keeper { return &Keeper{records: r} }

// Due reports whether this instance has yet to look for finished days today. It
// is true once a day: for the first call.
func (k *Keeper) Due(now scheduler.Instant) bool {
	today := int32(scheduler.DayOf(now))
	last := k.lastLooked.Load()
	return last != today && int64(now) >= k.again.Load() && k.lastLooked.CompareAndSwap(last, today)
}

// retryAfter is how long after it failed it is tried again.
const retryAfter = time.Minute

// Retry makes it due again a minute after it failed, at now.
func (k *Keeper) Retry(now scheduler.Instant) {
	k.again.Store(int64(now.Add(retryAfter)))
	k.lastLooked.Store(0)
}

// Archive copies the finished days of projects, by ID, into the record.
func (k *Keeper) Archive(ctx context.Context, now scheduler.Instant, projects map[string]*scheduler.Project) error {
	today := scheduler.DayOf(now)
	if len(finishedDays(today, projects, nil)) == 0 {
		return nil
	}
	_, err := k.records.UpdateRecord(ctx, record, func(data []byte) ([]byte, error) {
		kept, _ := decode(data) // what can't be read can't be kept either
		return encode(merge(kept, finishedDays(today, projects, kept), today))
	})
	if err != nil {
		return fmt.Errorf("keep history: %w", err)
	}
	k.cached.Store(nil)
	return nil
}

// finishedDays returns what is known of days before today. A model that gave up its place is
// known by name if another project has a calendar of it or a day that is kept names it.
func finishedDays(today scheduler.Day, projects map[string]*scheduler.Project, kept []Entry) []Entry {
	var finished []Entry
	names := func(yield func(string) bool) {
		for _, p := range projects {
			if p == nil {
				continue
			}
			for _, c := range p.Calendars {
				if !yield(c.Model) {
					return
				}
			}
		}
		for _, e := range kept {
			if !yield(e.Model) {
				return
			}
		}
	}
	for id, p := range projects {
		if p == nil {
			continue
		}
		for _, c := range p.Calendars {
			if !scheduler.IsModel(c.Model) {
				continue // it was counted in its model's, too
			}
			for _, d := range c.Days {
				if d.Day < today && d.Requests > 0 {
					finished = append(finished, Entry{d.Day.String(), id, c.Model, d.Requests, d.Tokens})
				}
			}
		}
		for model, days := range p.Away(names) {
			for _, d := range days {
				if d.Day < today {
					finished = append(finished, Entry{d.Day.String(), id, model, d.Requests, d.Tokens})
				}
			}
		}
	}
	return finished
}

// merge adds entries to those that are kept. Of two for the same place the new
// one counts: a request that is settled after midnight corrects its day. Of models without a
// name the larger does, for one of them may have got its place back meanwhile.
func merge(kept, finished []Entry, today scheduler.Day) []Entry {
	oldest := (today - Days).String()
	for i := range finished {
		for _, e := range kept {
			if n := &finished[i]; n.Model == scheduler.OtherModels && same(e, *n) && e.Requests > n.Requests {
				*n = e
			}
		}
	}
	all := slices.DeleteFunc(kept, func(e Entry) bool {
		return e.Day < oldest || slices.ContainsFunc(finished, func(n Entry) bool { return same(e, n) })
	})
	for _, e := range finished {
		if e.Day >= oldest {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, compare)
	return all
}

func same(a, b Entry) bool { return compare(a, b) == 0 }

// compare orders by day, newest first, then project and model.
func compare(a, b Entry) int {
	return cmp.Or(cmp.Compare(b.Day, a.Day), cmp.Compare(a.Project, b.Project), cmp.Compare(a.Model, b.Model))
}

// encode encodes as many of the newest entries as there is room for.
func encode(all []Entry) ([]byte, error) {
	for {
		data, err := json.Marshal(all)
		if err != nil || len(data) <= MaxBytes {
			return data, err
		}
		oldest := all[len(all)-1].Day
		all = slices.DeleteFunc(all, func(e Entry) bool { return e.Day == oldest })
	}
}

func decode(data []byte) (all []Entry, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &all)
	}
	return all, err
}

// Last returns the finished days that are kept, newest first. The record is read
// once a day.
func (k *Keeper) Last(ctx context.Context, now scheduler.Instant) ([]Entry, error) {
	today := scheduler.DayOf(now)
	if m := k.cached.Load(); m != nil && m.day == today {
		return m.entries, nil
	}
	data, err := k.records.Record(ctx, record)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	all, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	k.cached.Store(&snapshot{today, all})
	return all, nil
}
