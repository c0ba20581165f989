package budget

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// maxRows bounds the instances that a record tells apart.
const maxRows = 32

// A row is what one instance wrote last: all that it has spent, so that writing it again
// changes nothing, and what it may spend beyond that without asking.
type row struct {
	Instance string `json:"i"`
	Period   period `json:"of"`
	Spent    Spent  `json:"spent"`
	Lease    Amount `json:"lease"`
	At       int64  `json:"at"` // Unix seconds
}

// leasedFor is how long what is leased may be on its way and come back: no request lasts
// longer. After that it counts as spent.
const leasedFor = time.Hour

// covers is how much the instance may have spent by what is written of it. What is leased is
// of its own day and month, and while it may be on its way of those that come after.
func (r row) covers(m moment) Spent {
	s := r.settled(m.period)
	switch {
	case r.Period.Day == m.period.Day || r.Period.Day == m.late.Day:
		return s.plus(r.Lease)
	case r.Period.Month == m.period.Month:
		s.Month = s.Month.plus(r.Lease)
	}
	return s
}

// sure is covers without what may yet come back.
func (r row) sure(m moment, now time.Time) Spent {
	if now.Unix()-r.At >= int64(leasedFor/time.Second) {
		return r.covers(m)
	}
	return r.settled(m.period)
}

// settled is what the instance has spent.
func (r row) settled(p period) (s Spent) {
	if r.Period.Day == p.Day {
		s.Day = r.Spent.Day
	}
	if r.Period.Month == p.Month {
		s.Month = r.Spent.Month
	}
	return s
}

// A record is what all instances keep of a caller.
type record struct {
	Rows []row `json:"rows"` // the one that was written last is last
	// Others is of the instances that are no longer told apart.
	Others row `json:"others"`
}

// recordOf returns the name of a caller's record. What callers are called, such as by an email
// address, isn't what records may be.
func recordOf(caller string) string {
	sum := sha256.Sum256([]byte(caller))
	return "budget-" + hex.EncodeToString(sum[:16])
}

func readRecord(data []byte) (*record, error) {
	r := new(record)
	if len(data) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(data, r); err != nil {
		// Whoever can't read what was spent lets nothing be spent.
		return nil, fmt.Errorf("read budget: %w", err)
	}
	return r, nil
}

// has reports whether an instance has a row.
func (r *record) has(instance string) bool {
	return slices.ContainsFunc(r.Rows, func(x row) bool { return x.Instance == instance })
}

// besides adds up what is counted of all but an instance.
func (r *record) besides(instance string, count func(row) Spent) Spent {
	sum := count(r.Others)
	for _, x := range r.Rows {
		if x.Instance != instance {
			c := count(x)
			sum = Spent{sum.Day.plus(c.Day), sum.Month.plus(c.Month)}
		}
	}
	return sum
}

// put writes the row of an instance. Rows of which nothing counts any more go, and the oldest
// that are too many are summed.
func (r *record) put(x row, m moment) {
	r.Rows = slices.DeleteFunc(r.Rows, func(o row) bool { return o.Instance == x.Instance || o.covers(m) == Spent{} })
	r.Rows = append(r.Rows, x)
	if len(r.Rows) > maxRows {
		was, gone := r.Others.covers(m), r.Rows[0].covers(m)
		r.Others = row{Period: x.Period, Spent: Spent{was.Day.plus(gone.Day), was.Month.plus(gone.Month)}}
		r.Rows = r.Rows[1:]
	}
}
