package shadow

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// maxRows bounds what is told apart. What is beyond is counted as Other.
const maxRows = 64

// Other stands for the models and causes that are too many to be told apart.
const Other = "other"

// A Row is what would have happened to the requests of one model for one cause.
type Row struct {
	Model string `json:"model"`
	Cause string `json:"cause"` // as in the log: rpm, tpm, rpd, own_rpm, too_large …
	// Waits are the requests that would have been told to wait, TotalMs how long together, and LongestMs the longest of
	// them, in milliseconds.
	Waits     int64 `json:"waits"`
	TotalMs   int64 `json:"total_ms"`
	LongestMs int64 `json:"longest_ms"`
	// Refused are those that no wait would have helped.
	Refused int64 `json:"refused"`
}

// A Report is what an instance would have done since it started.
type Report struct {
	Since    time.Time `json:"since"`
	Requests int64     `json:"requests"` // all that came for a slot
	Waits    int64     `json:"waits"`
	Refused  int64     `json:"refused"`
	Rows     []Row     `json:"rows"` // the most waits first
}

// A Ledger counts. The nil one is of a Fluxgate that doesn't only watch. It is safe for use by any number of goroutines.
type Ledger struct {
	mu       sync.Mutex
	since    time.Time
	requests int64
	rows     map[[2]string]*Row
}

// NewLedger returns a ledger that counts from now on.
func NewLedger(now time.Time) *Ledger { return &Ledger{since: now, rows: make(map[[2]string]*Row)} }

// On reports whether Fluxgate only watches.
func (l *Ledger) On() bool { return l != nil }

// Count counts a request.
func (l *Ledger) Count() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
}

// Note counts a request that would have been told a wait, or with never that would have been refused for good, and says so
// in its answer.
func (l *Ledger) Note(ctx context.Context, model, cause string, wait time.Duration, never bool) {
	tell(ctx, wait, never)
	l.mu.Lock()
	defer l.mu.Unlock()
	at := [2]string{model, cause}
	if l.rows[at] == nil && len(l.rows) >= maxRows {
		at = [2]string{Other, Other}
	}
	row := l.rows[at]
	if row == nil {
		row = &Row{Model: at[0], Cause: at[1]}
		l.rows[at] = row
	}
	if never {
		row.Refused++
		return
	}
	row.Waits++
	row.TotalMs += wait.Milliseconds()
	row.LongestMs = max(row.LongestMs, wait.Milliseconds())
}

// Report returns what has been counted; nil: Fluxgate doesn't only watch.
func (l *Ledger) Report() *Report {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := &Report{Since: l.since, Requests: l.requests, Rows: make([]Row, 0, len(l.rows))}
	for _, row := range slices.SortedFunc(maps.Values(l.rows), func(a, b *Row) int {
		return cmp.Or(cmp.Compare(b.Waits+b.Refused, a.Waits+a.Refused), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Cause, b.Cause))
	}) {
		out.Waits += row.Waits
		out.Refused += row.Refused
		out.Rows = append(out.Rows, *row)
	}
	return out
}
