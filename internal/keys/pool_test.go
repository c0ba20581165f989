package keys

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/testbuffer"
)

// scripted is a source whose answers and duration a test sets.
type scripted struct {
	mu       sync.Mutex
	keys     []Key
	warnings []Warning
	err      error
	takes    time.Duration
	calls    int
}

func (s *scripted) Load(ctx context.Context) ([]Key, []Warning, error) {
	s.mu.Lock()
	s.calls++
	takes := s.takes
	s.mu.Unlock()
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Key(nil), s.keys...), s.warnings, s.err
}

func (s *scripted) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *scripted) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

type logBuffer struct{ testbuffer.Buffer }

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(b, nil)) }

// captureStderr returns what is written to the process's stderr meanwhile.
func captureStderr(t *testing.T, f func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	old := os.Stderr
	os.Stderr = w
	defer func() { os.Stderr = old }()
	f()
	require.NoError(t, w.Close())
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(text)
}

// inBubble runs test with a pool over src, in virtual time. Jitter is off
// unless the test sets it: Rand says 0.5.
func inBubble(t *testing.T, src *scripted, test func(t *testing.T, p *Pool, log *logBuffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		test(t, NewPool(src, Options{Rand: func() float64 { return 0.5 }, Logger: log.logger()}), &log)
	})
}

func mustKeys(t *testing.T, p *Pool) []Key {
	t.Helper()
	got, err := p.Keys(t.Context())
	require.NoError(t, err)
	return got
}

func TestPoolReadsOncePerTTL(t *testing.T) {
	src := &scripted{keys: []Key{keyB(2), keyA(1)}}
	inBubble(t, src, func(t *testing.T, p *Pool, _ *logBuffer) {
		assert.Equal(t, 0, src.count(), "a new pool reads nothing")
		assert.Equal(t, []Key{keyA(1), keyB(2)}, mustKeys(t, p), "by index")
		time.Sleep(5*time.Minute - 1)
		mustKeys(t, p)
		assert.Equal(t, 1, src.count(), "not due yet")
		src.set(func() { src.keys = []Key{keyB(1)} })
		time.Sleep(time.Nanosecond)
		assert.Equal(t, []Key{keyB(1)}, mustKeys(t, p), "the caller that finds it due gets the new list")
		assert.Equal(t, 2, src.count())
	})
}

// Whoever goes by the tiers of projects hears when they are others.
func TestTiersOfAPool(t *testing.T) {
	paid := declared(keyA(1), "team")
	paid.Tier = "1"
	src := &scripted{keys: []Key{paid, keyB(2)}}
	inBubble(t, src, func(t *testing.T, p *Pool, _ *logBuffer) {
		heard := 0
		p.OnTiers(func() { heard++ })
		assert.Empty(t, p.Tiers())
		mustKeys(t, p)
		assert.Equal(t, map[string]string{"team": "1"}, p.Tiers())
		time.Sleep(6 * time.Minute)
		mustKeys(t, p)
		assert.Equal(t, 1, heard, "they are as they were")
		src.set(func() { src.keys[0].Tier = "2" })
		time.Sleep(6 * time.Minute)
		mustKeys(t, p)
		assert.Equal(t, map[string]string{"team": "2"}, p.Tiers())
		assert.Equal(t, 2, heard)
	})
}

func TestPoolSingleFlight(t *testing.T) {
	src := &scripted{keys: []Key{keyA(1)}, takes: 3 * time.Second}
	inBubble(t, src, func(t *testing.T, p *Pool, _ *logBuffer) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				got, err := p.Keys(t.Context())
				assert.NoError(t, err)
				assert.Equal(t, []Key{keyA(1)}, got)
			})
		}
		wg.Wait()
		assert.Equal(t, 1, src.count())

		// When it is due again, one caller waits a second at most and the others
		// not at all: there is a list to go on with.
		time.Sleep(6 * time.Minute)
		began := time.Now()
		var mu sync.Mutex
		waits := map[time.Duration]int{}
		for range 50 {
			wg.Go(func() {
				_, err := p.Keys(t.Context())
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				waits[time.Since(began)]++
			})
		}
		wg.Wait()
		assert.Equal(t, map[time.Duration]int{0: 49, time.Second: 1}, waits)
		time.Sleep(3 * time.Second)
		assert.Equal(t, 2, src.count(), "one reading for all of them")
	})
}

