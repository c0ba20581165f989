package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/storage"
)

// Every error of Fluxgate's own that a caller can meet says what happened, in whose power it is, and what to do next. Those
// of the command line are in cmd/fluxgate (TestOperatorArguments), those of settings in internal/config.
func TestWords(t *testing.T) {
	t.Parallel()
	const native = "/v1beta/models/" + pro + ":generateContent"
	const hello = `{"contents":[{"parts":[{"text":"hello"}]}]}`
	one := func(t *testing.T, env ...string) *world {
		w := newWorld(t, oneAMinute(env...))
		w.generate("first", "").ok()
		return w
	}
	tokens := "FLUXGATE_TOKENS=alice:" + aliceToken
	alice := []string{"X-Fluxgate-Token", aliceToken}
	for name, c := range map[string]struct {
		do   func(t *testing.T) answer
		code int
		says []string
		not  []string
	}{
		"busy": {func(t *testing.T) answer { return one(t).generate("second", "") }, 429,
			[]string{"Every usable project is busy.", "limit: 1", "try again in ", "if there is still no room a slot will be"}, nil},
		"a better model is busy": {func(t *testing.T) answer {
			w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro + "," + flash, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`}})
			w.generate("first", "").ok()
			return w.generate("second", "")
		}, 429, []string{"try again in ", flash + " is free now: send X-Fluxgate-Max-Wait: 0 (max_wait 0 in a body of /generate)"}, nil},
		"a named model is busy": {func(t *testing.T) answer {
			w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro + "," + flash, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`}})
			w.generate("first", "").ok()
			return w.do("POST", native, hello)
		}, 429, []string{"try again in "}, []string{"is free now"}},
		"the day is spent": {func(t *testing.T) answer {
			w := newWorld(t, setup{
				keys: projects("alpha", "beta"),
				env:  []string{"FLUXGATE_CHAIN=" + pro + "," + flash, `FLUXGATE_LIMITS={"pro":{"rpd":1},"flash":{"rpd":1}}`},
			})
			for range 4 {
				w.generate("hello", "").ok()
			}
			return w.generate("one more", "")
		}, 429, []string{"The day's requests of " + pro + " and " + flash + " are spent on all 2 projects", " UTC, Pacific midnight, in ", "only another model or project can help", "Nothing is kept for you."},
			[]string{"busy", "a slot will be"}},
		"the caller's own limit": {func(t *testing.T) answer {
			w := newWorld(t, setup{env: []string{tokens, `FLUXGATE_CALLERS={"alice":{"rpm":1}}`}})
			w.generate("one", "", alice...).ok()
			return w.generate("two", "", alice...)
		}, 429, []string{"Your own limit here is used up (caller alice", "limit: 1", "whatever the projects could take", "try again in "}, []string{"busy"}},
		"too large": {func(t *testing.T) answer {
			w := newWorld(t, setup{env: []string{"FLUXGATE_COUNT=exact"}})
			return w.generate(strings.Repeat("a ", 1_048_577), "")
		}, 400, []string{"The request has 1048577 input tokens", "the limit is 1048576", "Send less input."}, nil},
		"no usable key": {func(t *testing.T) answer {
			w := newWorld(t, setup{keys: projects("alpha", "beta")})
			w.do("POST", "/config", `{"disable_key":1}`)
			w.do("POST", "/config", `{"disable_key":2}`)
			return w.generate("hello", "")
		}, 503, []string{"None of the 2 keys can serve this request: 2 disabled by an administrator.", "key 1 is disabled", "POST /config enables"}, nil},
		"no usable key, for a caller": {func(t *testing.T) answer {
			w := newWorld(t, setup{env: []string{tokens, "FLUXGATE_ADMIN_TOKENS=root:root-token-01234567"}})
			w.do("POST", "/config", `{"disable_key":1}`, "X-Fluxgate-Token", "root-token-01234567")
			return w.do("POST", native, hello, alice...)
		}, 503, []string{"None of the 1 keys can serve this request: 1 disabled by an administrator.", "the operator's to mend", "GET /status"}, []string{"key 1"}},
		"an unknown field": {func(t *testing.T) answer {
			return newWorld(t, setup{}).do("POST", "/generate", `{"prompt":"hello","preferedkey":1}`)
		}, 400, []string{"preferedkey: there is no such field. Did you mean preferred_key?"}, nil},
		"an unknown field of the configuration": {func(t *testing.T) answer {
			return newWorld(t, setup{}).do("POST", "/config", `{"modes":"both"}`)
		}, 400, []string{"modes: there is no such field. Did you mean mode?"}, nil},
		"a field like none": {func(t *testing.T) answer {
			return newWorld(t, setup{}).do("POST", "/config", `{"whatever":"both"}`)
		}, 400, []string{"whatever: there is no such field. There are mode, prefer, disable_key, enable_key, chain, force, limits."}, nil},
		"an unknown mode": {func(t *testing.T) answer {
			return newWorld(t, setup{}).do("POST", "/generate", `{"prompt":"hello","mode":"flash-only"}`)
		}, 400, []string{"mode: want one of both, pro_only, flash_only, flash_lite_only. Did you mean flash_only?"}, nil},
		"an unknown mode for all": {func(t *testing.T) answer {
			return newWorld(t, setup{}).do("POST", "/config", `{"mode":"turbo"}`)
		}, 400, []string{"mode: want one of both, pro_only, flash_only, flash_lite_only."}, []string{"Did you mean"}},
		"no route": {func(t *testing.T) answer { return newWorld(t, setup{}).do("POST", "/generat", `{}`) }, 404,
			[]string{"There is nothing here. The nearest route is POST /generate"}, nil},
		"no token": {func(t *testing.T) answer { return newWorld(t, setup{env: []string{tokens}}).do("POST", native, hello) }, 401,
			[]string{"No token was given. Send yours as x-goog-api-key"}, nil},
		"a wrong token": {func(t *testing.T) answer {
			return newWorld(t, setup{env: []string{tokens}}).do("POST", native, hello, "X-Fluxgate-Token", "wrong-token-0123456789")
		}, 401, []string{"the token is not known here"}, []string{"wrong-token"}},
		"not an administrator": {func(t *testing.T) answer {
			return newWorld(t, setup{env: []string{tokens}}).do("POST", "/config", `{"mode":"both"}`, alice...)
		}, 403, []string{"Only an administrator may do this: send a token of FLUXGATE_ADMIN_TOKENS."}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := c.do(t)
				message := a.failed(c.code).Message
				for _, want := range c.says {
					assert.Contains(t, message, want)
				}
				for _, unwanted := range c.not {
					assert.NotContains(t, message, unwanted)
				}
			})
		})
	}
}

