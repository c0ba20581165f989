package policy

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"fluxgate.dev/fluxgate/internal/upstream"
)

const (
	// MaxAge is how long reported numbers count, and how old numbers and list get before they are asked for again.
	MaxAge = 7 * 24 * time.Hour
	// RetryAfter is how long a failed attempt is left alone, unless it is forced.
	RetryAfter = time.Hour
	// LeaseTime is how long others leave it to an instance that began to refresh: longer than the times below together.
	LeaseTime = time.Minute
	// CacheTime is how old the record may be in an instance.
	CacheTime = 10 * time.Second
	// AskTime and ListTime bound the two requests, saveTime the write of what they brought, readTime a read of the record.
	AskTime  = 40 * time.Second
	ListTime = 8 * time.Second
	saveTime = 10 * time.Second
	readTime = 10 * time.Second
)

// Store is what a Keeper needs of the store.
type Store interface {
	// Record returns a record's data; nil if there is none.
	Record(ctx context.Context, name string) ([]byte, error)
	// UpdateRecord changes a record in a transaction and returns what it then holds. The function may run more than
	// once. Its error is returned as it is, and then nothing is written.
	UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error)
}

// Options configure a [Keeper].
type Options struct {
	// Store keeps the record. Required.
	Store Store
	// Ask sends the request for the numbers, once it was admitted like any other ([TokenBound] says for how many
	// tokens), and chooses its model among those given, which exist as far as is known, best first. It must not retry,
	// and must end with its context. Required.
	Ask func(ctx context.Context, question upstream.Prompt, models []string) (*upstream.Reply, error)
	// List returns the models list. Required.
	List func(context.Context) ([]upstream.Model, error)
	// Chain returns the chain that the operator has set; empty: none, so that the discovered one is asked for.
	// Default: none.
	Chain func(context.Context) []string
	// Now returns the store's time, which instances agree on. Default: time.Now.
	Now func() time.Time
	// Logger is told of refreshes, failures and refused numbers. Default: none.
	Logger *slog.Logger
}

// Keeper reads and refreshes the record. It is safe for concurrent use.
type Keeper struct {
	opts Options

	reads  singleflight.Group // with one key: whoever reads the record reads it for all
	mu     sync.Mutex
	known  bool
	read   time.Time // by the local clock
	cached Reported
}

