package usage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/requestid"
	"fluxgate.dev/fluxgate/internal/usage/price"
	"fluxgate.dev/fluxgate/scheduler"
)

// Every is how often an instance writes at most.
const Every = time.Minute

// maxRows bounds what an instance keeps until it is written, should that take long.
const maxRows = 5000

var errTooLarge = errors.New("usage: record too large")

// Records is the part of a store that usage is kept in.
type Records interface {
	Record(ctx context.Context, name string) ([]byte, error)
	UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error)
}

// Options are what a Meter works with. All but Prices are required.
type Options struct {
	Records Records
	Now     func() time.Time
	// Prices are those that are set, in place of the built-in ones.
	Prices price.Table
	// Budgets are what callers may spend, who are told how theirs stand. Nil: nobody has one.
	Budgets *budget.Ledger
}

// A Meter counts what requests use. It is safe for use by any number of goroutines; the
// nil one counts nothing.
type Meter struct {
	records  Records
	now      func() time.Time
	prices   *price.Daily
	budgets  *budget.Ledger
	instance string

	mu      sync.Mutex
	waiting map[scheduler.Day]*counted // not tried to be written yet
	trying  map[scheduler.Day]*counted // may be written, under number
	number  int64
	written time.Time // when writing was last tried

	writing sync.Mutex                // held while a record is written
	read    map[scheduler.Day]reading // guarded by mu
}

// counted is what was counted of a day.
type counted struct {
	rows rows
	last []Trouble
}

// A reading is a day's record as it was read or written last.
type reading struct {
	at    time.Time
	doc   *document
	bytes int // of the record
}

// New returns a meter.
func New(o Options) *Meter {
	return &Meter{
		records: o.Records, now: o.Now, prices: price.NewDaily(o.Prices), budgets: o.Budgets, instance: rand.Text()[:12],
		waiting: make(map[scheduler.Day]*counted), read: make(map[scheduler.Day]reading),
	}
}

// For says what something is counted under.
type For struct{ Project, Model, Caller string }

// An Answer is one that a caller got.
type Answer struct {
	For
	Input    int64 // tokens
	Metered  bool  // the answer said how many they were; else Input is what was reckoned with
	Used     answers.Tokens
	Answered string        // the model that the answer named, which has the price; "": none
	Waited   time.Duration // since the caller was first told to wait
	Took     time.Duration
	Batch    bool // it is of a batch, which costs less, and for which nobody waited
}

// cost returns what an answer cost, and whether that is known.
func (m *Meter) cost(a Answer, now time.Time) (cost price.Pico, priced bool) {
	table, output := m.prices.At(now), a.Used.Output+a.Used.Thoughts
	if a.Batch {
		table = m.prices.BatchAt(now)
	}
	if cost, priced = table.Cost(a.Answered, a.Input, a.Used.Cached, output); !priced {
		cost, priced = table.Cost(a.Model, a.Input, a.Used.Cached, output)
	}
	return cost, priced
}

// used counts what an answer used and cost.
func (c *Counts) used(a Answer, cost price.Pico) {
	c.Input += a.Input
	c.Output += a.Used.Output
	c.Thoughts += a.Used.Thoughts
	c.Cached += a.Used.Cached
	c.Tools += a.Used.Tools
	c.Cost += cost
}

// Ended counts what an answer used that was counted when it began, with so many input tokens and
// nothing else, and returns what it cost beyond that.
func (m *Meter) Ended(a Answer, before int64) price.Pico {
	if m == nil {
		return 0
	}
	now := m.now()
	cost, _ := m.cost(a, now)
	was := a
	was.Input, was.Used = before, answers.Tokens{}
	less, _ := m.cost(was, now)
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.row(now, a.For)
	a.Input -= before
	c.used(a, cost-less)
	c.Unmetered--
	return cost - less
}

