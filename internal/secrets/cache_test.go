package secrets

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a cache does with readings that are slow, shared, early or failing is
// tested through the pool of package keys, which is one.

type words []string

func (w words) Len() int { return len(w) }

func TestDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{}.WithDefaults()
		assert.Equal(t, 5*time.Minute, o.TTL)
		assert.Equal(t, 10*time.Second, o.MinReload)
		assert.Equal(t, 10*time.Second, o.Timeout)
		assert.Equal(t, time.Now(), o.Now())
		assert.NotNil(t, o.Logger)
		c := NewCache(Source[words]{}, Options{})
		for range 100 {
			d := c.jitter(100)
			assert.True(t, 90 <= d && d <= 110, d)
		}
		set := Options{TTL: 1, MinReload: 2, Timeout: 3, Now: time.Now, Rand: func() float64 { return 0 }, Logger: slog.New(slog.DiscardHandler)}
		got := set.WithDefaults()
		assert.Equal(t, []time.Duration{1, 2, 3}, []time.Duration{got.TTL, got.MinReload, got.Timeout}, "what is set stays")
	})
}

func TestJitter(t *testing.T) {
	// Instances that started together must not ask together.
	for _, tt := range []struct {
		random float64
		want   time.Duration
	}{{0, 270 * time.Second}, {0.5, 300 * time.Second}, {0.999999999, 330 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			c := NewCache(Source[words]{Name: "words", Load: func(context.Context) (words, error) {
				calls.Add(1)
				return words{"a"}, nil
			}}, Options{Rand: func() float64 { return tt.random }})
			get := func() int64 {
				_, err := c.Get(t.Context())
				require.NoError(t, err)
				return calls.Load()
			}
			get()
			time.Sleep(tt.want - time.Millisecond)
			assert.EqualValues(t, 1, get(), "not due yet")
			time.Sleep(time.Millisecond)
			assert.EqualValues(t, 2, get())
		})
	}
}

func TestChangedIsToldOfEveryReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type call struct {
			old words
			had bool
			now words
		}
		var told []call
		next, fail := words{"a"}, error(nil)
		c := NewCache(Source[words]{
			Name:    "words",
			Load:    func(context.Context) (words, error) { return next, fail },
			Changed: func(_ context.Context, old words, had bool, now words) { told = append(told, call{old, had, now}) },
		}, Options{Rand: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler)})
		assert.Nil(t, c.current.Load(), "a new cache reads nothing")
		get := func() words {
			w, err := c.Get(t.Context())
			require.NoError(t, err)
			synctest.Wait()
			return w
		}
		assert.Equal(t, words{"a"}, get())
		next = words{"b"}
		time.Sleep(5 * time.Minute)
		assert.Equal(t, words{"b"}, get())
		fail = errors.New("down")
		time.Sleep(5 * time.Minute)
		assert.Equal(t, words{"b"}, get(), "a failure leaves the list")
		assert.Equal(t, []call{{nil, false, words{"a"}}, {words{"a"}, true, words{"b"}}}, told)
		kept := c.current.Load()
		require.NotNil(t, kept)
		assert.Equal(t, words{"b"}, kept.list)
	})
}

func TestFailureNamesTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		c := NewCache(Source[words]{Name: "words", Load: func(context.Context) (words, error) { return nil, down }}, Options{})
		_, err := c.Get(t.Context())
		assert.ErrorIs(t, err, down)
		assert.EqualError(t, err, "load the words: down")
		slow := NewCache(Source[words]{Name: "words", Load: func(ctx context.Context) (words, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = slow.Get(ctx)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.True(t, strings.HasPrefix(err.Error(), "wait for the words: "), err)
		time.Sleep(time.Minute) // the reading ends with its own deadline
	})
}
