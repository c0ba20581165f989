package server_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A timeout is not retried: the request may have been served and billed.
func TestUpstreamTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta")})
		w.sim.FailNext(1, faults.Hang)
		start := time.Now()
		f := w.generate("hello", `"timeout":2`).failed(http.StatusGatewayTimeout)
		assert.Equal(t, 2*time.Second, time.Since(start))
		assert.Equal(t, "DEADLINE_EXCEEDED", f.Status)
		require.Len(t, w.sim.Log(), 1)
		assert.EqualValues(t, 1, w.used(w.sim.Log()[0].Project, pro), "the reservation stays")
	})
}

// The server's own timeout bounds what asks for none, or for more.
func TestServerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_TIMEOUT=3s"}})
		w.sim.FailNext(-1, faults.Hang)
		for _, members := range []string{"", `"timeout":600`} {
			start := time.Now()
			w.generate("hello"+members, members).failed(http.StatusGatewayTimeout)
			assert.Equal(t, 3*time.Second, time.Since(start))
		}
	})
}

// retry: false sends once. What upstream said is passed on in a form that says
// when to come back, and never as if the caller's own key were at fault.
func TestRetryFalse(t *testing.T) {
	t.Run("5xx", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, setup{keys: projects("alpha", "beta")})
			w.sim.FailNext(1, faults.Unavailable503)
			w.generate("hello", `"retry":false`).failed(http.StatusServiceUnavailable)
			assert.Len(t, w.sim.Log(), 1)
		})
	})
	t.Run("key", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, setup{keys: projects("alpha", "beta")})
			w.sim.SetKeyState(key(1, "").Value, credentials.Suspended)
			a := w.generate("hello", `"retry":false,"preferred_key":1`)
			f := a.failed(http.StatusServiceUnavailable)
			assert.NotContains(t, f.Message, "suspended")
			assert.NotEmpty(t, a.Header().Get("Retry-After"), "the other key is there")
			assert.Len(t, w.sim.Log(), 1)
			w.generate("hello", `"retry":false,"preferred_key":1`).ok()
		})
	})
	t.Run("minute", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, setup{sim: simLimits(geminisim.Limits{RPM: 1, TPM: 250_000, RPD: 100})})
			w.generate("one", "").ok()
			synctestSleep(10 * time.Second)
			a := w.generate("two", `"retry":false`)
			assert.NotEmpty(t, a.ticket(), "the wait is our own: upstream's delay says nothing of what else we sent")
			assert.Contains(t, a.Body.String(), "GenerateRequestsPerMinute")
			assert.Len(t, w.sim.Log(), 2)
			synctestSleep(a.wait())
			w.generate("two", `"retry":false`).ok()
		})
	})
	t.Run("day", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, setup{sim: simLimits(geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 1})})
			w.generate("one", "").ok()
			a := w.generate("two", `"retry":false`)
			assert.Equal(t, http.StatusTooManyRequests, a.Code)
			// The next model is free at once, whatever upstream says of this one.
			assert.LessOrEqual(t, a.wait(), 5*time.Second)
		})
	})
}

// A caller that hangs up doesn't keep its request from being settled, and is not
// an alarm.
func TestCallerHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: storage.NewMemory(nil)}
		w := newWorld(t, setup{store: store, sim: func(c *geminisim.Config) { c.Latency = 5 * time.Second }})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		askContext(ctx, t, w.Server, "POST", "/generate", body("hello", ""))
		require.Len(t, w.sim.Log(), 1)
		assert.EqualValues(t, 1, w.used("alpha", pro), "it was sent, so it counts")
		assert.True(t, slices.ContainsFunc(store.changes, func(c scheduler.Change) bool {
			settled, ok := c.(scheduler.Settle)
			return ok && settled.SentAt != 0
		}), "settled")
		assert.NotContains(t, w.logs.String(), "level=ERROR")
	})
}

// lagging is a store whose commits take a while, or longer than anybody waits.
type lagging struct {
	storage.Store
	lag    atomic.Int64 // nanoseconds
	later  atomic.Pointer[scheduler.Settle]
	unread atomic.Bool // what is known can't be asked for either
	waits  waits
}

// waits are for how long it was waited for a store, and would have been at most. However slow the machine is, that is no more than
// is allowed: what passes while nobody waits doesn't count.
type waits struct {
	mu     sync.Mutex
	now    int       // how many wait
	since  time.Time // somebody has waited
	waited time.Duration
	most   time.Duration // of it, with what was allowed beyond that
}

