package server_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

// apiRoutes are routes of Google's and OpenAI's APIs, with a body for the model pro.
var apiRoutes = map[string]string{
	"/v1beta/models/" + pro + ":generateContent": `{"contents":[{"parts":[{"text":"%s"}]}]}`,
	"/v1beta/openai/chat/completions":            `{"model":"` + pro + `","messages":[{"role":"user","content":"%s"}]}`,
	"/openai/v1/chat/completions":                `{"model":"` + pro + `","messages":[{"role":"user","content":"%s"}]}`,
}

// millis returns a header that says milliseconds.
func (a answer) millis(name string) time.Duration {
	a.t.Helper()
	n, err := strconv.Atoi(a.Header().Get(name))
	require.NoError(a.t, err, name)
	return time.Duration(n) * time.Millisecond
}

// persist sends a request as OpenAI's SDKs and Vercel's do: it returns when
// Retry-After-Ms says, at most twice, and gives up where that is 60 s or more.
func (w *world) persist(path, body string) (last answer, told []time.Duration) {
	w.t.Helper()
	for visit := range 3 {
		last = w.do("POST", path, body)
		if last.Code != http.StatusTooManyRequests || visit == 2 || last.Header().Get("X-Should-Retry") != "true" ||
			last.millis("Retry-After-Ms") >= time.Minute {
			break
		}
		told = append(told, last.millis("X-Fluxgate-Retry-Ms"))
		synctestSleep(last.millis("Retry-After-Ms"))
	}
	return last, told
}

// Clients that take a wait only below 60 s come back in its middle and sit out the rest:
// they are told the same instant again, have proved that they return, and pass at it.
func TestWaitInTwoVisits(t *testing.T) {
	for path, form := range apiRoutes {
		for _, wait := range []time.Duration{62, 66, 90, 110, 115} {
			t.Run(fmt.Sprint(path, " ", int(wait)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, oneAMinute("FLUXGATE_SKEW=0s"))
					w.generate("first", "").ok()
					booked := w.generate("second", "", "X-Fluxgate-Book", "true")
					go func() {
						synctestSleep(booked.wait())
						w.generate("second", "").ok()
					}()
					synctestSleep((121 - wait) * time.Second)
					began := time.Now()
					body := fmt.Sprintf(form, "third")
					a, told := w.persist(path, body)
					require.Equal(t, http.StatusOK, a.Code, "told %v", told)
					require.NotEmpty(t, told)
					assert.Greater(t, told[0], time.Minute)
					// It may be earlier than told, since the holder before it wasn't late.
					assert.LessOrEqual(t, time.Since(began), told[0])
					assert.Greater(t, time.Since(began), told[0]-6*time.Second)
					if len(told) > 1 {
						assert.LessOrEqual(t, told[1]+59_900*time.Millisecond, told[0], "the same instant or an earlier one")
					}
					assert.InDelta(t, wait+4, told[0].Seconds(), 1.1)
				})
			})
		}
	}
}

// Whoever was told an earlier time is not overtaken by one that comes back in the
// middle of its wait.
func TestWaitInTwoVisitsOvertakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute())
		w.generate("first", "").ok()
		synctestSleep(10 * time.Second)
		before := w.generate("second", "")
		const path = "/v1beta/openai/chat/completions"
		body := fmt.Sprintf(apiRoutes[path], "third")
		first := w.do("POST", path, body)
		require.Greater(t, first.wait(), 100*time.Second)
		synctestSleep(49 * time.Second)
		impatient := w.do("POST", path, body)
		assert.False(t, impatient.booked(), "it came at a time of its own")
		synctestSleep(before.wait() - 49*time.Second)
		w.generate("second", "").ok()
		synctestSleep(59_900*time.Millisecond - (before.wait() - 49*time.Second))
		second := w.do("POST", path, body)
		assert.True(t, second.booked(), "it has proved that it returns")
		synctestSleep(second.millis("Retry-After-Ms"))
		assert.Equal(t, http.StatusOK, w.do("POST", path, body).Code)
	})
}

