package usage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/scheduler"
)

// How long a day's record is taken for what it was: other instances write today's once a
// minute, and that of a day that is over hardly ever.
const (
	readFor     = time.Minute
	finishedFor = time.Hour
)

// Windows are those that one may ask for.
var Windows = map[string]time.Duration{"1h": time.Hour, "24h": 24 * time.Hour, "30d": 30 * 24 * time.Hour}

// By is by what one may ask.
var By = []string{"day", "project", "model", "caller"}

// A Query says what is asked.
type Query struct {
	Window string   // of Windows
	By     []string // of By; none: one sum
	Caller *string  // nil: all callers'
}

// A Row is what was used of one kind.
type Row struct {
	Day     string `json:"day,omitempty"` // Pacific date
	Project string `json:"project,omitempty"`
	Model   string `json:"model,omitempty"`
	Caller  string `json:"caller,omitempty"`

	Requests int64            `json:"requests"` // that were answered
	Refused  int64            `json:"refused"`  // told to wait
	Failed   int64            `json:"failed"`
	Causes   map[string]int64 `json:"causes,omitempty"`  // of refusals
	Classes  map[string]int64 `json:"classes,omitempty"` // of failures

	Input    int64 `json:"input_tokens"`
	Output   int64 `json:"output_tokens"`
	Thoughts int64 `json:"thought_tokens"`
	Cached   int64 `json:"cached_tokens"`
	Tools    int64 `json:"tool_tokens"`
	// Unmetered are the answers that said nothing of their tokens; their input is what was
	// reckoned with.
	Unmetered int64 `json:"unmetered,omitempty"`

	Dollars  float64 `json:"dollars"`            // at list price, of those whose price is known
	Unpriced int64   `json:"unpriced,omitempty"` // answers whose isn't

	// In seconds. Waits are those of answered requests, since their first refusal.
	WaitP50 float64 `json:"wait_p50"`
	WaitP95 float64 `json:"wait_p95"`
	TookP50 float64 `json:"answer_p50"`
	TookP95 float64 `json:"answer_p95"`
}

// A Report is what was used in a window.
type Report struct {
	Window string    `json:"window"`
	From   time.Time `json:"from"` // exact: as fine as is kept
	To     time.Time `json:"to"`
	By     []string  `json:"by"`
	Rows   []*Row    `json:"rows"` // by day, newest first, then by what costs most
	Total  *Row      `json:"total"`
	// Budgets are how the asking caller's own stand, if it has some.
	Budgets []budget.Left `json:"budgets,omitempty"`
}

// Report says what was used. What other instances counted is there as far as they have
// written it, and this one's in full.
func (m *Meter) Report(ctx context.Context, q Query) (*Report, error) {
	now := m.now().UTC()
	from := now.Add(-Windows[q.Window])
	out := &Report{Window: q.Window, From: from.Truncate(time.Second), To: now.Truncate(time.Second), By: append([]string{}, q.By...)}
	groups, sum := make(map[groupKey]*Counts), new(Counts)
	for d := scheduler.DayOf(scheduler.At(from)); d <= scheduler.DayOf(scheduler.At(now)); d++ {
		doc, more, err := m.day(ctx, d, now)
		if err != nil {
			return nil, err
		}
		each := func(k rowKey, c *Counts) {
			if !k.end().After(from) || q.Caller != nil && k.Caller != *q.Caller {
				return
			}
			if begins := time.Unix(k.At, 0).UTC(); begins.Before(out.From) {
				out.From = begins
			}
			g := q.group(k, d)
			if groups[g] == nil {
				groups[g] = new(Counts)
			}
			groups[g].add(c)
			sum.add(c)
		}
		for k, c := range doc.rows {
			each(k, c)
		}
		for k, c := range more.rows {
			each(k, c)
		}
	}
	out.Rows = make([]*Row, 0, len(groups))
	for g, c := range groups {
		out.Rows = append(out.Rows, g.row(c))
	}
	slices.SortFunc(out.Rows, func(a, b *Row) int {
		return cmp.Or(cmp.Compare(b.Day, a.Day), cmp.Compare(b.Dollars, a.Dollars), cmp.Compare(b.Requests, a.Requests),
			cmp.Compare(a.Project, b.Project), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Caller, b.Caller))
	})
	out.Total = groupKey{}.row(sum)
	return out, nil
}