// begin notes that somebody waits, until the deadline of a context.
func (w *waits) begin(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.now++; w.now == 1 {
		w.since = now
	}
	until, ok := ctx.Deadline()
	if !ok {
		until = now.Add(time.Hour)
	}
	w.most = max(w.most, w.waited+until.Sub(w.since))
}

func (w *waits) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now--; w.now == 0 {
		w.waited += time.Since(w.since)
	}
}

func (w *waits) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waited, w.most = 0, 0
}

func (w *waits) atMost() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

func (l *lagging) View(ctx context.Context, ids []string) ([]*scheduler.Project, error) {
	if l.unread.Load() {
		if err := l.wait(ctx); err != nil {
			return nil, err
		}
	}
	return l.Store.View(ctx, ids)
}

func (l *lagging) wait(ctx context.Context) error {
	l.waits.begin(ctx)
	defer l.waits.end()
	select {
	case <-time.After(time.Duration(l.lag.Load())):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the store: %w", storage.ErrUnavailable)
	}
}

func (l *lagging) Apply(ctx context.Context, rules *scheduler.Rules, id string, change scheduler.Change) (scheduler.Result, error) {
	if err := l.wait(ctx); err != nil {
		return scheduler.Result{}, err
	}
	return l.Store.Apply(ctx, rules, id, change)
}

func (l *lagging) Record(ctx context.Context, name string) ([]byte, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return l.Store.Record(ctx, name)
}

func (l *lagging) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	for range 2 { // it reads, and writes
		if err := l.wait(ctx); err != nil {
			return nil, err
		}
	}
	return l.Store.UpdateRecord(ctx, name, change)
}

func (l *lagging) Later(rules *scheduler.Rules, id string, change scheduler.Change) {
	if s, ok := change.(scheduler.Settle); ok {
		l.later.Store(&s)
	}
	l.Store.Later(rules, id, change)
}

// written is told of whatever of an answer is written.
type written struct {
	http.ResponseWriter
	wrote func()
}

func (w written) Write(b []byte) (int, error) {
	w.wrote()
	return w.ResponseWriter.Write(b)
}

func (w written) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// within asks, and returns how long the caller waited for its answer too.
func (w *world) within(path, body string, header ...string) (a answer, took time.Duration) {
	begun := time.Now()
	a = w.written(func() { took = time.Since(begun) }, path, body, header...)
	return a, took
}

// written asks, and has it told what is written of the answer.
func (w *world) written(wrote func(), path, body string, header ...string) answer {
	return ask(w.t, http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) { w.ServeHTTP(written{to, wrote}, r) }), "POST", path, body, header...)
}

// What a request has waited for the store before it was sent, and what it waits for when its
// answer is there, is ten seconds together. What was used counts all the same.
func TestSettlingTakesWhatIsLeft(t *testing.T) {
	for name, c := range map[string]struct{ before, after time.Duration }{
		"silent after a quick admission": {0, time.Hour},
		"silent after a slow admission":  {3 * time.Second, time.Hour},
		"slow throughout":                {2 * time.Second, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &lagging{Store: storage.NewMemory(nil)}
				_, s := stubbed(func(heard) *http.Response {
					store.lag.Store(int64(c.after))
					return respond(http.StatusOK, `{"candidates":[{"content":{"parts":[{"text":"Hi."}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5000,"totalTokenCount":5001}}`)
				})
				s.store = store
				w := newWorld(t, s)
				store.lag.Store(int64(c.before))
				a, took := w.within("/generate", body("hello", ""))
				a.ok()
				assert.LessOrEqual(t, took, 10*time.Second)
				if c.after == time.Hour {
					require.NotNil(t, store.later.Load(), "it isn't forgotten")
					assert.EqualValues(t, 5000, store.later.Load().Tokens)
				}
			})
		})
	}
}

// What a 429 teaches isn't lost where the store gives no answer any more to the request that was
// refused: it is known here as soon as the store is heard from, so upstream says it once.
func TestALessonIsKeptWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	const plain = `{"contents":[{"parts":[{"text":"hi"}]}]}`
	for name, body := range map[string]string{"429_minute": plain, "429_day": plain, "429_limit_zero_value": plain, "429_spend": plain,
		"429_help_only": grounded["google_search"].body} {
		for _, unread := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, and nothing can be read: %v", name, unread), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lessonIsKept(t, &lagging{Store: storage.NewMemory(nil)}, name, body, unread, true)
				})
			})
		}
	}
	another := func(t *testing.T, open func() storage.Store, virtual bool) {
		w := lessonIsKept(t, &lagging{Store: open()}, "429_day", plain, false, virtual)
		other := w.instanceOver(open())
		w.do("POST", "/v1beta/models/gemini-2.5-flash-lite:generateContent", plain) // takes it along
		a := ask(t, other, "POST", "/v1beta/models/gemini-2.5-pro:generateContent", plain)
		assert.Equal(t, http.StatusTooManyRequests, a.Code)
		assert.Contains(t, a.failed(http.StatusTooManyRequests).Message, "day's requests", "another instance knows it too")
	}
	t.Run("another instance", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			memory := storage.NewMemory(nil)
			another(t, func() storage.Store { return memory }, true)
		})
	})
	t.Run("both stores", func(t *testing.T) {
		if testing.Short() {
			t.Skip("waits for what the store gives up after; the one above does so in virtual time")
		}
		t.Parallel()
		onBothStores(t, func(t *testing.T, open func() storage.Store) { another(t, open, false) })
	})
}

