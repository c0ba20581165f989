package usage

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// Others stands for all that isn't told apart.
const Others = "(others)"

// MaxBytes bounds a day's record.
const MaxBytes = 400 << 10

const (
	// ring is for how many days there are records. One is kept for 30 finished days, today, and a
	// day that some instance may still believe it is.
	ring = 32
	// maxWriters bounds whose additions a record remembers. A reply is lost for seconds, in
	// which no more instances than that write.
	maxWriters = 64
)

// The spans by which is counted, from the finest.
const (
	fine = 10 * time.Minute
	hour = time.Hour
	day  = 24 * time.Hour

	fineFor = 2 * time.Hour
	hourFor = 25 * time.Hour
)

// recordOf returns the name of a day's record.
func recordOf(d scheduler.Day) string {
	return "usage-" + strconv.Itoa(int((d%ring+ring)%ring))
}

// A rowKey says what a row counts.
type rowKey struct {
	At      int64  `json:"at"`          // Unix seconds of the beginning
	Span    int64  `json:"s"`           // seconds; those of a day as long as it is
	Project string `json:"p,omitempty"` // "": none, as of a caller's own limit
	Model   string `json:"m,omitempty"` // by the name it was asked for
	Caller  string `json:"c,omitempty"` // "": callers aren't told apart
}

// within returns the key of the row of a longer span that this one is part of.
func (k rowKey) within(span time.Duration, of scheduler.Day) rowKey {
	seconds := int64(span / time.Second)
	if k.Span >= seconds {
		return k
	}
	if k.Span = seconds; span == day {
		k.At = of.Start().Time().Unix()
		return k
	}
	k.At -= k.At % seconds // days begin at whole hours of UTC
	return k
}

// end is when the row's span is over.
func (k rowKey) end() time.Time { return time.Unix(k.At+k.Span, 0) }

type rows map[rowKey]*Counts

// of returns the counts of a row, which it makes where there is none.
func (r rows) of(k rowKey) *Counts {
	c := r[k]
	if c == nil {
		c = new(Counts)
		r[k] = c
	}
	return c
}

func (r rows) addAll(other rows) {
	for k, c := range other {
		r.of(k).add(c)
	}
}

// rekeyed returns the rows under other keys, added up where these are the same.
func (r rows) rekeyed(key func(rowKey) rowKey) rows {
	out := make(rows, len(r))
	for k, c := range r {
		out.of(key(k)).add(c)
	}
	return out
}

// A document is a day's record.
type document struct {
	Day     string           `json:"day"` // Pacific date
	Writers map[string]int64 `json:"writers"`
	Order   []string         `json:"order"` // of the writers, the last one last
	// Last are the last refusals and failures.
	Last []Trouble `json:"last,omitempty"`
	rows rows
}

// storedRow is a row in a record.
type storedRow struct {
	rowKey
	*Counts
}

type storedDocument struct {
	*document
	Rows []storedRow `json:"rows"`
}

// readDocument reads a day's record; nil: it has become a later day's. That of an earlier one,
// or what can't be read, makes way: what was used is for people to look at.
func readDocument(data []byte, of scheduler.Day) *document {
	d := &document{Day: of.String(), Writers: make(map[string]int64), rows: make(rows)}
	in := storedDocument{document: new(document)}
	switch err := json.Unmarshal(data, &in); {
	case err != nil || in.Day < d.Day:
		return d
	case in.Day > d.Day:
		return nil
	}
	if in.Writers != nil {
		d.Writers, d.Order = in.Writers, in.Order
	}
	d.Last = in.Last
	for _, row := range in.Rows {
		if row.Counts != nil {
			d.rows.of(row.rowKey).add(row.Counts)
		}
	}
	return d
}

// add adds what an instance counted, unless that addition, or a later one of the instance's,
// is in it already.
func (d *document) add(instance string, number int64, c *counted) {
	if d.Writers[instance] >= number {
		return
	}
	d.rows.addAll(c.rows)
	d.Last = newest(append(d.Last, c.last...))
	d.Writers[instance] = number
	d.Order = append(slices.DeleteFunc(d.Order, func(w string) bool { return w == instance }), instance)
	for len(d.Order) > maxWriters {
		delete(d.Writers, d.Order[0])
		d.Order = d.Order[1:]
	}
}

// encode returns the record's bytes: as fine as its age allows, and as its size does.
func (d *document) encode(of scheduler.Day, now time.Time) ([]byte, error) {
	d.rows = d.rows.rekeyed(func(k rowKey) rowKey {
		switch {
		case now.Sub(k.end()) > hourFor:
			return k.within(day, of)
		case now.Sub(k.end()) > fineFor:
			return k.within(hour, of)
		}
		return k
	})
	for _, coarser := range []func(rowKey) rowKey{
		nil,
		func(k rowKey) rowKey { return k.within(hour, of) },
		func(k rowKey) rowKey { return k.within(day, of) },
		func(k rowKey) rowKey { k.Project = Others; return k },
		func(k rowKey) rowKey { k.Caller = Others; return k },
		func(k rowKey) rowKey { k.Model = Others; return k },
	} {
		if coarser != nil {
			d.rows = d.rows.rekeyed(coarser)
		}
		out := storedDocument{document: d, Rows: make([]storedRow, 0, len(d.rows))}
		for _, k := range slices.SortedFunc(maps.Keys(d.rows), compareKeys) {
			out.Rows = append(out.Rows, storedRow{k, d.rows[k]})
		}
		data, err := json.Marshal(out)
		if err != nil || len(data) <= MaxBytes {
			return data, err
		}
	}
	return nil, errTooLarge
}

func compareKeys(a, b rowKey) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Span, b.Span), cmp.Compare(a.Project, b.Project), cmp.Compare(a.Model, b.Model),
		cmp.Compare(a.Caller, b.Caller))
}