func TestPoolOutlivesTheRequestThatReads(t *testing.T) {
	// The first request hangs up; the second, which waits for the same reading,
	// must not be told so.
	src := &scripted{keys: []Key{keyA(1)}, takes: 3 * time.Second}
	inBubble(t, src, func(t *testing.T, p *Pool, _ *logBuffer) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := p.Keys(ctx)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		wg.Go(func() { assert.Equal(t, []Key{keyA(1)}, mustKeys(t, p)) })
		wg.Wait()
		assert.Equal(t, 1, src.count())
	})
}

func TestPoolFirstReadingFails(t *testing.T) {
	broken := errors.New("broken")
	src := &scripted{err: broken}
	inBubble(t, src, func(t *testing.T, p *Pool, _ *logBuffer) {
		for range 3 {
			_, err := p.Keys(t.Context())
			assert.ErrorIs(t, err, broken)
			_, err = p.Reload(t.Context(), "test")
			assert.ErrorIs(t, err, broken)
		}
		assert.Equal(t, 1, src.count(), "a burst asks once")
		// A failed start isn't remembered for long.
		src.set(func() { src.err, src.keys = nil, []Key{keyA(1)} })
		time.Sleep(time.Second)
		assert.Equal(t, []Key{keyA(1)}, mustKeys(t, p))
	})
}

func TestPoolReadingIsBounded(t *testing.T) {
	src := &scripted{takes: time.Hour}
	inBubble(t, src, func(t *testing.T, p *Pool, _ *logBuffer) {
		began := time.Now()
		_, err := p.Keys(t.Context())
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestPoolServesStale(t *testing.T) {
	src := &scripted{keys: []Key{keyA(1)}}
	inBubble(t, src, func(t *testing.T, p *Pool, log *logBuffer) {
		mustKeys(t, p)
		src.set(func() { src.err = errors.New("denied") })
		time.Sleep(5 * time.Minute)
		for range 10 {
			assert.Equal(t, []Key{keyA(1)}, mustKeys(t, p))
		}
		assert.Equal(t, 2, src.count(), "after a failure not every request asks")
		assert.Contains(t, log.String(), `"keys":1,"error":"denied"`)
		time.Sleep(30 * time.Second)
		assert.Equal(t, []Key{keyA(1)}, mustKeys(t, p))
		assert.Equal(t, 3, src.count(), "asked again well before the TTL")
		src.set(func() { src.err, src.keys = nil, []Key{keyB(1)} })
		time.Sleep(30 * time.Second)
		assert.Equal(t, []Key{keyB(1)}, mustKeys(t, p))
	})
}

func TestReload(t *testing.T) {
	src := &scripted{keys: []Key{keyA(1)}}
	inBubble(t, src, func(t *testing.T, p *Pool, log *logBuffer) {
		reload := func() []Key {
			t.Helper()
			got, err := p.Reload(t.Context(), "key 1 API_KEY_INVALID")
			require.NoError(t, err)
			return got
		}
		assert.Equal(t, []Key{keyA(1)}, reload(), "without a list it is the first reading")
		src.set(func() { src.keys = []Key{keyB(1)} })
		time.Sleep(10*time.Second - 1)
		assert.Equal(t, []Key{keyA(1)}, reload(), "too soon: the list in use")
		assert.Equal(t, 1, src.count())
		time.Sleep(time.Nanosecond)
		assert.Equal(t, []Key{keyB(1)}, reload(), "rotated: same ID, other fingerprint and project")
		assert.Contains(t, log.String(), `"reason":"key 1 API_KEY_INVALID"`)
		for range 5 {
			reload()
		}
		assert.Equal(t, 2, src.count(), "many refused requests cause one reading")
		src.set(func() { src.err = errors.New("down") })
		time.Sleep(10 * time.Second)
		assert.Equal(t, []Key{keyB(1)}, reload(), "a failure leaves the list")
		assert.Equal(t, 3, src.count())
	})
}

func TestReloadWaitsForTheReading(t *testing.T) {
	// Its caller wants the new key, so unlike Keys it waits to the end, together
	// with everybody who asks meanwhile.
	src := &scripted{keys: []Key{keyA(1)}}
	inBubble(t, src, func(t *testing.T, p *Pool, _ *logBuffer) {
		mustKeys(t, p)
		src.set(func() { src.keys, src.takes = []Key{keyB(1)}, 5*time.Second })
		time.Sleep(time.Minute)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				got, err := p.Reload(t.Context(), "test")
				assert.NoError(t, err)
				assert.Equal(t, []Key{keyB(1)}, got)
			})
		}
		synctest.Wait()
		assert.Equal(t, []Key{keyA(1)}, mustKeys(t, p), "not due: Keys doesn't wait for it")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := p.Reload(ctx, "test")
		assert.NoError(t, err)
		assert.Equal(t, []Key{keyA(1)}, got, "a caller that hangs up gets what there is")
		wg.Wait()
		assert.Equal(t, 2, src.count())
	})
}

