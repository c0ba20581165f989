package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/storage"
)

// Nobody has named the limits of a model: it begins with what is built in, 10 a minute,
// and goes up to what there is, for one 429 of upstream's, which names it.
func TestLimitsAreFoundFromWhereTheyBegin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + flash}, sim: func(c *geminisim.Config) {
			c.Limits[flash] = geminisim.Limits{RPM: 14, TPM: 1_000_000, RPD: 10_000}
			c.Latency = time.Second
		}})
		n := 0
		minute := func() (answered int) {
			for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(500 * time.Millisecond) {
				n++
				if w.generate(fmt.Sprint(n), `"max_wait":0`).Code == http.StatusOK {
					answered++
				}
			}
			time.Sleep(5 * time.Second)
			return answered
		}
		for range 3 {
			minute()
		}
		assert.Equal(t, 14, minute())
		assert.EqualValues(t, 1, w.sim.Stats().Refused)
		rpm := w.full().Projects[0].Models[0].RPM
		assert.Equal(t, "learned", rpm.Source)
		assert.EqualValues(t, 14, rpm.Limit)
		assert.NotContains(t, w.full().said(), "probe answered", "a limit that goes up by one is no event")
	})
}

// Who comes while one request tries whether a day that nobody has named has more is told to come back in a moment, in
// words and with ids by which no client gives up, and gets in then; the one that was sent may still be thinking.
func TestWhileTheDayIsTestedCallersComeAgain(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1beta/models/" + flash + ":generateContent", "/v1beta/openai/chat/completions"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + flash, `FLUXGATE_LIMITS={"flash":{"rpm":-1}}`}, sim: func(c *geminisim.Config) {
				c.Limits[flash] = geminisim.Limits{RPM: -1, TPM: 100_000_000, RPD: 260}
				c.Latency = 20 * time.Second
			}})
			var all sync.WaitGroup
			send := func(i int) (a answer) {
				request := fmt.Sprintf(`{"contents":[{"parts":[{"text":"%d"}]}]}`, i)
				if strings.HasSuffix(path, "completions") {
					request = fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"%d"}]}`, flash, i)
				}
				return w.do("POST", path, request)
			}
			for i := range 250 { // where its family begins
				all.Go(func() { assert.Equal(t, http.StatusOK, send(i).Code) })
				synctestSleep(50 * time.Millisecond)
			}
			for i := range 10 {
				a := send(250 + i)
				require.Equal(t, http.StatusTooManyRequests, a.Code, a.Body.String())
				assert.Equal(t, time.Second, a.wait())
				assert.Equal(t, "true", a.Header().Get("X-Should-Retry"))
				assert.False(t, a.booked())
				assert.Contains(t, a.Body.String(), "The day's requests that are known of "+flash+" are used up. Whether there are more is being tried, one request at a time.")
				assert.NotContains(t, a.Body.String(), "PerDay")
				assert.NotContains(t, a.Body.String(), "midnight")
				assert.NotContains(t, a.Body.String(), "limit: ")
				synctestSleep(a.wait())
				all.Go(func() { assert.Equal(t, http.StatusOK, send(250+i).Code) })
				synctestSleep(50 * time.Millisecond)
			}
			synctestSleep(time.Second)
			send(1000)
			require.EqualValues(t, 1, w.sim.Stats().RefusedRPD)
			a := send(1001)
			assert.Equal(t, http.StatusTooManyRequests, a.Code)
			assert.Contains(t, a.Body.String(), "Pacific midnight", "the day is known now")
			all.Wait()
			assert.EqualValues(t, 260, w.full().Projects[0].Models[0].RPD.Limit)
		})
	}
}

// A request beyond a day that nobody has named, to which Gemini says nothing of a limit, shows nothing: neither an
// overload nor a connection that breaks nor a model that its project may not use raises or confirms what is known.
// An answer does, on whichever instance.
func TestAProbeWithoutAnAnswerShowsNothing(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, open func() storage.Store) {
		failing := ""
		status := 0
		_, s := stubbed(func(h heard) *http.Response {
			if failing == "" || !isCall(h) {
				return nil
			}
			return respond(status, failing)
		})
		s.store, s.env = open(), []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":-1}}`}
		s.sim = func(c *geminisim.Config) { c.Limits[pro] = geminisim.Limits{RPM: -1, TPM: 100_000_000, RPD: 1000} }
		w := newWorld(t, s)
		instances := []*served{w.served, w.instanceOver(open())}
		send := func(n int) answer {
			return ask(t, instances[n%2], "POST", unaryPath, fmt.Sprintf(`{"contents":[{"parts":[{"text":"%d"}]}]}`, n))
		}
		var all sync.WaitGroup
		for i := range 100 { // where its family begins
			all.Go(func() { assert.Equal(t, http.StatusOK, send(2*i).Code) })
		}
		all.Wait()
		n := 200
		probe := func(instance int) answer {
			for {
				n += 2
				a := send(n + instance)
				if a.Code != http.StatusTooManyRequests {
					return a
				}
				require.LessOrEqual(t, a.wait(), 10*time.Second)
				time.Sleep(a.wait())
			}
		}
		for i, x := range []struct {
			status int
			body   string
		}{
			{http.StatusServiceUnavailable, `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`},
			{http.StatusBadGateway, `<html>502 Bad Gateway</html>`},
			{http.StatusInternalServerError, `{"error":{"code":500,"message":"An internal error has occurred.","status":"INTERNAL"}}`},
		} {
			status, failing = x.status, x.body
			assert.NotEqual(t, http.StatusOK, probe(i%2).Code)
		}
		failing = ""
		require.Equal(t, http.StatusOK, probe(0).Code)
		require.Equal(t, http.StatusOK, probe(0).Code)
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			var out fullStatus
			ask(t, w.served, "GET", "/status?idle=true", "").decode(&out)
			assert.EqualValues(c, 102, out.Projects[0].Models[0].RPD.Limit)
		}, 10*time.Second, 100*time.Millisecond)
	})
}
