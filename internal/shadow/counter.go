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

// A Counter counts. The nil one is of a Fluxgate that doesn't only watch. It is safe for use by any number of goroutines.
type Counter struct {
	mu       sync.Mutex
	since    time.Time
	requests int64
	rows     map[[2]string]*Row
}

// NewCounter returns one that counts from now on.
func NewCounter(now time.Time) *Counter { return &Counter{since: now, rows: make(map[[2]string]*Row)} }

// On reports whether Fluxgate only watches.
func (c *Counter) On() bool { return c != nil }

// Count counts a request.
func (c *Counter) Count() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
}

// Note counts a request that would have been told a wait, or with never that would have been refused for good, and says so
// in its answer.
func (c *Counter) Note(ctx context.Context, model, cause string, wait time.Duration, never bool) {
	tell(ctx, wait, never)
	c.mu.Lock()
	defer c.mu.Unlock()
	at := [2]string{model, cause}
	if c.rows[at] == nil && len(c.rows) >= maxRows {
		at = [2]string{Other, Other}
	}
	row := c.rows[at]
	if row == nil {
		row = &Row{Model: at[0], Cause: at[1]}
		c.rows[at] = row
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
func (c *Counter) Report() *Report {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &Report{Since: c.since, Requests: c.requests, Rows: make([]Row, 0, len(c.rows))}
	for _, row := range slices.SortedFunc(maps.Values(c.rows), func(a, b *Row) int {
		return cmp.Or(cmp.Compare(b.Waits+b.Refused, a.Waits+a.Refused), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Cause, b.Cause))
	}) {
		out.Waits += row.Waits
		out.Refused += row.Refused
		out.Rows = append(out.Rows, *row)
	}
	return out
}