// What is told in which header, by the route.
func TestPatienceOfRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute("FLUXGATE_SKEW=0s"))
		w.generate("first", "").ok()
		require.True(t, w.generate("second", "", "X-Fluxgate-Book", "true").booked())
		synctestSleep(31 * time.Second)
		own := w.generate("third", "")
		assert.Equal(t, own.Header().Get("X-Fluxgate-Retry-Ms"), own.Header().Get("Retry-After-Ms"), "programs that were written for Fluxgate read it")
		assert.Equal(t, "false", own.Header().Get("X-Should-Retry"))
		for path, form := range apiRoutes {
			a := w.do("POST", path, fmt.Sprintf(form, "fourth of "+path))
			exact := a.millis("X-Fluxgate-Retry-Ms")
			require.Greater(t, exact, time.Minute)
			assert.Equal(t, a.wait(), exact.Truncate(time.Second)+min(exact%time.Second, 1)*time.Second, "rounded up")
			if exact <= 119_800*time.Millisecond {
				assert.Equal(t, "59900", a.Header().Get("Retry-After-Ms"))
				assert.Equal(t, "true", a.Header().Get("X-Should-Retry"))
			} else {
				assert.Equal(t, exact, a.millis("Retry-After-Ms"), "two visits don't mend it")
				assert.Equal(t, "false", a.Header().Get("X-Should-Retry"))
			}
			text := strconv.FormatFloat(exact.Seconds(), 'f', 3, 64) + "s"
			assert.Contains(t, a.Body.String(), "retry in "+text)
			assert.Contains(t, a.Body.String(), "try again in "+text)
		}
	})
}

// A caller that says until when it can wait is told at once when that is too early, and
// nothing is kept for it.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro + "," + flash, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`}})
		w.generate("first", "").ok()
		synctestSleep(10 * time.Second)
		for _, deadline := range []string{"20", time.Now().Add(20 * time.Second).Format(time.RFC3339)} {
			a := w.generate("second", "", "X-Fluxgate-Deadline", deadline, "X-Fluxgate-Book", "true")
			assert.Equal(t, 51*time.Second, a.wait(), deadline)
			assert.False(t, a.booked())
			assert.Empty(t, a.ticket())
			assert.Equal(t, "false", a.Header().Get("X-Should-Retry"))
			message := a.failed(http.StatusTooManyRequests).Message
			assert.Contains(t, message, "You can wait for 20.000s only")
			assert.Contains(t, message, "retry in 51.000s")
			assert.Contains(t, message, flash+" is free now: send X-Fluxgate-Max-Wait: 0")
		}
		assert.Equal(t, 51*time.Second, w.generate("third", "").wait(), "it is in nobody's way")
		assert.False(t, w.generate("second", "", "X-Fluxgate-Deadline", "60", "X-Fluxgate-Book", "true").booked(), "it comes behind the third")
		assert.True(t, w.generate("second", "", "X-Fluxgate-Deadline", "120", "X-Fluxgate-Book", "true").booked())
		for _, wrong := range []string{"soon", "-1", "1e300", "NaN"} {
			w.generate("second", "", "X-Fluxgate-Deadline", wrong).failed(http.StatusBadRequest)
		}
	})
}

// A 400 for size names the size and the limit.
func TestTooLargeNamesTheLimit(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{
			"FLUXGATE_COUNT=exact", "FLUXGATE_TOKENS=alice:alice-token-0123456789,bob:bob-token-0123456789", `FLUXGATE_CALLERS={"alice":{"rpm":2}}`,
		}})
		a := w.generate(strings.Repeat("a ", 1_048_577), "", "X-Fluxgate-Token", "bob-token-0123456789")
		assert.Contains(t, a.failed(http.StatusBadRequest).Message,
			"The request has 1048577 input tokens, more than any usable project and model can take, now or later: the limit is 1048576.")
		batch := `{"requests":[` + strings.Repeat(`{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]}},`, 2) +
			`{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]}}]}`
		a = w.do("POST", "/v1beta/models/gemini-embedding-001:batchEmbedContents", batch, "X-Fluxgate-Token", "alice-token-0123456789")
		assert.Contains(t, a.failed(http.StatusBadRequest).Message,
			"The request counts as 3 requests, more than your own limits ever allow: the limit is 2.")
	})
}

