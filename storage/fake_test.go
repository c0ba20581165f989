package storage

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage/internal/clock"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

// A Fake is a database in memory with latency, whose instances can be given any
// trouble. In a testing/synctest bubble its time is virtual.
type Fake struct {
	Latency time.Duration // of every call, half of it each way

	mu      sync.Mutex
	docs    map[string]Document
	ctl     Control
	emptied int64            // how often everything was emptied or set back
	moves   map[string]int64 // writes of ctl and of the records, by name
	records map[string][]byte
	last    Version
	reads   int64
	tried   int64
	Sizes   []int                                 // bytes of every project document written
	At      []time.Time                           // when
	Wrote   func(id string, p *scheduler.Project) // sees every state written; may be nil
}

// NewFake returns an empty database.
func NewFake(latency time.Duration) *Fake {
	return &Fake{Latency: latency, docs: make(map[string]Document), records: make(map[string][]byte), moves: make(map[string]int64)}
}

// Asked returns how many project documents were read and how many commits of
// one were tried, by the database's own count.
func (db *Fake) Asked() (reads, writes int64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.reads, db.tried
}

// Delete deletes a project's document, as an operator does.
func (db *Fake) Delete(id string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.docs, id)
}

// Empty deletes everything.
func (db *Fake) Empty() {
	db.mu.Lock()
	defer db.mu.Unlock()
	clear(db.docs)
	clear(db.records)
	db.ctl = Control{}
	db.emptied++
}

// Save returns a function that puts everything back as it is now, as an import does.
func (db *Fake) Save() (setBack func()) {
	db.mu.Lock()
	defer db.mu.Unlock()
	docs, records, ctl := maps.Clone(db.docs), maps.Clone(db.records), db.ctl.clone()
	return func() {
		db.mu.Lock()
		defer db.mu.Unlock()
		for id, doc := range docs {
			doc.Version = db.next()
			docs[id] = doc
		}
		db.docs, db.records, db.ctl = docs, records, ctl
		db.emptied++
	}
}

// Put stores bytes as a project's document.
func (db *Fake) Put(id string, data []byte) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.docs[id] = Document{Fields: Fields{State: data}, Version: db.next()}
}

// Stored returns what lies in a project's document.
func (db *Fake) Stored(id string) Fields {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.docs[id].Fields
}

// next returns the time of the next commit: later than every one before.
func (db *Fake) next() Version {
	v := time.Now().Truncate(time.Microsecond)
	if !v.After(db.last) {
		v = db.last.Add(time.Microsecond)
	}
	db.last = v
	return v
}

func (db *Fake) write(id string, doc Fields, base Version) (Version, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	switch have := db.docs[id].Version; {
	case base.IsZero() && !have.IsZero():
		return Version{}, errors.New("document exists")
	case !have.Equal(base):
		return Version{}, errors.New("document changed")
	}
	v := db.next()
	if doc.Sections == nil {
		doc.Sections = db.docs[id].Sections
	}
	db.docs[id] = Document{Fields: doc, Version: v}
	db.Sizes, db.At = append(db.Sizes, len(doc.State)+len(doc.Sections)), append(db.At, time.Now())
	if db.Wrote != nil {
		p, err := codec.New(codec.Sections()...).Unpack(doc)
		if err != nil {
			return Version{}, err
		}
		db.Wrote(id, p)
	}
	return v, nil
}

// A Line is how one instance reaches a Fake, and what goes wrong on the way.
// The functions are called with the count of that kind of call, from 1.
type Line struct {
	DB    *Fake
	Local func() clock.Reading // the instance's clocks; nil: the real ones
	// OnPut is called before a commit reaches the database. An error keeps it
	// away.
	OnPut func(ctx context.Context, n int) error
	// AfterPut is called once it was carried out. An error takes the place of
	// the reply.
	AfterPut func(ctx context.Context, n int) error
	// OnGet is called before a read, AfterGet before its answer is delivered.
	OnGet, AfterGet func(ctx context.Context, n int) error
	// OnControl is called before a read of the control document.
	OnControl func(ctx context.Context, n int) error
	// Sections are those that the instance's build knows. With OneField it is the
	// release before there were any, which leaves the second field alone.
	Sections []codec.Section
	OneField bool

	mu               sync.Mutex
	puts, gets, ctls int
	clock            clock.Clock
	clockOnce        sync.Once
}

// Open returns a Store of an instance that reaches its database by the line.
func (l *Line) Open(t testing.TB, opts Options) *Grouped {
	known := codec.New()
	if !l.OneField {
		known = codec.New(append(codec.Sections(), l.Sections...)...)
	}
	g := NewGrouped(l, known, opts)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = g.Close(ctx)
	})
	return g
}

func (l *Line) count(n *int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	*n++
	return *n
}

