package connection

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// pings are how gRPC finds out. Google's servers take a ping every 30 s, and only while
// a call is under way; to who asks more often they say too_many_pings and hang up
// (googleapis/java-bigtable#528, by the maintainers; grpc-go has 10 s as its least).
// After an idle time of that length the first call comes with a ping, so a connection
// that went silent meanwhile is closed once the timeout is over. It is also the
// kernel's, for bytes that nobody acknowledges (TCP_USER_TIMEOUT).
var pings = keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 5 * time.Second}

const (
	// silentCalls is how many calls end without a word before a client is replaced.
	silentCalls = 2
	// redialAfter is the least time between two clients. It doubles, up to redialMost,
	// until something is heard: it may be the database that is silent.
	redialAfter, redialMost = 5 * time.Second, time.Minute
)

// dialed is a client and who uses it.
type dialed struct {
	client  *firestore.Client
	calls   int  // under way
	retired bool // no further call begins; it is closed when the last has ended
}

// A Connection is the client of a database, replaced when it has gone silent. It may be
// used by any number of goroutines.
type Connection struct {
	// dial makes a client; nil: there is only one, which is its owner's to close.
	dial     func() (*firestore.Client, error)
	patience time.Duration // how long a call waits at least before its silence counts
	logger   *slog.Logger

	mu      sync.Mutex
	now     *dialed
	heard   time.Time     // when the database last said anything
	silent  int           // calls that ended without a word since
	next    time.Time     // when another client may be made
	pause   time.Duration // until the one after that
	dialing bool
	closed  bool
}

// Of returns the connection of a client that is its owner's to close.
func Of(client *firestore.Client) *Connection {
	return &Connection{now: &dialed{client: client}}
}

// Open returns the connection of a client that dial makes, with the options that it
// is given. A call that ends before patience is over isn't called silent. The logger
// is told of clients that are replaced.
func Open(dial func(...option.ClientOption) (*firestore.Client, error), patience time.Duration, logger *slog.Logger) (*Connection, error) {
	c := &Connection{patience: patience, logger: logger, dial: func() (*firestore.Client, error) {
		return dial(option.WithGRPCDialOption(grpc.WithKeepaliveParams(pings)))
	}}
	client, err := c.dial()
	if err != nil {
		return nil, err
	}
	c.now = &dialed{client: client}
	return c, nil
}

// Close closes the client, if it is the connection's own.
func (c *Connection) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dial != nil && !c.closed {
		c.closed = true
		c.retire()
	}
}

// Call carries out a call by the client of a connection and returns when ctx ends, though the library
// may be busy for another 5 s with rolling back.
func Call[T any](ctx context.Context, c *Connection, f func(*firestore.Client) (T, error)) (T, error) {
	type outcome struct {
		result T
		err    error
	}
	begun, d := time.Now(), c.begin()
	done := make(chan outcome, 1)
	go func() {
		defer c.end(d)
		result, err := f(d.client)
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		c.note(ctx, d, begun, o.err)
		return o.result, o.err
	case <-ctx.Done():
		c.note(ctx, d, begun, ctx.Err())
		var none T
		return none, ctx.Err()
	}
}

func (c *Connection) begin() *dialed {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.calls++
	return c.now
}

func (c *Connection) end(d *dialed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.calls--; d.calls == 0 && d.retired {
		go func() { _ = d.client.Close() }()
	}
}

// note takes note of whether anything was heard in a call. One that ran into its deadline is
// silent if nothing was, in others neither, since it began: a database that is merely
// slow says something now and then.
func (c *Connection) note(ctx context.Context, d *dialed, begun time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case d != c.now:
	case answered(err):
		c.heard, c.silent, c.pause = time.Now(), 0, 0
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && time.Since(begun) >= c.patience && c.heard.Before(begun):
		if c.silent++; c.silent >= silentCalls {
			c.redial()
		}
	}
}

// answered reports whether the outcome of a call is the database's.
func answered(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown:
		return false
	}
	return true
}

// redial replaces the client, unless that was done a moment ago. The lock is held.
func (c *Connection) redial() {
	if c.dial == nil || c.dialing || c.closed || time.Now().Before(c.next) {
		return
	}
	c.dialing = true
	c.pause = min(max(2*c.pause, redialAfter), redialMost)
	c.next = time.Now().Add(c.pause)
	c.logger.Warn("the connection to the store went silent: another is made", "calls", c.silent)
	go func() {
		client, err := c.dial() // it may have to find out who it is
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dialing = false
		switch {
		case err != nil:
			c.logger.Error("no other connection to the store", "error", err)
		case c.closed:
			_ = client.Close()
		default:
			c.retire()
			c.now, c.silent = &dialed{client: client}, 0
		}
	}()
}

// retire has the client closed once its calls have ended. The lock is held.
func (c *Connection) retire() {
	c.now.retired = true
	if c.now.calls == 0 {
		old := c.now.client
		go func() { _ = old.Close() }()
	}
}