// New returns a keeper. It asks for nothing yet.
func New(opts Options) *Keeper {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Chain == nil {
		opts.Chain = func(context.Context) []string { return nil }
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Keeper{opts: opts}
}

// Current returns what is known, at most [CacheTime] old. It reads the record at most once in that time, whatever the
// number of callers. With an error of the store comes what was known last.
func (k *Keeper) Current(ctx context.Context) (Reported, error) {
	if known, ok := k.fresh(); ok {
		return known, nil
	}
	// Others wait for it too, so it doesn't end with the request that began it.
	detached := context.WithoutCancel(ctx)
	done := k.reads.DoChan(RecordName, func() (any, error) {
		ctx, cancel := context.WithTimeout(detached, readTime)
		defer cancel()
		return k.load(ctx)
	})
	select {
	case result := <-done:
		return result.Val.(Reported), result.Err
	case <-ctx.Done():
		return k.last(), ctx.Err()
	}
}

// load reads the record, unless somebody else has done so meanwhile.
func (k *Keeper) load(ctx context.Context) (Reported, error) {
	if known, ok := k.fresh(); ok {
		return known, nil
	}
	return k.Latest(ctx)
}

// Latest is Current of the record as it is now.
func (k *Keeper) Latest(ctx context.Context) (Reported, error) {
	asked := time.Now()
	data, err := k.opts.Store.Record(ctx, RecordName)
	if err != nil {
		return k.last(), err
	}
	return k.remember(asked, data).Reported, nil
}

func (k *Keeper) fresh() (Reported, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cached, k.known && time.Since(k.read) < CacheTime
}

func (k *Keeper) last() Reported {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cached
}

// remember keeps what the record held when it was asked for, unless something later is remembered.
func (k *Keeper) remember(asked time.Time, data []byte) record {
	rec, readable := decode(data)
	if !readable {
		k.opts.Logger.Warn("the record of the reported policy can't be read and is taken for empty")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known || !asked.Before(k.read) {
		k.known, k.read, k.cached = true, asked, rec.Reported
	}
	return rec
}

// Why a refresh isn't begun.
var (
	errNotDue = errors.New("policy: not due")
	errHeld   = errors.New("policy: another instance is at it")
)

// Refresh does what is due, or all of it with force, and returns what is then known. It doesn't do it while another
// call, of whatever instance, is at it: ran is false then, and what is returned is from before that. An answer that is of
// no use is not an error but part of the result, and so is that ctx ended before the answer: the request may have been
// billed all the same. An error means that the store failed; with it comes what was known last.
func (k *Keeper) Refresh(ctx context.Context, force bool) (known Reported, ran bool, err error) {
	return k.refresh(ctx, func(r *Reported) halves {
		now := k.opts.Now()
		return halves{numbers: force || r.numbersDue(now), list: force || r.listDue(now)}
	})
}

// Relist is Refresh of the list alone, for somebody who found a model of the chain gone. It is due [RetryAfter] after the
// list was last asked for, however often that happens.
func (k *Keeper) Relist(ctx context.Context) (known Reported, ran bool, err error) {
	return k.refresh(ctx, func(r *Reported) halves {
		return halves{list: k.opts.Now().Sub(r.ListTriedAt) >= RetryAfter}
	})
}

// halves says which of the two is to be asked for.
type halves struct{ numbers, list bool }

// refresh asks for what is due.
func (k *Keeper) refresh(ctx context.Context, due func(*Reported) halves) (known Reported, ran bool, err error) {
	known, err = k.Current(ctx)
	if err != nil {
		return known, false, err
	}
	if due(&known) == (halves{}) {
		return known, false, nil
	}
	holder := rand.Text()
	rec, err := k.acquireLease(ctx, holder, due)
	switch {
	case errors.Is(err, errNotDue), errors.Is(err, errHeld):
		return rec.Reported, false, nil
	case err != nil:
		return k.last(), false, err
	}
	known, err = k.save(ctx, holder, k.askForWhatIsDue(ctx, rec.Reported, due(&rec.Reported)))
	return known, true, err
}

// acquireLease takes the lease, and returns the record as it was found.
func (k *Keeper) acquireLease(ctx context.Context, holder string, due func(*Reported) halves) (record, error) {
	var found record
	asked := time.Now()
	data, err := k.opts.Store.UpdateRecord(ctx, RecordName, func(data []byte) ([]byte, error) {
		rec, _ := decode(data)
		found = rec // of the run that counts, which is the last
		now := k.opts.Now()
		switch {
		case rec.leasedToAnother(holder, now):
			return nil, errHeld
		case due(&rec.Reported) == (halves{}):
			return nil, errNotDue
		}
		rec.Lease = &lease{Holder: holder, Until: stamp(now.Add(LeaseTime))}
		return rec.encode(), nil
	})
	switch {
	case err == nil:
		return k.remember(asked, data), nil
	case errors.Is(err, errNotDue), errors.Is(err, errHeld):
		k.remember(asked, found.encode())
	}
	return found, err
}

// stamp is an instant as the record has it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// refreshed is what one refresh brought.
type refreshed struct {
	listed, asked bool
	listing
	listErr error
	models  map[string]Limits
	refused []Refusal
	askErr  error
}

// askForWhatIsDue asks Gemini for what is due. The list comes first, so that the numbers of a model just discovered are asked for.
func (k *Keeper) askForWhatIsDue(ctx context.Context, known Reported, due halves) (f refreshed) {
	chain, listed := known.Chain, known.Windows
	if due.list {
		f.listed = true
		f.listing, f.listErr = k.list(ctx, known.Retiring)
		if f.listErr == nil {
			chain, listed = f.chain, f.windows
		}
	}
	if set := k.opts.Chain(ctx); len(set) > 0 {
		chain = set
	}
	if due.numbers && ctx.Err() == nil {
		f.asked = true
		asked := modelsToAsk(chain)
		var resp *upstream.Reply
		if resp, f.askErr = k.ask(ctx, asked, existing(asked, listed)); f.askErr == nil {
			f.models, f.refused, f.askErr = parseAnswer(resp, asked)
		}
	}
	return f
}

var errNoModels = errors.New("the models list names no text model")

// A listing is what is taken of a models list.
type listing struct {
	chain, sessions []string
	windows         map[string]int64
}

func (k *Keeper) list(ctx context.Context, retiring map[string]time.Time) (l listing, err error) {
	ctx, cancel := context.WithTimeout(ctx, ListTime)
	defer cancel()
	models, err := k.opts.List(ctx)
	if err != nil {
		return l, timeout(ctx, err, "the models list", ListTime)
	}
	now := k.opts.Now()
	l = listing{discover(models, retiring, now), sessionsOf(models, retiring, now), windows(models)}
	if len(l.chain) == 0 {
		return listing{}, errNoModels
	}
	return l, nil
}

// existing are those of the models that the list names, or all if it names none of them.
func existing(models []string, listed map[string]int64) []string {
	if there := slices.DeleteFunc(slices.Clone(models), func(m string) bool { return listed[m] == 0 }); len(there) > 0 {
		return there
	}
	return models
}

func (k *Keeper) ask(ctx context.Context, models, of []string) (*upstream.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, AskTime)
	defer cancel()
	resp, err := k.opts.Ask(ctx, limitsRequest(models), of)
	if err != nil {
		return nil, timeout(ctx, err, "the answer", AskTime)
	}
	return resp, nil
}

// timeout names the usual failure in words that are worth showing.
func timeout(ctx context.Context, err error, what string, limit time.Duration) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New(what + " didn't come in time, " + limit.String() + " at most")
	case ctx.Err() != nil:
		return errors.New("given up before " + what + " came")
	}
	return err
}

