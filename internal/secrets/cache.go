package secrets

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// Options tune a [Cache]. The zero value of every field means its default.
type Options struct {
	// TTL is how long a list is used before it is read again, give or take 10%
	// so that instances that started together don't ask together. Default 5m; Fluxgate's own is FLUXGATE_SECRETS_TTL.
	TTL time.Duration
	// MinReload is the least time between two readings that Reload causes.
	// Default 10s.
	MinReload time.Duration
	// Timeout is the deadline of one reading. Default 10s.
	Timeout time.Duration
	// Now is the clock. Default [time.Now].
	Now func() time.Time
	// Rand returns a random number in [0, 1). Default [rand.Float64].
	Rand func() float64
	// Logger gets what changed, warnings and failures. Default [slog.Default].
	Logger *slog.Logger
}

// WithDefaults returns o with every default put in.
func (o Options) WithDefaults() Options {
	if o.TTL <= 0 {
		o.TTL = 5 * time.Minute
	}
	if o.MinReload <= 0 {
		o.MinReload = 10 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

const (
	// refreshWait is how long a caller waits for a refresh when there is an older
	// list to go on with.
	refreshWait = time.Second
	// retryStale is the time to the next attempt after a refresh failed.
	retryStale = 30 * time.Second
	// retryEmpty is the same before there is any list. It keeps a burst of
	// requests from asking one after another for what was just refused.
	retryEmpty = time.Second
)

// A List is what a [Cache] keeps. Once read it is never changed.
type List interface {
	// Len is the number of entries, for the log.
	Len() int
}

// A Source is where a [Cache] has its list from.
type Source[L List] struct {
	// Name is what the entries are, in the plural and for people: "keys".
	Name string
	// Load reads the list. Its error may be logged.
	Load func(context.Context) (L, error)
	// Changed, if not nil, is called after every reading that succeeded, one at a
	// time. Had tells whether there was a list before.
	Changed func(ctx context.Context, old L, had bool, now L)
}

// A Cache is a list that is read again when it is older than its TTL or when
// its user asks for that. When reading fails it goes on with the list it has,
// however old.
//
// It starts no goroutine of its own accord; a reading is shared by all who wait
// for it, lasts at most Options.Timeout and outlives the request that caused it.
// It is safe for use by any number of goroutines.
type Cache[L List] struct {
	src  Source[L]
	opts Options

	current  atomic.Pointer[cached[L]] // nil until the first success
	readings singleflight.Group        // with one key: one reading at a time
	running  atomic.Bool               // one is under way
	began    atomic.Int64              // when the latest began, in Unix nanoseconds

	// Of the latest reading that failed while there was no list; for readings only.
	failed   error
	failedAt time.Time
}

// What is cached is never changed once it is published, but for when it is due.
type cached[L List] struct {
	list L
	due  atomic.Int64 // when it is to be read again, in Unix nanoseconds
}

// NewCache returns a cache of src. It reads nothing yet.
func NewCache[L List](src Source[L], opts Options) *Cache[L] {
	return &Cache[L]{src: src, opts: opts.WithDefaults()}
}

// Get returns the list, after reading it again when that is due. It fails only
// while there never was one: with the error of the source, or of ctx when that
// ends first.
func (c *Cache[L]) Get(ctx context.Context) (L, error) {
	h := c.current.Load()
	if h == nil {
		return c.read(ctx, nil, "")
	}
	// Whoever finds that the list is due reads it, and puts that off for the
	// others, who go on with the list that there is.
	now, due := c.opts.Now(), h.due.Load()
	if now.UnixNano() < due || !h.due.CompareAndSwap(due, now.Add(c.opts.Timeout).UnixNano()) {
		return h.list, nil
	}
	ctx, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	return c.read(ctx, h, "")
}

// Reload reads the list again because it seems to be out of date. Within
// MinReload of the last reading it begins none, but waits for one that is under
// way. It returns the list as it is then, with the same errors as Get. The
// reason is logged; it must hold no secret.
func (c *Cache[L]) Reload(ctx context.Context, reason string) (L, error) {
	h := c.current.Load()
	if h != nil && !c.running.Load() && c.opts.Now().Sub(time.Unix(0, c.began.Load())) < c.opts.MinReload {
		return h.list, nil
	}
	return c.read(ctx, h, reason)
}

// read returns the list after the reading that is under way, or one that it
// begins: for a caller that has seen old and, unless that is due, for a reason.
// The end of ctx ends the wait early, which is an error only if there is no list.
func (c *Cache[L]) read(ctx context.Context, old *cached[L], reason string) (none L, err error) {
	// Others wait for it too, so it doesn't end with the request that began it.
	detached := context.WithoutCancel(ctx)
	done := c.readings.DoChan("", func() (any, error) {
		c.running.Store(true)
		defer c.running.Store(false)
		ctx, cancel := context.WithTimeout(detached, c.opts.Timeout)
		defer cancel()
		return nil, c.load(ctx, old, reason)
	})
	select {
	case result := <-done:
		err = result.Err
	case <-ctx.Done():
		err = fmt.Errorf("wait for the %s: %w", c.src.Name, context.Cause(ctx))
	}
	if h := c.current.Load(); h != nil {
		return h.list, nil
	}
	return none, err
}

// load calls the source, unless somebody else has done so since old was seen, or
// has just failed to. It is called by one goroutine at a time.
func (c *Cache[L]) load(ctx context.Context, old *cached[L], reason string) error {
	began := c.opts.Now()
	switch {
	case c.current.Load() != old:
		return nil
	case old == nil && c.failed != nil && began.Sub(c.failedAt) < retryEmpty:
		return c.failed
	case old != nil && reason != "":
		c.opts.Logger.InfoContext(ctx, "reading the "+c.src.Name+" again", "reason", reason)
	}
	c.began.Store(began.UnixNano())
	list, err := c.src.Load(ctx)
	now := c.opts.Now()
	switch {
	case err == nil:
		c.hold(list, now.Add(c.jitter(c.opts.TTL)))
		c.report(ctx, old, list)
	case old == nil:
		c.failed, c.failedAt = fmt.Errorf("load the %s: %w", c.src.Name, err), now
		return c.failed
	default:
		c.hold(old.list, now.Add(c.jitter(min(retryStale, c.opts.TTL))))
		c.opts.Logger.ErrorContext(ctx, "the "+c.src.Name+" could not be read again; those in use stay",
			c.src.Name, old.list.Len(), "error", err)
	}
	return nil
}

func (c *Cache[L]) hold(list L, due time.Time) {
	h := &cached[L]{list: list}
	h.due.Store(due.UnixNano())
	c.current.Store(h)
}

func (c *Cache[L]) report(ctx context.Context, old *cached[L], list L) {
	if c.src.Changed == nil {
		return
	}
	if old == nil {
		var none L
		c.src.Changed(ctx, none, false, list)
		return
	}
	c.src.Changed(ctx, old.list, true, list)
}

func (c *Cache[L]) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*c.opts.Rand()))
}
