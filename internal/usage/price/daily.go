package price

import (
	"sync"
	"time"
)

// Daily has the prices of the day: the built-in ones, with those that are set in place of
// theirs. It is safe for use by any number of goroutines.
type Daily struct {
	set Table

	mu    sync.Mutex
	table Table
	batch Table
	of    int64 // the day in UTC, counted from 1970
}

// NewDaily returns the prices of any day, with those that are set; nil: none.
func NewDaily(set Table) *Daily { return &Daily{set: set} }

// At returns the prices at an instant. The table is shared and not to be changed.
func (d *Daily) At(now time.Time) Table {
	table, _ := d.at(now)
	return table
}

// BatchAt is At for requests of batches.
func (d *Daily) BatchAt(now time.Time) Table {
	_, batch := d.at(now)
	return batch
}

func (d *Daily) at(now time.Time) (table, batch Table) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if day := now.Unix() / (24 * 60 * 60); day != d.of || d.table == nil {
		d.table, d.of = List(now.UTC().Format(time.DateOnly)).With(d.set), day
		d.batch = d.table.Batch()
	}
	return d.table, d.batch
}
