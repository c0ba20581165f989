package budget

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fluxgate.dev/fluxgate/internal/usage/price"
	"fluxgate.dev/fluxgate/scheduler"
)

// Reckoned is how many tokens an answer is taken for until it is there, thoughts included.
const Reckoned = 8192

// A NeverError says that a request alone is more than its caller's budget: which of its limits, how
// much that is, and how much the request comes to at least, as a Refusal tells them.
type NeverError struct{ ID, Value, Needs string }

func (e *NeverError) Error() string {
	return fmt.Sprintf("the request alone comes to %s, more than the caller's budget (%s, limit: %s)", e.Needs, e.ID, e.Value)
}

// Records is the part of a store that budgets are kept in.
type Records interface {
	Record(ctx context.Context, name string) ([]byte, error)
	UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error)
}

// Options are what a Ledger works with. All but Prices are required.
type Options struct {
	Records Records
	Now     func() scheduler.Instant
	// Budgets are those of the callers that have one, by name.
	Budgets map[string]Limits
	// Prices are those that are set, in place of the built-in ones.
	Prices price.Table
}

// A Ledger knows what callers may still spend. It is safe for use by any number of
// goroutines; of the nil one nobody has a budget.
type Ledger struct {
	records  Records
	clock    func() scheduler.Instant
	prices   *price.Daily
	accounts map[string]*account
}

// New returns a ledger.
func New(o Options) *Ledger {
	l := &Ledger{records: o.Records, clock: o.Now, prices: price.NewDaily(o.Prices), accounts: make(map[string]*account, len(o.Budgets))}
	for name, b := range o.Budgets {
		if !b.None() {
			l.accounts[name] = &account{caller: name, limits: b.each(), turn: make(chan struct{}, 1), instance: newInstance()}
		}
	}
	return l
}

func newInstance() string { return rand.Text()[:8] }

// A Refusal says which budget is used up, and until when: by what is on its way, until that
// may have turned out to be less than was reckoned.
type Refusal struct {
	ID, Value string // of the limit, as errors name it: DollarsPerDayPerCaller, 5
	Reset     time.Time
}

// A Share is what one request may spend. The nil one is that of a caller without a budget.
type Share struct {
	account *account
	amount  Amount
}

// Take reckons with a request of so many input tokens to one of these models. It returns a
// share, which is to be given back, or what stands in the way. The error is a *NeverError, or the
// store's.
func (l *Ledger) Take(ctx context.Context, caller string, models []string, input int64) (*Share, *Refusal, error) {
	a := l.of(caller)
	if a == nil {
		return nil, nil, nil
	}
	need, err := l.need(a, models, input)
	if err != nil {
		return nil, nil, err
	}
	if err := a.begin(ctx); err != nil {
		return nil, nil, err
	}
	defer a.end()
	now := l.clock()
	a.roll(now)
	switch {
	case a.over(Spent{}, a.now.Spent.plus(a.out).plus(need), now) == nil && a.leased(need):
	case a.refused != nil && now.Time().Sub(a.refusedAt) < againAfter && now.Time().Before(a.refused.Reset) && a.refusedFor.within(need):
		return nil, a.refused, nil
	case a.failed != nil && now.Time().Sub(a.failedAt) < failedFor:
		return nil, nil, a.failed
	default:
		refused, err := a.write(ctx, l.records, need, true, now)
		if err != nil {
			if ctx.Err() == nil { // that a caller left says nothing of the record
				a.failed, a.failedAt = err, now.Time()
			}
			return nil, nil, err
		}
		a.failed = nil
		if a.refused, a.refusedAt, a.refusedFor = refused, now.Time(), need; refused != nil {
			return nil, refused, nil
		}
	}
	a.out = a.out.plus(need)
	return &Share{a, need}, nil, nil
}

// Would says what would stand in the way of such a request now, and takes nothing. What other
// instances spent may be a minute old.
func (l *Ledger) Would(ctx context.Context, caller string, models []string, input int64) (*Refusal, error) {
	a := l.of(caller)
	if a == nil {
		return nil, nil
	}
	need, err := l.need(a, models, input)
	if err != nil {
		return nil, err
	}
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	defer a.end()
	now := l.clock()
	if err := a.read(ctx, l.records, now); err != nil {
		return nil, err
	}
	a.roll(now)
	if a.over(Spent{}, a.now.Spent.plus(a.out).plus(need), now) == nil && a.leased(need) {
		return nil, nil
	}
	return a.refusal(a.known, need, now), nil
}

// need is what is reckoned with of a request: an answer of Reckoned tokens, but no more than a
// budget allows at all. The error is a *NeverError.
func (l *Ledger) need(a *account, models []string, input int64) (Amount, error) {
	table := l.prices.At(l.clock().Time())
	least, need := reckon(table, models, input, 0), reckon(table, models, input, Reckoned)
	for _, x := range a.limits {
		switch {
		case x.most > 0 && x.of(least) > x.most:
			return need, &NeverError{x.id, x.value(), x.text(x.of(least))}
		case x.dollars():
			need.Cost = min(need.Cost, price.Pico(x.most))
		default:
			need.Tokens = min(need.Tokens, x.most)
		}
	}
	return need, nil
}

// GiveBack ends what was reckoned with; a second time, and after Keep, it does nothing. What
// was really used is told by Spend, before.
func (s *Share) GiveBack() {
	if s == nil || s.amount == (Amount{}) {
		return
	}
	_ = s.account.begin(context.Background())
	s.account.out = s.account.out.minus(s.amount)
	s.amount = Amount{}
	s.account.end()
}