// A preferred key that is busy says nothing of the others.
func TestPreferredKeyIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneAMinute()
		s.keys = projects("alpha", "beta")
		w := newWorld(t, s)
		w.generate("first", `"preferred_key":1`).ok()
		message := w.generate("second", `"preferred_key":1`).failed(http.StatusTooManyRequests).Message
		assert.Contains(t, message, "The project of the key that you prefer is busy; others may not be.")
		w.generate("third", "").ok()
		assert.Contains(t, w.generate("fourth", "").failed(http.StatusTooManyRequests).Message, "Every usable project is busy.")
	})
}

// A caller that has limits of its own is told how they stand; the pool's are nobody's.
func TestQuotasAreTheCallersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{
			"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":2}}`, "FLUXGATE_COUNT=exact",
			"FLUXGATE_TOKENS=alice:alice-token-0123456789,bob:bob-token-0123456789", `FLUXGATE_CALLERS={"alice":{"rpm":3,"tpm":1000,"rpd":9}}`,
		}})
		alice, bob := []string{"X-Fluxgate-Token", "alice-token-0123456789"}, []string{"X-Fluxgate-Token", "bob-token-0123456789"}
		const path = "/v1beta/openai/chat/completions"
		a := w.do("POST", path, fmt.Sprintf(apiRoutes[path], "one two"), alice...)
		require.Equal(t, http.StatusOK, a.Code, a.Body)
		assert.Equal(t, `"rpm";q=3;w=60, "tpm";q=1000;w=60;qu="tokens", "rpd";q=9;w=86400`, a.Header().Get("RateLimit-Policy"))
		assert.Regexp(t, `^"rpm";r=2;t=6\d, "tpm";r=9\d\d;t=6\d, "rpd";r=8;t=\d+$`, a.Header().Get("RateLimit"))
		assert.Equal(t, "3", a.Header().Get("X-Ratelimit-Limit-Requests"))
		assert.Equal(t, "2", a.Header().Get("X-Ratelimit-Remaining-Requests"))
		assert.Equal(t, "1000", a.Header().Get("X-Ratelimit-Limit-Tokens"))
		assert.Regexp(t, `^1m`, a.Header().Get("X-Ratelimit-Reset-Requests"))

		a = w.generate("one more", "", alice...)
		assert.Contains(t, a.Header().Get("RateLimit"), `"rpm";r=1;`)
		assert.Empty(t, a.Header().Get("X-Ratelimit-Limit-Requests"), "on OpenAI's route only")

		pool := w.generate("the pool is full", "", alice...)
		require.Equal(t, http.StatusTooManyRequests, pool.Code)
		b := w.generate("another caller", "", bob...)
		for _, x := range []answer{pool, b} {
			for name := range x.Header() {
				assert.NotContains(t, strings.ToLower(name), "ratelimit", "Retry-After speaks alone")
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_TOKENS=alice:alice-token-0123456789", `FLUXGATE_CALLERS={"alice":{"rpm":1}}`}})
		w.generate("one", "", "X-Fluxgate-Token", "alice-token-0123456789").ok()
		a := w.generate("two", "", "X-Fluxgate-Token", "alice-token-0123456789")
		assert.Equal(t, 61*time.Second, a.wait())
		assert.Regexp(t, `^"rpm";r=0;t=6\d$`, a.Header().Get("RateLimit"))
	})
}