func TestPoolLogsWhatIsNew(t *testing.T) {
	twice := Warning{slog.LevelError, "key 3 is the same as key 1"}
	src := &scripted{keys: []Key{keyA(1), keyB(2)}, warnings: []Warning{twice}}
	inBubble(t, src, func(t *testing.T, p *Pool, log *logBuffer) {
		mustKeys(t, p)
		assert.Equal(t, []Warning{twice}, warningsOf(t, p))
		time.Sleep(5 * time.Minute)
		mustKeys(t, p)
		assert.Equal(t, 1, strings.Count(log.String(), `"level":"ERROR","msg":"key 3 is the same as key 1"`), "a warning is logged once")
		assert.NotContains(t, log.String(), "has changed")
		src.set(func() { src.keys, src.warnings = []Key{declared(keyA(1), "team"), keyB(4)}, nil })
		time.Sleep(5 * time.Minute)
		mustKeys(t, p)
		assert.Contains(t, log.String(), `"keys":2,"added":[4],"removed":[2],"changed":[1]`)
		assert.Empty(t, warningsOf(t, p))
	})
}

func TestPoolWithInjectedClock(t *testing.T) {
	now := time.Date(2026, 3, 8, 1, 59, 0, 0, time.UTC)
	src := &scripted{keys: []Key{keyA(1)}}
	p := NewPool(src, Options{TTL: time.Minute, Now: func() time.Time { return now },
		Rand: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler)})
	mustKeys(t, p)
	now = now.Add(59 * time.Second)
	mustKeys(t, p)
	assert.Equal(t, 1, src.count())
	now = now.Add(time.Second)
	mustKeys(t, p)
	assert.Equal(t, 2, src.count())
}

func BenchmarkPoolKeys(b *testing.B) {
	// Every request asks, so this must cost nothing beside a request.
	p := NewPool(&scripted{keys: []Key{keyA(1), keyB(2)}}, Options{Logger: slog.New(slog.DiscardHandler)})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := p.Keys(b.Context()); err != nil {
				b.Error(err)
			}
		}
	})
}

// warningsOf returns what was odd about the list in use.
func warningsOf(t *testing.T, p *Pool) []Warning {
	t.Helper()
	l, err := p.cache.Get(t.Context())
	require.NoError(t, err)
	return l.warnings
}
