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

// Options are what a Ledger works with. All but Prices are required.
type Options struct {
	Records Records
	Now     func() time.Time
	// Prices are those that are set, in place of the built-in ones.
	Prices price.Table
	// Budgets are what callers may spend, who are told how theirs stand. Nil: nobody has one.
	Budgets *budget.Ledger
}

// A Ledger counts what requests use. It is safe for use by any number of goroutines; the
// nil one counts nothing.
type Ledger struct {
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

// New returns a ledger.
func New(o Options) *Ledger {
	return &Ledger{
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
func (l *Ledger) cost(a Answer, now time.Time) (cost price.Pico, priced bool) {
	table, output := l.prices.At(now), a.Used.Output+a.Used.Thoughts
	if a.Batch {
		table = l.prices.BatchAt(now)
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
func (l *Ledger) Ended(a Answer, before int64) price.Pico {
	if l == nil {
		return 0
	}
	now := l.now()
	cost, _ := l.cost(a, now)
	was := a
	was.Input, was.Used = before, answers.Tokens{}
	less, _ := l.cost(was, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.row(now, a.For)
	a.Input -= before
	c.used(a, cost-less)
	c.Unmetered--
	return cost - less
}

// Served counts an answer and returns what it cost, and whether that is known.
func (l *Ledger) Served(a Answer) (cost price.Pico, priced bool) {
	if l == nil {
		return 0, false
	}
	now := l.now()
	cost, priced = l.cost(a, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.row(now, a.For)
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
func (l *Ledger) Refused(ctx context.Context, f For, cause string, wait time.Duration) {
	l.trouble(ctx, f, func(c *Counts) *map[string]int64 { return &c.Refused }, cause, wait)
}

// Failed counts that the context's request came to an error.
func (l *Ledger) Failed(ctx context.Context, f For, class string) {
	l.trouble(ctx, f, func(c *Counts) *map[string]int64 { return &c.Failed }, class, 0)
}

// trouble counts what befell the context's request among those of its kind, and keeps it.
func (l *Ledger) trouble(ctx context.Context, f For, of func(*Counts) *map[string]int64, cause string, wait time.Duration) {
	if l == nil {
		return
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	kind := of(l.row(now, f))
	*kind = added(*kind, map[string]int64{cause: 1})
	c := l.today(scheduler.DayOf(scheduler.At(now)))
	id, route := requestid.From(ctx)
	c.last = newest(append(c.last, Trouble{
		At: now.UTC().Truncate(time.Millisecond), ID: id, Route: route, Caller: f.Caller, Model: f.Model, Cause: cause, Wait: wait.Seconds(),
	}))
}

// today returns what is counted of a day. The caller holds l.mu.
func (l *Ledger) today(d scheduler.Day) *counted {
	c := l.waiting[d]
	if c == nil {
		c = &counted{rows: make(rows)}
		l.waiting[d] = c
	}
	return c
}

// row returns the counts of now. The caller holds l.mu.
func (l *Ledger) row(now time.Time, f For) *Counts {
	today := scheduler.DayOf(scheduler.At(now))
	all := l.today(today).rows
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
func (l *Ledger) Due(now time.Time) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if since := now.Sub(l.written); len(l.waiting)+len(l.trying) == 0 || since >= 0 && since < Every {
		return false
	}
	l.written = now
	return true
}

// Flush writes what isn't written yet. What can't be written is kept and written with the
// next.
func (l *Ledger) Flush(ctx context.Context) error {
	if l == nil {
		return nil
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	for {
		number, days := l.next()
		if days == nil {
			return nil
		}
		for _, d := range slices.Sorted(maps.Keys(days)) {
			if err := l.write(ctx, d, number, days[d]); err != nil {
				return err
			}
		}
	}
}

// next returns what is to be written now, under which number: what may have been written,
// and only then what wasn't tried to be.
func (l *Ledger) next() (int64, map[scheduler.Day]*counted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.trying) == 0 {
		if len(l.waiting) == 0 {
			return 0, nil
		}
		l.trying, l.waiting = l.waiting, make(map[scheduler.Day]*counted)
		l.number++
	}
	return l.number, maps.Clone(l.trying)
}

// write adds to a day's record.
func (l *Ledger) write(ctx context.Context, d scheduler.Day, number int64, c *counted) error {
	now := l.now()
	var doc *document
	data, err := l.records.UpdateRecord(ctx, recordOf(d), func(data []byte) ([]byte, error) {
		if doc = readDocument(data, d); doc == nil {
			return data, nil // too late by a month
		}
		doc.add(l.instance, number, c)
		return doc.encode(d, now)
	})
	if err != nil {
		return fmt.Errorf("keep usage: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if doc != nil {
		l.keep(d, reading{now, doc, len(data)})
	}
	delete(l.trying, d)
	return nil
}