// Keep counts what was reckoned with as spent: the request may have been answered, and nobody
// knows with how much.
func (s *Share) Keep() {
	if s == nil {
		return
	}
	_ = s.account.begin(context.Background())
	s.account.out = s.account.out.minus(s.amount)
	s.account.now.Spent = s.account.now.Spent.plus(s.amount)
	s.amount = Amount{}
	s.account.end()
}

// Output is what the output of an answer counts as: no less than it was reckoned with where the
// answer doesn't tell all of it, or to leave out what tells it would cost less.
func Output(told int64, untold bool) int64 {
	if untold {
		return max(told, Reckoned)
	}
	return told
}

// Spend counts an answer of a model: cached are those of the input tokens that a cached
// content held, and output has the thoughts in it.
func (l *Ledger) Spend(caller, model string, input, cached, output int64) {
	l.spend(caller, func(now time.Time) Amount {
		return Amount{input + output, costOf(l.prices.At(now), model, input, cached, output)}
	})
}

// SpendBatch is Spend for an answer of a batch.
func (l *Ledger) SpendBatch(caller, model string, input, cached, output int64) {
	l.spend(caller, func(now time.Time) Amount {
		return Amount{input + output, costOf(l.prices.BatchAt(now), model, input, cached, output)}
	})
}

// SpendBeyond is Spend for the end of an answer that was counted when it began, as one of Reckoned
// tokens to so many input tokens: what is more counts.
func (l *Ledger) SpendBeyond(caller, model string, input, cached, output, before int64) {
	l.spend(caller, func(now time.Time) Amount {
		table := l.prices.At(now)
		cost := costOf(table, model, input, cached, output) - costOf(table, model, before, 0, Reckoned)
		return Amount{max(0, input+output-before-Reckoned), max(0, cost)}
	})
}

// spend counts an amount at the prices of now.
func (l *Ledger) spend(caller string, amount func(now time.Time) Amount) {
	a := l.of(caller)
	if a == nil {
		return
	}
	spent := amount(l.clock().Time())
	_ = a.begin(context.Background())
	defer a.end()
	a.roll(l.clock())
	a.now.Spent = a.now.Spent.plus(spent)
}

// A Left is how one limit of a budget stands: in tokens, or in dollars.
type Left struct {
	Dollars bool      `json:"-"`
	Name    string    `json:"name"` // as in FLUXGATE_CALLERS
	Limit   float64   `json:"limit"`
	Left    float64   `json:"left"`
	Resets  time.Time `json:"resets_at"`
	// Period is how long the day or month is that it is for.
	Period time.Duration `json:"-"`
}

// Left says what is left of a caller's budget, with what is on its way and leased counted as
// spent; none if it has none. What other instances spent may be a minute old.
func (l *Ledger) Left(ctx context.Context, caller string) ([]Left, error) {
	a := l.of(caller)
	if a == nil {
		return nil, nil
	}
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	defer a.end()
	now := l.clock()
	if err := a.read(ctx, l.records, now); err != nil {
		return nil, err
	}
	return a.left(now), nil
}

// Bounds reports whether a caller has budgets.
func (l *Ledger) Bounds(caller string) bool { return l.of(caller) != nil }

// Known is Left without asking the store: as this instance last knew what others spent; none
// before it first did.
func (l *Ledger) Known(caller string) []Left {
	a := l.of(caller)
	if a == nil {
		return nil
	}
	_ = a.begin(context.Background())
	defer a.end()
	if a.known == nil {
		return nil
	}
	return a.left(l.clock())
}

// Flush writes what was spent, and gives back what is leased and isn't on its way.
func (l *Ledger) Flush(ctx context.Context) error {
	if l == nil {
		return nil
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(l.accounts)) {
		problems = append(problems, l.flush(ctx, l.accounts[name]))
	}
	return errors.Join(problems...)
}

func (l *Ledger) flush(ctx context.Context, a *account) error {
	if err := a.begin(ctx); err != nil {
		return err
	}
	defer a.end()
	now := l.clock()
	a.roll(now)
	if told := a.now; !a.has && told.Spent == (Spent{}) || a.has && a.written.Period == told.Period && a.written.Spent == told.Spent && a.written.Lease == a.out {
		return nil
	}
	_, err := a.write(ctx, l.records, Amount{}, false, now)
	return err
}

// of returns the account of a caller; nil: it has no budget.
func (l *Ledger) of(caller string) *account {
	if l == nil {
		return nil
	}
	return l.accounts[caller]
}

// begin waits until nobody else uses the account.
func (a *account) begin(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *account) end() { <-a.turn }

// reckon is what a request comes to at most, of these models.
func reckon(table price.Table, models []string, input, output int64) (most Amount) {
	for _, model := range models {
		out := output
		if scheduler.FamilyOf(model) == scheduler.Embedding {
			out = 0
		}
		most = Amount{max(most.Tokens, input+out), max(most.Cost, costOf(table, model, input, 0, out))}
	}
	return most
}

// costOf is what an answer costs, of a model without a price as if the dearest had answered.
func costOf(table price.Table, model string, input, cached, output int64) price.Pico {
	if cost, priced := table.Cost(model, input, cached, output); priced {
		return cost
	}
	return table.Dearest(input, cached, output)
}
