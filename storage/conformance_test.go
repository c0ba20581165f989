package storage_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/storetest"
)

var (
	single  = storetest.Kind{Virtual: true}
	virtual = storetest.Kind{Shared: true, Virtual: true}
)

func TestMemory(t *testing.T) {
	storetest.Run(t, single, func(t *testing.T, body func(*testing.T, storetest.Harness)) {
		synctest.Test(t, func(t *testing.T) { body(t, &memoryHarness{store: storage.NewMemory(nil)}) })
	})
}

// TestGrouped runs the suite against a database that takes 20 ms, in virtual time.
func TestGrouped(t *testing.T) {
	storetest.Run(t, virtual, func(t *testing.T, body func(*testing.T, storetest.Harness)) {
		synctest.Test(t, func(t *testing.T) {
			body(t, fakeHarness{storage.NewFake(20 * time.Millisecond)})
		})
	})
}

func BenchmarkMemory(b *testing.B) {
	storetest.Bench(b, single, func(testing.TB) storetest.Harness { return &memoryHarness{store: storage.NewMemory(nil)} })
}

// BenchmarkGrouped is what the Store itself costs: the database takes no time.
func BenchmarkGrouped(b *testing.B) {
	storetest.Bench(b, virtual, func(testing.TB) storetest.Harness { return fakeHarness{storage.NewFake(0)} })
}

// BenchmarkGrouped2ms shows what grouping makes of a database that takes time.
func BenchmarkGrouped2ms(b *testing.B) {
	storetest.Bench(b, virtual, func(testing.TB) storetest.Harness { return fakeHarness{storage.NewFake(2 * time.Millisecond)} })
}

type memoryHarness struct{ store *storage.Memory }

func (h *memoryHarness) Open(testing.TB, storetest.Config) storage.Store { return h.store }
func (h *memoryHarness) Asked() (reads, writes int64)                    { return 0, h.store.Stats().Writes }

type fakeHarness struct{ db *storage.Fake }

func (h fakeHarness) Open(t testing.TB, c storetest.Config) storage.Store {
	return lineOf(h.db, c.Trouble).Open(t, c.Options)
}

func lineOf(db *storage.Fake, trouble storetest.Trouble) *storage.Line {
	l := &storage.Line{DB: db}
	l.OnPut = func(ctx context.Context, n int) error {
		if trouble.Before != nil {
			trouble.Before(ctx, n)
		}
		if trouble.Refuse != nil {
			return trouble.Refuse(n)
		}
		return nil
	}
	l.AfterPut = trouble.Lose
	return l
}

func (h fakeHarness) Empty(testing.TB)              { h.db.Empty() }
func (h fakeHarness) Save(testing.TB) (back func()) { return h.db.Save() }

func (h fakeHarness) Asked() (reads, writes int64) { return h.db.Asked() }