// A groupKey says what a row of a report is of.
type groupKey struct{ Day, Project, Model, Caller string }

func (q Query) group(k rowKey, d scheduler.Day) (g groupKey) {
	for _, by := range q.By {
		switch by {
		case "day":
			g.Day = d.String()
		case "project":
			g.Project = k.Project
		case "model":
			g.Model = k.Model
		case "caller":
			g.Caller = k.Caller
		}
	}
	return g
}

func (g groupKey) row(c *Counts) *Row {
	// Of what began before the window and ended in it there is only what its end has changed.
	input, unmetered, cost := max(0, c.Input), max(0, c.Unmetered), max(0, c.Cost)
	return &Row{
		Day: g.Day, Project: g.Project, Model: g.Model, Caller: g.Caller,
		Requests: c.Requests, Refused: total(c.Refused), Failed: total(c.Failed), Causes: c.Refused, Classes: c.Failed,
		Input: input, Output: c.Output, Thoughts: c.Thoughts, Cached: c.Cached, Tools: c.Tools, Unmetered: unmetered,
		Dollars: cost.Dollars(), Unpriced: c.Unpriced,
		WaitP50: c.Waits.Quantile(0.5).Seconds(), WaitP95: c.Waits.Quantile(0.95).Seconds(),
		TookP50: c.Took.Quantile(0.5).Seconds(), TookP95: c.Took.Quantile(0.95).Seconds(),
	}
}

// maxRead bounds the records that are kept as they were read, in bytes of the store; in memory
// they take some six times as much. It is a month of a deployment with some hundred rows a day,
// or five days of the largest records that there are: what is beyond is read again.
const maxRead = 2 << 20

// keep keeps a day's record as it is now, and gives up those that were read first where they
// are too many, and those of days that are past the ring. The caller holds m.mu.
func (m *Meter) keep(d scheduler.Day, r reading) {
	m.read[d] = r
	total := 0
	for other, x := range m.read {
		if other <= scheduler.DayOf(scheduler.At(r.at))-ring {
			delete(m.read, other)
			continue
		}
		total += x.bytes
	}
	for total > maxRead && len(m.read) > 1 {
		oldest := d
		for other, x := range m.read {
			if other != d && (oldest == d || x.at.Before(m.read[oldest].at)) {
				oldest = other
			}
		}
		total -= m.read[oldest].bytes
		delete(m.read, oldest)
	}
}

// day returns the record of a day, which nobody changes, and what this instance hasn't written
// to it yet.
func (m *Meter) day(ctx context.Context, d scheduler.Day, now time.Time) (*document, *counted, error) {
	m.mu.Lock()
	last, ok := m.read[d]
	m.mu.Unlock()
	keep := readFor
	if d < scheduler.DayOf(scheduler.At(now.Add(-hourFor))) {
		keep = finishedFor
	}
	if !ok || now.Sub(last.at) >= keep {
		data, err := m.records.Record(ctx, recordOf(d))
		if err != nil {
			return nil, nil, fmt.Errorf("read usage: %w", err)
		}
		doc := readDocument(data, d)
		if doc == nil {
			doc = readDocument(nil, d)
		}
		m.mu.Lock()
		if since := m.read[d].doc; since == nil || since.Writers[m.instance] <= doc.Writers[m.instance] {
			m.keep(d, reading{now, doc, len(data)}) // nothing was written here since it was read
		}
		m.mu.Unlock()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	doc, more := m.read[d].doc, &counted{rows: make(rows)}
	unwritten := []*counted{m.waiting[d]}
	if doc.Writers[m.instance] < m.number {
		unwritten = append(unwritten, m.trying[d])
	}
	for _, c := range unwritten {
		if c != nil {
			more.rows.addAll(c.rows)
			more.last = append(more.last, c.last...)
		}
	}
	return doc, more, nil
}

// Last returns the last refusals and failures of today and yesterday, the newest first: of
// all instances as far as they have written them.
func (m *Meter) Last(ctx context.Context) ([]Trouble, error) {
	if m == nil {
		return nil, nil
	}
	now := m.now()
	today := scheduler.DayOf(scheduler.At(now))
	var all []Trouble
	for d := today - 1; d <= today; d++ {
		doc, more, err := m.day(ctx, d, now)
		if err != nil {
			return nil, err
		}
		all = slices.Concat(all, doc.Last, more.last)
	}
	all = newest(all)
	slices.Reverse(all)
	return all, nil
}