// lessonIsKept has a request refused when the store gives no answer any more. In real time nothing is said of how long the caller waited
// but for the store: that is shown in virtual time.
func lessonIsKept(t *testing.T, store *lagging, name, body string, unread, virtual bool) *world {
	stub, s := stubbed(nil)
	status, text := refusalBody(t, name)
	stub.answer = func(heard) *http.Response {
		store.lag.Store(int64(time.Hour))
		store.unread.Store(unread)
		return respond(status, text)
	}
	s.keys, s.store = projects("alpha"), store
	w := newWorld(t, s)
	const path = "/v1beta/models/gemini-2.5-pro:generateContent"
	store.waits.forget()
	begun, took, most := time.Now(), time.Duration(0), time.Duration(0)
	a := w.written(func() { took, most = time.Since(begun), store.waits.atMost() }, path, body)
	assert.LessOrEqual(t, most, 10*time.Second)
	if virtual {
		assert.Equal(t, 10*time.Second, took)
	}
	require.Len(t, stub.requests(":generateContent"), 1, "%s", a.Body)
	stub.answer = nil
	store.lag.Store(0)
	store.unread.Store(false)
	again := w.do("POST", path, body)
	assert.Len(t, stub.requests(":generateContent"), 1, "it is known: %s", again.Body)
	return w
}

// Whose a file is, what a caller may spend, its own limits and the project's are all asked of the
// store before a request is sent or a batch is made: together it takes no longer than one of them may.
func TestAllThatIsAskedTakesTenSeconds(t *testing.T) {
	batch := func(file string) string { return `{"batch":{"inputConfig":{"fileName":"` + file + `"}}}` }
	for path, body := range map[string]func(file string) string{unaryPath: func(file string) string { return mention(file) }, "/v1beta/models/gemini-2.5-flash:batchGenerateContent": batch} {
		t.Run(path, func(t *testing.T) { allThatIsAskedTakesTenSeconds(t, path, body) })
	}
}

func allThatIsAskedTakesTenSeconds(t *testing.T, path string, body func(file string) string) {
	for lag, status := range map[time.Duration]int{time.Second: http.StatusOK, 2500 * time.Millisecond: http.StatusServiceUnavailable, 4 * time.Second: http.StatusServiceUnavailable} {
		synctest.Test(t, func(t *testing.T) {
			store := &lagging{Store: storage.NewMemory(nil)}
			w := shared(t, store, `FLUXGATE_CALLERS={"alice":{"rpm":100,"tokens_per_day":1000000}}`)
			file := w.sendTo(aliceToken, "", `{"key":"a","request":{"contents":[{"parts":[{"text":"x"}]}]}}`).field("file.name")
			synctestSleep(resources.MaxAge)
			store.lag.Store(int64(lag))
			a, took := w.within(path, body(file), as(aliceToken)...)
			assert.Equal(t, status, a.Code, "%v: %s", lag, a.Body)
			assert.LessOrEqual(t, took, 10*time.Second, lag)
			sent := slices.ContainsFunc(w.sim.RequestLog(), func(r journal.Request) bool { return r.Path == path })
			assert.Equal(t, status == http.StatusOK, sent, lag)
		})
	}
}

// That a key is invalid is asked of upstream, and isn't time that a request waits for the store:
// of many keys the one that is left serves it.
func TestConfirmingKeysIsNoWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "403_suspended")
		list := many(40)
		_, s := stubbed(func(h heard) *http.Response {
			if h.header.Get("X-Goog-Api-Key") == list[39].Value {
				return nil
			}
			if !isCall(h) {
				time.Sleep(3 * time.Second)
			}
			return respond(status, text)
		})
		s.keys = list
		w := newWorld(t, s)
		assert.Equal(t, 40, w.generate("hello", "").ok().KeyUsed)
	})
}
