package budget

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"fluxgate.dev/fluxgate/internal/usage/price"
	"fluxgate.dev/fluxgate/scheduler"
)

const (
	// parts is which part of what is left an instance may spend without asking.
	parts = 16
	// againAfter is how long who was refused is refused without asking again.
	againAfter = 5 * time.Second
	// failedFor is how long others fail at once after a record couldn't be had.
	failedFor = time.Second
)

// An account is what this instance knows of a caller's budget.
type account struct {
	caller string
	limits []limit
	turn   chan struct{} // held by who uses the rest

	instance string
	moment   moment // of the last roll
	now      row    // what was spent, as of now
	written  row    // what of that, with the lease, is in the record
	has      bool   // it is
	out      Amount // of shares that are out

	known   *record // for who only looks; nil: never read
	knownAt time.Time

	refused    *Refusal
	refusedAt  time.Time
	refusedFor Amount
	failed     error
	failedAt   time.Time
}

// roll begins another day or month when it has come.
func (a *account) roll(now scheduler.Instant) {
	a.moment = momentOf(now)
	p := a.moment.period
	if a.now.Period.Day != p.Day {
		a.now.Spent.Day = Amount{}
	}
	if a.now.Period.Month != p.Month {
		a.now.Spent.Month = Amount{}
	}
	a.now.Period = p
}

// leased reports whether so much more can be spent without asking.
func (a *account) leased(need Amount) bool {
	c, spent := a.written.covers(a.moment), a.now.Spent.plus(a.out).plus(need)
	return a.has && a.written.Period == a.now.Period && spent.Day.within(c.Day) && spent.Month.within(c.Month)
}

// over returns the limit that so much would go over, beside what others have spent: that with
// the latest reset; nil: none.
func (a *account) over(others, spent Spent, now scheduler.Instant) *limit {
	var worst *limit
	for i := range a.limits {
		l := &a.limits[i]
		if l.used(spent)+l.used(others) <= l.most && l.most > 0 {
			continue
		}
		if worst == nil || l.reset(now).After(worst.reset(now)) {
			worst = l
		}
	}
	return worst
}

// readFor is how long a record is taken for what it was by who only looks.
const readFor = time.Minute

// read has the record known, no older than readFor.
func (a *account) read(ctx context.Context, records Records, now scheduler.Instant) error {
	if a.known != nil && now.Time().Sub(a.knownAt) < readFor {
		return nil
	}
	data, err := records.Record(ctx, recordOf(a.caller))
	if err != nil {
		return err
	}
	r, err := readRecord(data)
	if err != nil {
		return err
	}
	a.known, a.knownAt = r, now.Time()
	return nil
}

// left says what is left of each limit beside what others spent, as far as is known.
func (a *account) left(now scheduler.Instant) (all []Left) {
	a.roll(now)
	others, spent := a.known.besides(a.instance, func(x row) Spent { return x.covers(a.moment) }), a.now.Spent.plus(a.out)
	for _, x := range a.limits {
		begin, end := x.period(now)
		all = append(all, Left{x.dollars(), x.name, x.told(x.most), x.told(max(0, x.most-x.used(spent)-x.used(others))), end, end.Sub(begin)})
	}
	return all
}

// refusal says what stands in the way of spending so much more, by what a record holds; nil:
// nothing.
func (a *account) refusal(r *record, need Amount, now scheduler.Instant) *Refusal {
	others := r.besides(a.instance, func(x row) Spent { return x.covers(a.moment) })
	worst := a.over(others, a.now.Spent.plus(a.out).plus(need), now)
	if worst == nil {
		return nil
	}
	refused := &Refusal{ID: worst.id, Value: worst.value(), Reset: worst.reset(now)}
	sure := r.besides(a.instance, func(x row) Spent { return x.sure(a.moment, now.Time()) })
	if a.over(sure, a.now.Spent.plus(need), now) == nil {
		// What is on its way was reckoned with, and may turn out to be less.
		refused.Reset = now.Time().Add(againAfter)
	}
	return refused
}

// extra is how much more than is needed may be leased.
func (a *account) extra(others Spent, need Amount) Amount {
	more := Amount{parts * need.Tokens, need.Cost * parts}
	spent := a.now.Spent.plus(a.out).plus(need)
	for _, l := range a.limits {
		left := (l.most - l.used(spent) - l.used(others)) / parts
		if l.dollars() {
			more.Cost = min(more.Cost, max(0, price.Pico(left)))
		} else {
			more.Tokens = min(more.Tokens, max(0, left))
		}
	}
	return more
}

// write brings the record up to date, with a lease for what is out and, with more, what is
// needed and something beyond. It returns what stands in the way, and writes nothing then.
func (a *account) write(ctx context.Context, records Records, need Amount, more bool, now scheduler.Instant) (*Refusal, error) {
	var refused *Refusal
	var next row
	_, err := records.UpdateRecord(ctx, recordOf(a.caller), func(data []byte) ([]byte, error) {
		r, err := readRecord(data)
		if err != nil {
			return nil, err
		}
		if a.has && !r.has(a.instance) {
			// It is among the others now, with all that it might have spent.
			a.afresh()
		}
		next, refused = a.now, nil
		next.Instance, next.Lease, next.At = a.instance, a.out, now.Time().Unix()
		if more {
			if refused = a.refusal(r, need, now); refused != nil {
				return data, nil
			}
			others := r.besides(a.instance, func(x row) Spent { return x.covers(a.moment) })
			next.Lease = a.out.plus(need).plus(a.extra(others, need))
		}
		r.put(next, a.moment)
		a.known, a.knownAt = r, now.Time()
		return json.Marshal(r)
	})
	if err != nil {
		return nil, fmt.Errorf("keep budget: %w", err)
	}
	if refused == nil {
		a.written, a.has = next, true
	}
	return refused, nil
}

// afresh begins another row: what was written of the last one counts as spent, and only what
// went beyond that is left to be told.
func (a *account) afresh() {
	c := a.written.covers(a.moment)
	beyond := func(spent, told Amount) Amount {
		return Amount{max(0, spent.Tokens-told.Tokens), max(0, spent.Cost-told.Cost)}
	}
	a.now.Spent = Spent{beyond(a.now.Spent.Day, c.Day), beyond(a.now.Spent.Month, c.Month)}
	a.has, a.instance = false, newInstance()
}
