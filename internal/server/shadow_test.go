package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/shadow"
)

// watching is a setup that only watches, with one request a minute as far as Fluxgate knows.
func watching() setup {
	s := oneAMinute()
	s.env = append(s.env, "FLUXGATE_SHADOW=true")
	return s
}

// Where Fluxgate only watches every request goes at once and is counted, and what would have been is in the answer, in the
// log and in /status: on every route, also of who says that it returns and of who has a ticket. Nothing is kept for anybody.
func TestShadowSendsAndTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watching()
		s.sim = func(c *geminisim.Config) {
			c.Limits = map[string]geminisim.Limits{pro: {RPM: 100, TPM: 1e6, RPD: 1000}}
		} // upstream takes more than Fluxgate knows
		w := newWorld(t, s)
		h := shadow.Announce(w.served)
		sent := func(i int, path, form string, header ...string) answer {
			a := ask(t, h, "POST", path, fmt.Sprintf(form, fmt.Sprint("hello ", i)), header...)
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
			assert.Equal(t, "true", a.Header().Get("X-Fluxgate-Shadow"))
			return a
		}
		first := sent(0, "/generate", `{"prompt":"%s","mode":"pro_only"}`)
		assert.Empty(t, first.Header().Get("X-Fluxgate-Shadow-Wait-Ms"), "there was room")
		n := 0
		for path, form := range apiRoutes {
			for _, header := range [][]string{nil, {"X-Fluxgate-Book", "true"}, {"X-Fluxgate-Deadline", "3"}} {
				n++
				a := sent(n, path, form, header...)
				assert.InDelta(t, 60_500, float64(a.millis("X-Fluxgate-Shadow-Wait-Ms").Milliseconds()), 1500)
				assert.Empty(t, a.Header().Get("X-Fluxgate-Ticket"))
			}
		}
		c := w.calendar("alpha", pro)
		assert.EqualValues(t, n+1, w.used("alpha", pro), "what is sent counts")
		assert.Empty(t, c.Bookings)
		assert.Contains(t, w.logs.String(), "shadow: sent although it would have waited")

		var status struct{ Shadow shadow.Report }
		ask(t, h, "GET", "/status", "").decode(&status)
		assert.EqualValues(t, n+1, status.Shadow.Requests)
		assert.EqualValues(t, n, status.Shadow.Waits)
		require.Len(t, status.Shadow.Rows, 1)
		assert.Equal(t, "rpm", status.Shadow.Rows[0].Cause)
		assert.Equal(t, pro, status.Shadow.Rows[0].Model)
		assert.Greater(t, status.Shadow.Rows[0].LongestMs, int64(59_000))
		health := ask(t, h, "GET", "/health", "")
		assert.Contains(t, health.Body.String(), `"shadow":true`)
		assert.Equal(t, "true", ask(t, h, "GET", "/nowhere", "").Header().Get("X-Fluxgate-Shadow"))

		time.Sleep(61 * time.Second)
		last := sent(100, "/generate", `{"prompt":"%s","mode":"pro_only"}`)
		assert.Empty(t, last.Header().Get("X-Fluxgate-Shadow-Wait-Ms"), "the minute is over: it would have gone")
	})
}

// A caller's own limits are only watched too; what is sent counts on them.
func TestShadowWatchesCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{
			"FLUXGATE_SHADOW=true", "FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken,
			`FLUXGATE_CALLERS={"alice":{"rpm":1},"bob":{"rpm":0}}`,
		}})
		send := func(prompt, token string) answer {
			a := ask(t, shadow.Announce(w.served), "POST", "/generate", body(prompt, ""), "X-Fluxgate-Token", token)
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
			return a
		}
		send("one", aliceToken)
		assert.Greater(t, send("two", aliceToken).millis("X-Fluxgate-Shadow-Wait-Ms"), 59*time.Second)
		assert.Equal(t, "never", send("three", bobToken).Header().Get("X-Fluxgate-Shadow-Wait-Ms"))
	})
}

// What upstream refuses passes to the caller as it is: nothing of Fluxgate's own is put in its place. Another project with
// room serves it.
func TestShadowInventsNothing(t *testing.T) {
	const said = `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`
	refusing := map[string]bool{}
	stub, s := stubbed(func(h heard) *http.Response {
		if isCall(h) && refusing[h.header.Get("X-Goog-Api-Key")] {
			return respond(http.StatusTooManyRequests, said)
		}
		return nil
	})
	s.env, s.keys = []string{"FLUXGATE_SHADOW=true"}, []geminisim.Key{key(1, "alpha"), key(2, "beta")}
	w := newWorld(t, s)
	path := "/v1beta/models/" + pro + ":generateContent"
	send := func() answer { return w.do("POST", path, `{"contents":[{"parts":[{"text":"hi"}]}]}`) }
	refusing[key(1, "").Value] = true
	for range 4 {
		require.Equal(t, http.StatusOK, send().Code, "beta serves it")
	}
	refusing[key(2, "").Value] = true
	before := len(stub.requests(":generateContent"))
	for i := range 3 {
		a := send()
		require.Equal(t, http.StatusTooManyRequests, a.Code)
		assert.JSONEq(t, said, a.Body.String())
		for _, name := range []string{"X-Fluxgate-Ticket", "X-Fluxgate-Booked", "X-Fluxgate-Retry-Ms"} {
			assert.Empty(t, a.Header().Get(name), name)
		}
		assert.Greater(t, len(stub.requests(":generateContent")), before+i, "it was sent")
	}
}
