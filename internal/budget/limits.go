package budget

import (
	"strconv"
	"time"

	"fluxgate.dev/fluxgate/internal/usage/price"
	"fluxgate.dev/fluxgate/scheduler"
)

// Limits are the budget of one caller. Nil is no limit; 0 lets nothing through.
type Limits struct {
	TokensPerDay, TokensPerMonth   *int64 // input, output and thoughts
	DollarsPerDay, DollarsPerMonth *price.Pico
}

// None reports whether there is no budget at all.
func (l Limits) None() bool { return l == Limits{} }

// An Amount is how much is used, or may be.
type Amount struct {
	Tokens int64      `json:"t,omitempty"`
	Cost   price.Pico `json:"c,omitempty"`
}

func (a Amount) plus(b Amount) Amount  { return Amount{a.Tokens + b.Tokens, a.Cost + b.Cost} }
func (a Amount) minus(b Amount) Amount { return Amount{a.Tokens - b.Tokens, a.Cost - b.Cost} }

// within reports whether the amount is no more than another.
func (a Amount) within(b Amount) bool { return a.Tokens <= b.Tokens && a.Cost <= b.Cost }

// A Spent is what was used of a day and of a month.
type Spent struct {
	Day   Amount `json:"d"`
	Month Amount `json:"m"`
}

func (s Spent) plus(a Amount) Spent { return Spent{s.Day.plus(a), s.Month.plus(a)} }

// A limit is one number of a budget, with how much is used of it.
type limit struct {
	name string // as in FLUXGATE_CALLERS
	id   string // as in errors
	most int64  // tokens, or picodollars
	of   func(Amount) int64
	day  bool // else month
}

// each returns the limits that there are.
func (l Limits) each() (all []limit) {
	tokens := func(a Amount) int64 { return a.Tokens }
	cost := func(a Amount) int64 { return int64(a.Cost) }
	if l.TokensPerDay != nil {
		all = append(all, limit{"tokens_per_day", "TokensPerDayPerCaller", *l.TokensPerDay, tokens, true})
	}
	if l.TokensPerMonth != nil {
		all = append(all, limit{"tokens_per_month", "TokensPerMonthPerCaller", *l.TokensPerMonth, tokens, false})
	}
	if l.DollarsPerDay != nil {
		all = append(all, limit{"dollars_per_day", "DollarsPerDayPerCaller", int64(*l.DollarsPerDay), cost, true})
	}
	if l.DollarsPerMonth != nil {
		all = append(all, limit{"dollars_per_month", "DollarsPerMonthPerCaller", int64(*l.DollarsPerMonth), cost, false})
	}
	return all
}

// used returns how much of the limit's kind is used in its period.
func (l limit) used(s Spent) int64 {
	if l.day {
		return l.of(s.Day)
	}
	return l.of(s.Month)
}

// dollars reports whether the limit is one in dollars.
func (l limit) dollars() bool { return l.of(Amount{Cost: 1}) == 1 }

// told returns an amount of the limit's kind as people know it: tokens, or dollars.
func (l limit) told(n int64) float64 {
	if l.dollars() {
		return price.Pico(n).Dollars()
	}
	return float64(n)
}

// value is the limit in an error.
func (l limit) value() string { return l.text(l.most) }

// text is an amount of the limit's kind in an error.
func (l limit) text(n int64) string { return strconv.FormatFloat(l.told(n), 'f', -1, 64) }

// A period is a day and its month, in Pacific time.
type period struct {
	Day   string `json:"d"`
	Month string `json:"m"`
}

func periodOf(d scheduler.Day) period { return period{d.String(), d.String()[:len("2006-01")]} }

// A moment is the period at an instant, and the one that there was leasedFor before: what was
// leased in that may still be on its way.
type moment struct{ period, late period }

func momentOf(now scheduler.Instant) moment {
	return moment{periodOf(scheduler.DayOf(now)), periodOf(scheduler.DayOf(now.Add(-leasedFor)))}
}

// period returns when the day or month begins and ends that the limit is for.
func (l limit) period(now scheduler.Instant) (begin, end time.Time) {
	today := scheduler.DayOf(now)
	first, last := today, today
	of := periodOf(today)
	for !l.day && periodOf(first-1).Month == of.Month {
		first--
	}
	for !l.day && periodOf(last+1).Month == of.Month {
		last++
	}
	return (first - 1).End().Time(), last.End().Time()
}

// reset returns when what was used of the limit no longer counts.
func (l limit) reset(now scheduler.Instant) time.Time {
	_, end := l.period(now)
	return end
}