// maxError bounds an error in the record, in bytes.
const maxError = 300

// save writes what was found and ends the lease, even for a caller that has gone: otherwise everybody would wait for its
// lease to end, and a failure would be forgotten.
func (k *Keeper) save(ctx context.Context, holder string, f refreshed) (Reported, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	now, asked := stamp(k.opts.Now()), time.Now()
	written, lost := false, false
	data, err := k.opts.Store.UpdateRecord(ctx, RecordName, func(data []byte) ([]byte, error) {
		rec, _ := decode(data)
		if rec.Lease == nil || rec.Lease.Holder != holder {
			// This ran before, and its reply was lost; or we were too slow, another instance began anew, and what it
			// found or is going to find is newer.
			lost = !written
			return data, nil
		}
		rec.Lease, written = nil, true
		f.applyTo(&rec.Reported, now)
		return rec.encode(), nil
	})
	if err != nil {
		return k.last(), err
	}
	if lost {
		k.opts.Logger.Warn("what was found about the policy came too late and is dropped")
	}
	k.log(f)
	return k.remember(asked, data).Reported, nil
}

// applyTo puts what was found in the record. What a failed attempt can't replace stays.
func (f *refreshed) applyTo(r *Reported, now time.Time) {
	if f.listed {
		r.ListTriedAt, r.ListError = now, message(f.listErr)
		if f.listErr == nil {
			r.ListedAt, r.Chain, r.Sessions, r.Windows = now, f.chain, f.sessions, f.windows
		}
	}
	if f.asked {
		r.TriedAt, r.Error, r.Refused = now, message(f.askErr), f.refused
		if f.askErr == nil {
			r.At, r.Models = now, f.models
		}
	}
	if !r.At.IsZero() && now.Sub(r.At) >= MaxAge {
		r.Models = nil
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return clip(err.Error(), maxError)
}

func (k *Keeper) log(f refreshed) {
	switch {
	case !f.listed:
	case f.listErr != nil:
		k.opts.Logger.Warn("the models list is of no use", "error", f.listErr)
	default:
		k.opts.Logger.Info("the models list was read", "chain", f.chain, "sessions", f.sessions)
	}
	if !f.asked {
		return
	}
	for _, r := range f.refused {
		k.opts.Logger.Warn("a reported limit is refused", "model", r.Model, "limit", r.Limit, "value", string(r.Value),
			"least", r.Least, "most", r.Most)
	}
	if f.askErr != nil {
		k.opts.Logger.Warn("Gemini reported no limits", "error", f.askErr)
		return
	}
	k.opts.Logger.Info("Gemini reported limits", "models", len(f.models), "refused", len(f.refused))
}