// Served counts an answer and returns what it cost, and whether that is known.
func (m *Meter) Served(a Answer) (cost price.Pico, priced bool) {
	if m == nil {
		return 0, false
	}
	now := m.now()
	cost, priced = m.cost(a, now)
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.row(now, a.For)
	c.Requests++
	c.used(a, cost)
	if !a.Metered {
		c.Unmetered++
	}
	if !priced {
		c.Unpriced++
	}
	if !a.Batch {
		c.Waits.add(a.Waited)
		c.Took.add(a.Took)
	}
	return cost, priced
}

// Refused counts a refusal for want of quota of the context's request, which was told to wait.
func (m *Meter) Refused(ctx context.Context, f For, cause string, wait time.Duration) {
	m.trouble(ctx, f, func(c *Counts) *map[string]int64 { return &c.Refused }, cause, wait)
}

// Failed counts that the context's request came to an error.
func (m *Meter) Failed(ctx context.Context, f For, class string) {
	m.trouble(ctx, f, func(c *Counts) *map[string]int64 { return &c.Failed }, class, 0)
}

// trouble counts what befell the context's request among those of its kind, and keeps it.
func (m *Meter) trouble(ctx context.Context, f For, of func(*Counts) *map[string]int64, cause string, wait time.Duration) {
	if m == nil {
		return
	}
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	kind := of(m.row(now, f))
	*kind = added(*kind, map[string]int64{cause: 1})
	c := m.today(scheduler.DayOf(scheduler.At(now)))
	id, route := requestid.From(ctx)
	c.last = newest(append(c.last, Trouble{
		At: now.UTC().Truncate(time.Millisecond), ID: id, Route: route, Caller: f.Caller, Model: f.Model, Cause: cause, Wait: wait.Seconds(),
	}))
}

// today returns what is counted of a day. The caller holds m.mu.
func (m *Meter) today(d scheduler.Day) *counted {
	c := m.waiting[d]
	if c == nil {
		c = &counted{rows: make(rows)}
		m.waiting[d] = c
	}
	return c
}

// row returns the counts of now. The caller holds m.mu.
func (m *Meter) row(now time.Time, f For) *Counts {
	today := scheduler.DayOf(scheduler.At(now))
	all := m.today(today).rows
	k := rowKey{At: now.Unix(), Project: f.Project, Model: f.Model, Caller: f.Caller}.within(fine, today)
	if c := all[k]; c != nil {
		return c
	}
	if len(all) >= maxRows {
		k.Project, k.Model, k.Caller = Others, Others, Others
	}
	return all.of(k)
}

// Due reports whether there is something to be written now, and nobody tried to within the
// minute.
func (m *Meter) Due(now time.Time) bool {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if since := now.Sub(m.written); len(m.waiting)+len(m.trying) == 0 || since >= 0 && since < Every {
		return false
	}
	m.written = now
	return true
}

// Flush writes what isn't written yet. What can't be written is kept and written with the
// next.
func (m *Meter) Flush(ctx context.Context) error {
	if m == nil {
		return nil
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	for {
		number, days := m.next()
		if days == nil {
			return nil
		}
		for _, d := range slices.Sorted(maps.Keys(days)) {
			if err := m.write(ctx, d, number, days[d]); err != nil {
				return err
			}
		}
	}
}

// next returns what is to be written now, under which number: what may have been written,
// and only then what wasn't tried to be.
func (m *Meter) next() (int64, map[scheduler.Day]*counted) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.trying) == 0 {
		if len(m.waiting) == 0 {
			return 0, nil
		}
		m.trying, m.waiting = m.waiting, make(map[scheduler.Day]*counted)
		m.number++
	}
	return m.number, maps.Clone(m.trying)
}

// write adds to a day's record.
func (m *Meter) write(ctx context.Context, d scheduler.Day, number int64, c *counted) error {
	now := m.now()
	var doc *document
	data, err := m.records.UpdateRecord(ctx, recordOf(d), func(data []byte) ([]byte, error) {
		if doc = readDocument(data, d); doc == nil {
			return data, nil // too late by a month
		}
		doc.add(m.instance, number, c)
		return doc.encode(d, now)
	})
	if err != nil {
		return fmt.Errorf("keep usage: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if doc != nil {
		m.keep(d, reading{now, doc, len(data)})
	}
	delete(m.trying, d)
	return nil
}
