package secrets

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Options tune a [Cache]. The zero value of every field means its default.
type Options struct {
	// TTL is how long a list is used before it is read again, give or take 10%
	// so that instances that started together don't ask together. Default 5m.
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
	// patience is how long a caller waits for a refresh when there is an older
	// list to go on with.
	patience = time.Second
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
// It starts no goroutine of its own accord; a reading lasts at most
// Options.Timeout and outlives the request that caused it. It is safe for use
// by any number of goroutines.
type Cache[L List] struct {
	src  Source[L]
	opts Options

	current atomic.Pointer[held[L]] // nil until the first success

	mu       sync.Mutex
	reading  *reading  // the one under way, or nil
	began    time.Time // when the latest reading began
	failed   error     // why there is no list, as long as there is none
	failedAt time.Time
}

// What is held is never changed once it is published.
type held[L List] struct {
	list L
	due  time.Time // when it should be read again
}

// A reading is one call of the source, shared by all who wait for it.
type reading struct {
	done chan struct{} // closed at the end
	err  error         // valid after done
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
	if h != nil && c.opts.Now().Before(h.due) {
		return h.list, nil
	}
	r, mine, err := c.refresh(ctx)
	switch {
	case err != nil:
		var none L
		return none, err
	case h == nil:
		return c.wait(ctx, r, nil)
	case mine:
		limit := time.NewTimer(patience)
		defer limit.Stop()
		return c.wait(ctx, r, limit.C)
	}
	// Somebody else is seeing to it, or has just done so.
	return c.wait(ctx, nil, nil)
}

// Reload reads the list again because it seems to be out of date. Within
// MinReload of the last reading it does nothing. It returns the list as it is
// then, with the same errors as Get. The reason is logged; it must hold no
// secret.
func (c *Cache[L]) Reload(ctx context.Context, reason string) (L, error) {
	if c.current.Load() == nil {
		return c.Get(ctx)
	}
	c.mu.Lock()
	r := c.reading
	if r == nil && c.opts.Now().Sub(c.began) >= c.opts.MinReload {
		c.opts.Logger.InfoContext(ctx, "reading the "+c.src.Name+" again", "reason", reason)
		r = c.read(ctx)
	}
	c.mu.Unlock()
	return c.wait(ctx, r, nil)
}

// Peek returns the list in use, if there is one, without reading anything.
func (c *Cache[L]) Peek() (list L, ok bool) {
	if h := c.current.Load(); h != nil {
		return h.list, true
	}
	return list, false
}

// refresh returns the reading under way, or begins one and says so. It returns
// nil when meanwhile the list isn't due any more, and the last error shortly
// after a first reading failed.
func (c *Cache[L]) refresh(ctx context.Context) (r *reading, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading != nil {
		return c.reading, false, nil
	}
	now := c.opts.Now()
	h := c.current.Load()
	if h != nil && now.Before(h.due) {
		return nil, false, nil
	}
	if h == nil && c.failed != nil && now.Sub(c.failedAt) < retryEmpty {
		return nil, false, c.failed
	}
	return c.read(ctx), true, nil
}

// read begins a reading. The caller holds mu.
func (c *Cache[L]) read(ctx context.Context) *reading {
	r := &reading{done: make(chan struct{})}
	c.reading, c.began = r, c.opts.Now()
	// Others wait for it too, so it doesn't end with the request that began it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.Timeout)
	go func() {
		defer cancel()
		list, err := c.src.Load(ctx)
		c.finish(ctx, r, list, err)
	}()
	return r
}

func (c *Cache[L]) finish(ctx context.Context, r *reading, list L, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, old := c.opts.Now(), c.current.Load()
	switch {
	case err == nil:
		c.current.Store(&held[L]{list, now.Add(c.jitter(c.opts.TTL))})
		c.report(ctx, old, list)
	case old == nil:
		r.err = fmt.Errorf("load the %s: %w", c.src.Name, err)
		c.failed, c.failedAt = r.err, now
	default:
		c.current.Store(&held[L]{old.list, now.Add(c.jitter(min(retryStale, c.opts.TTL)))})
		c.opts.Logger.ErrorContext(ctx, "the "+c.src.Name+" could not be read again; those in use stay",
			c.src.Name, old.list.Len(), "error", err)
	}
	c.reading = nil
	close(r.done)
}

func (c *Cache[L]) report(ctx context.Context, old *held[L], list L) {
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

// wait waits for a reading (none: not at all) and returns the list that is
// then in use. The end of ctx or a tick of limit ends the wait early, which
// matters only if there is no list.
func (c *Cache[L]) wait(ctx context.Context, r *reading, limit <-chan time.Time) (none L, err error) {
	if r != nil {
		select {
		case <-r.done:
		case <-limit:
		case <-ctx.Done():
		}
	}
	if h := c.current.Load(); h != nil {
		return h.list, nil
	}
	select {
	case <-r.done: // a list never goes away, so here r isn't nil and has failed
		return none, r.err
	default:
		return none, fmt.Errorf("wait for the %s: %w", c.src.Name, context.Cause(ctx))
	}
}

func (c *Cache[L]) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*c.opts.Rand()))
}