func hooked(f func(context.Context, int) error, ctx context.Context, n int) error {
	if f == nil {
		return nil
	}
	return f(ctx, n)
}

// travel takes half the latency.
func (l *Line) travel(ctx context.Context) error {
	if l.DB.Latency == 0 {
		return ctx.Err()
	}
	return pause(ctx, l.DB.Latency/2)
}

func (l *Line) theClock() *clock.Clock {
	l.clockOnce.Do(func() {
		if l.clock.Local = l.Local; l.Local == nil {
			l.clock.Local = clock.Local
		}
	})
	return &l.clock
}

func (l *Line) Now() scheduler.Instant { return l.theClock().Now() }
func (l *Line) Steady() bool           { return l.theClock().Steady() }
func (l *Line) Close()                 {}

func (l *Line) Between() (earliest, latest scheduler.Instant) { return l.theClock().Between() }

func (l *Line) Get(ctx context.Context, ids []string) ([]Document, error) {
	n := l.count(&l.gets)
	if err := hooked(l.OnGet, ctx, n); err != nil {
		return nil, err
	}
	before := l.theClock().Local()
	if err := l.travel(ctx); err != nil {
		return nil, err
	}
	l.DB.mu.Lock()
	l.DB.reads += int64(len(ids))
	read := time.Now()
	out := make([]Document, len(ids))
	for i, id := range ids {
		out[i] = l.DB.docs[id]
		if l.OneField {
			out[i].Sections = nil
		}
		// Strong reads see every commit, so they are no earlier than the last.
		out[i].Read = read
		if read.Before(l.DB.last) {
			out[i].Read = l.DB.last.Add(time.Microsecond)
		}
	}
	l.DB.mu.Unlock()
	if err := l.travel(ctx); err != nil {
		return nil, err
	}
	if err := hooked(l.AfterGet, ctx, n); err != nil {
		return nil, err
	}
	l.clock.Observe(before, l.clock.Local(), read)
	return out, nil
}

func (l *Line) Put(ctx context.Context, id string, doc Fields, base Version) (Version, error) {
	n := l.count(&l.puts)
	l.DB.mu.Lock()
	l.DB.tried++
	l.DB.mu.Unlock()
	if err := hooked(l.OnPut, ctx, n); err != nil {
		return Version{}, err
	}
	before := l.theClock().Local()
	if err := l.travel(ctx); err != nil {
		return Version{}, err
	}
	v, err := l.DB.write(id, doc, base)
	if err != nil {
		return Version{}, err
	}
	if err := l.travel(ctx); err != nil {
		return Version{}, err
	}
	if err := hooked(l.AfterPut, ctx, n); err != nil {
		return Version{}, err
	}
	l.clock.Observe(before, l.clock.Local(), v)
	return v, nil
}

func (l *Line) Control(ctx context.Context) (c Control, at Version, err error) {
	if err := hooked(l.OnControl, ctx, l.count(&l.ctls)); err != nil {
		return c, at, err
	}
	before := l.theClock().Local()
	if err := l.travel(ctx); err != nil {
		return c, at, err
	}
	l.DB.mu.Lock()
	c, at = l.DB.ctl.clone(), l.DB.moved("")
	read := time.Now()
	l.DB.mu.Unlock()
	if err := l.travel(ctx); err != nil {
		return Control{}, at, err
	}
	l.clock.Observe(before, l.clock.Local(), read)
	return c, at, nil
}

func (l *Line) PutControl(ctx context.Context, c Control, base Version) error {
	return l.putNamed(ctx, "", base, func() { l.DB.ctl = c.clone() })
}

func (l *Line) Record(ctx context.Context, name string) ([]byte, Version, error) {
	if err := l.travel(ctx); err != nil {
		return nil, Version{}, err
	}
	l.DB.mu.Lock()
	data, at := slices.Clone(l.DB.records[name]), l.DB.moved(name)
	l.DB.mu.Unlock()
	return data, at, l.travel(ctx)
}

func (l *Line) PutRecord(ctx context.Context, name string, data []byte, base Version) error {
	return l.putNamed(ctx, name, base, func() { l.DB.records[name] = slices.Clone(data) })
}

// putNamed writes the control document, which has no name, or a record, unless somebody did since.
func (l *Line) putNamed(ctx context.Context, name string, base Version, write func()) error {
	if err := l.travel(ctx); err != nil {
		return err
	}
	l.DB.mu.Lock()
	won := l.DB.moved(name).Equal(base)
	if won {
		write()
		l.DB.moves[name]++
	}
	l.DB.mu.Unlock()
	if !won {
		return ErrRace
	}
	return l.travel(ctx)
}

// moved is the version of the control document, which has no name, or of a record. The lock is held.
func (db *Fake) moved(name string) Version {
	return time.Unix(db.emptied, db.moves[name]+1)
}