// Where no provider of a format has a key, that is said, and not how Gemini's do.
func TestNoKeyOfAProvider(t *testing.T) {
	a := newWorld(t, setup{}).do("POST", "/anthropic/v1/messages", `{"model":"claude-sonnet-5","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`)
	assert.Equal(t, http.StatusServiceUnavailable, a.Code)
	assert.Contains(t, a.Body.String(), "No key is configured for a provider of this format. That is the operator's to mend, by")
}

// The timeout of Google's SDKs bounds one try. Who is told a wait that is longer hears at once what could take the request
// within it, and keeps its place all the same: it may try again, and is booked then.
func TestServerTimeoutTellsWhatIsPossible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro + "," + flash, `FLUXGATE_LIMITS={"pro":{"rpm":1},"flash":{"rpm":1}}`}})
		w.generate("first", "").ok()
		synctestSleep(30 * time.Second)
		w.generate("second", `"model":"`+flash+`"`).ok()
		synctestSleep(time.Second)
		again := w.generate("third", "", "X-Fluxgate-Book", "true") // the next place of pro, in 30 s
		require.True(t, again.booked())
		a := w.generate("fourth", "", "X-Server-Timeout", "65")
		message := a.failed(http.StatusTooManyRequests).Message
		assert.Greater(t, a.wait(), 65*time.Second)
		assert.Contains(t, message, flash+" could take it in ")
		assert.Contains(t, message, "send that as X-Fluxgate-Max-Wait")
		assert.NotEmpty(t, a.ticket(), "it keeps its place")
		synctestSleep(again.wait())
		w.generate("third", "", "X-Fluxgate-Ticket", again.ticket()).ok()
		synctestSleep(65*time.Second - again.wait())
		b := w.generate("fourth", "", "X-Server-Timeout", "65", "X-Fluxgate-Ticket", a.ticket())
		assert.True(t, b.booked(), "who tries again is booked, however short one try is")
		for _, unreadable := range []string{"soon", "-1", "0", "1e300"} {
			assert.NotEmpty(t, w.generate("fifth"+unreadable, "", "X-Server-Timeout", unreadable).ticket(), unreadable)
		}
	})
}

// FLUXGATE_MAX_WAIT is the max_wait of who doesn't say.
func TestMaxWaitByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro + "," + flash, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`, "FLUXGATE_MAX_WAIT=0s"}})
		assert.Equal(t, pro, w.generate("first", "").ok().ModelUsed)
		assert.Equal(t, flash, w.generate("second", "").ok().ModelUsed)
		w.generate("third", `"max_wait":90`).failed(http.StatusTooManyRequests)
		auto := "/v1beta/models/auto:generateContent"
		hello := `{"contents":[{"parts":[{"text":"hello"}]}]}`
		assert.Equal(t, flash, w.do("POST", auto, hello).Header().Get("X-Fluxgate-Model"))
		a := w.do("POST", auto, hello, "X-Fluxgate-Max-Wait", "300")
		require.Equal(t, http.StatusTooManyRequests, a.Code)
		assert.Equal(t, flash, a.Header().Get("X-Fluxgate-Free-Model"))
	})
}

// slowReads is a store that takes a moment to read what others wrote, as a database does.
type slowReads struct{ storage.Store }

// Refresh implements storage.Store.
func (s slowReads) Refresh(ctx context.Context, ids []string, force bool) error {
	time.Sleep(20 * time.Millisecond)
	return s.Store.Refresh(ctx, ids, force)
}

// What is free when the answer is written is free now, however long it took to find out.
func TestFreeModelOfASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{store: slowReads{storage.NewMemory(nil)}, env: []string{"FLUXGATE_CHAIN=" + pro + "," + flash, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`}})
		w.generate("first", "").ok()
		a := w.generate("second", "")
		require.Equal(t, http.StatusTooManyRequests, a.Code)
		assert.Equal(t, flash, a.Header().Get("X-Fluxgate-Free-Model"))
		assert.Contains(t, a.Body.String(), flash+" is free now")
	})
}
