package connection

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A client is replaced after two calls in a row in which nothing was heard, and after no others: not where the database
// is merely slow, or where the caller gave up.
func TestWhichCallsAreSilent(t *testing.T) {
	late := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	says := func(code codes.Code) func(context.Context) error {
		return func(context.Context) error { return status.Error(code, "") }
	}
	answer := func(context.Context) error { return nil }
	type step struct {
		call    func(context.Context) error
		limit   time.Duration // of the call; 0: three seconds
		answers time.Duration // another call that begins with it is answered then; 0: there is none
		beside  int           // so many others begin with it, and are as silent
	}
	times := func(n int, call func(context.Context) error) []step { return slices.Repeat([]step{{call: call}}, n) }
	for name, c := range map[string]struct {
		steps []step
		dials int
	}{
		"one":                       {[]step{{call: late}}, 0},
		"two":                       {[]step{{call: late}, {call: late}}, 1},
		"an answer between":         {[]step{{call: late}, {call: answer}, {call: late}}, 0},
		"an error of the database":  {[]step{{call: late}, {call: says(codes.NotFound)}, {call: late}}, 0},
		"an error of the client":    {[]step{{call: late}, {call: says(codes.Unavailable)}, {call: late}}, 1},
		"others are answered":       {[]step{{call: late, answers: time.Second}, {call: late, answers: time.Second}, {call: late, answers: time.Second}}, 0},
		"others at once":            {[]step{{call: late, beside: 3}}, 1},
		"of which one is answered":  {[]step{{call: late, beside: 3, answers: time.Second}}, 0},
		"callers that can't wait":   {[]step{{call: late, limit: time.Second}, {call: late, limit: time.Second}, {call: late, limit: time.Second}}, 0},
		"again, before the pause":   {times(3, late), 1},
		"again, and a pause":        {[]step{{call: late}, {call: late}, {call: late}, {call: late}}, 2},
		"the pause doubles":         {times(6, late), 2},
		"it goes on doubling":       {times(10, late), 3},
		"until something was heard": {slices.Concat(times(4, late), []step{{call: answer}}, times(6, late)), 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var dials atomic.Int32
				x := &Connection{now: &dialed{calls: 1}, patience: 3 * time.Second, logger: slog.New(slog.DiscardHandler)}
				x.dial = func() (*firestore.Client, error) {
					dials.Add(1)
					return nil, errors.New("there is none in this test")
				}
				do := func(limit time.Duration, call func(context.Context) error) {
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					_, _ = Call(ctx, x, func(*firestore.Client) (any, error) { return nil, call(ctx) })
				}
				for _, s := range c.steps {
					if s.answers > 0 {
						time.AfterFunc(s.answers, func() { do(time.Minute, answer) })
					}
					for range s.beside {
						go do(3*time.Second, late)
					}
					do(cmp.Or(s.limit, 3*time.Second), s.call)
					time.Sleep(time.Second)
				}
				assert.EqualValues(t, c.dials, dials.Load())
			})
		})
	}
}

// What calls by a client that was replaced say by their silence isn't held against the one that is there already.
func TestSilenceOfTheClientBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		x := &Connection{now: &dialed{calls: 1}, patience: 3 * time.Second, logger: slog.New(slog.DiscardHandler)}
		x.dial = func() (*firestore.Client, error) {
			if dials.Add(1) > 1 {
				return nil, errors.New("there is one already")
			}
			return new(firestore.Client), nil
		}
		for _, limit := range []time.Duration{3, 3, 20, 20} {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), limit*time.Second)
				defer cancel()
				_, _ = Call(ctx, x, func(*firestore.Client) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
			}()
		}
		time.Sleep(30 * time.Second) // the pause after which another could be made is over, too
		assert.EqualValues(t, 1, dials.Load())
	})
}
