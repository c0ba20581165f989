package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/quota"
	"fluxgate.dev/fluxgate/internal/race"
)

// A refusal per minute is believed for about a window, whatever delay it names. Then
// one request is tried, by any instance, and the others are told to wait for it.
func TestAMinuteIsAMinute(t *testing.T) {
	const minute = `{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"%s"}]}}`
	for _, c := range []struct {
		delay string
		wait  time.Duration
		tried int // of five that come at once
	}{
		{"86400s", 61 * time.Second, 1},
		{"3600s", 61 * time.Second, 1},
		{"61s", 61 * time.Second, 1},
		{"60s", 61 * time.Second, 5},
		{"20s", 21 * time.Second, 5}, // it is believed, and then nothing is in doubt
	} {
		t.Run(c.delay, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				sends := 0
				_, s := stubbed(func(h heard) *http.Response {
					if !isCall(h) {
						return nil
					}
					mu.Lock()
					defer mu.Unlock()
					sends++
					return respond(429, fmt.Sprintf(minute, c.delay))
				})
				s.env = []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":100,"rpd":-1}}`}
				w := newWorld(t, s)
				other := w.instance()
				assert.Equal(t, c.wait, w.generate("hello", "").wait())
				for round := range 3 {
					synctestSleep(c.wait)
					var all sync.WaitGroup
					for i := range 5 {
						all.Go(func() {
							at := w.served
							if i%2 > 0 {
								at = other
							}
							a := ask(t, at, "POST", "/generate", body(fmt.Sprint("hello ", round, i), ""))
							assert.Equal(t, http.StatusTooManyRequests, a.Code)
						})
					}
					all.Wait()
					if c.tried == 1 {
						// Two instances that come at the very same instant may both try.
						assert.LessOrEqual(t, sends, 1+2*(round+1))
					} else {
						break
					}
				}
			})
		})
	}
}

// When the one that is tried is served, the others are too.
func TestAMinuteIsOverOnceOneIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, s := stubbed(first(func(heard) *http.Response {
			status, text := refusalBody(t, "429_minute")
			return respond(status, strings.ReplaceAll(text, `"retryDelay": "42s"`, `"retryDelay": "86400s"`))
		}))
		s.env = []string{"FLUXGATE_CHAIN=" + pro}
		w := newWorld(t, s)
		wait := w.generate("hello", "").wait()
		require.LessOrEqual(t, wait, 62*time.Second)
		synctestSleep(wait)
		other := w.instance()
		w.generate("hello", "").ok()
		w.generate("another", "").ok()
		ask(t, other, "POST", "/generate", body("a third", "")).ok()
		assert.Len(t, up.requests(":generateContent"), 4)
	})
}

// What one project may not do another is asked for, and that one is left alone for a
// while: for the model, or altogether.
func TestProjectNotCaller(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wording    string
		altogether bool
	}{{"400_free_tier", true}, {"403_permission", false}, {"403_policy", false}} {
		for _, path := range []string{"/generate", "/v1beta/models/gemini-2.5-pro:generateContent", "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"} {
			t.Run(c.wording+" "+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					status, text := refusalBody(t, c.wording)
					up, s := stubbed(nil)
					s.keys = projects("alpha", "beta")
					s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}
					asked := 0
					up.answer = func(h heard) *http.Response {
						if isCall(h) && h.header.Get("X-Goog-Api-Key") == key(1, "").Value && strings.Contains(h.path, pro) {
							asked++
							return respond(status, text)
						}
						return nil
					}
					w := newWorld(t, s)
					request := hello
					if path == "/generate" {
						request = body("hello", `"model":"gemini-2.5-pro"`)
					}
					for range 50 {
						a := w.do("POST", path, request)
						require.Equal(t, http.StatusOK, a.Code, a.Body.String())
					}
					assert.Equal(t, 1, asked, "left alone from then on")
					served := w.generate("hello", `"model":"gemini-2.5-flash","preferred_key":1`).ok()
					if c.altogether {
						assert.Equal(t, 2, served.KeyUsed)
					} else {
						assert.Equal(t, 1, served.KeyUsed, "another model isn't concerned")
					}
					// It comes back by itself.
					up.answer = nil
					synctestSleep(11 * time.Minute)
					used := map[int]bool{}
					for range 60 {
						used[w.generate("hello", `"model":"gemini-2.5-pro"`).ok().KeyUsed] = true
					}
					assert.Len(t, used, 2)
				})
			})
		}
	}
}

// Only when all agree is it the caller's: it gets what Google said, each time, whether it
// names a model or asks for the chain, of which each model is refused.
func TestWhenAllProjectsAgree(t *testing.T) {
	t.Parallel()
	for _, wording := range []string{"400_free_tier", "403_permission", "403_policy"} {
		for _, request := range []struct {
			path, body string
			models     int // that are asked for
		}{
			{"/v1beta/models/gemini-2.5-pro:generateContent", hello, 1},
			{"/v1beta/models/auto:generateContent", hello, 2},
			{"/v1beta/models/auto:streamGenerateContent?alt=sse", hello, 2},
			{"/generate", body("hello", ""), 2},
		} {
			t.Run(wording+" "+request.path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					status, text := refusalBody(t, wording)
					calls := 0
					_, s := stubbed(func(h heard) *http.Response {
						if !isCall(h) {
							return nil
						}
						calls++
						return respond(status, text)
					})
					s.keys = projects("alpha", "beta", "gamma", "delta")
					s.env = []string{"FLUXGATE_CHAIN=" + pro + "," + flash}
					w := newWorld(t, s)
					for range 3 {
						a := w.do("POST", request.path, request.body)
						assert.Equal(t, status, a.Code)
						assert.JSONEq(t, text, a.Body.String())
					}
					if wording == "400_free_tier" {
						request.models = 1 // it is said of the project
					}
					assert.Equal(t, 4*request.models, calls, "each was asked once")
				})
			})
		}
	}
}

// Where the chain isn't to be had for other reasons that is the operator's, and none of them is
// called something else: a model that is gone isn't spent.
func TestWhenTheChainIsNotToBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		denied, noPermission := refusalBody(t, "403_permission")
		gone, noModel := refusalBody(t, "404_gone")
		_, s := stubbed(func(h heard) *http.Response {
			switch {
			case !isCall(h):
				return nil
			case strings.Contains(h.path, pro):
				return respond(denied, noPermission)
			}
			return respond(gone, noModel)
		})
		s.env = []string{"FLUXGATE_CHAIN=" + pro + "," + flash}
		w := newWorld(t, s)
		for range 3 {
			said := w.do("POST", "/v1beta/models/auto:generateContent", hello).failed(http.StatusServiceUnavailable).Message
			assert.Contains(t, said, "1 for which every model of the chain is spent, gone or not permitted")
		}
	})
}

// A video or a file that Google may not open says nothing of the project or the model.
func TestNoPermissionForContentIsNotTheModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "403_permission")
		calls := 0
		_, s := stubbed(func(h heard) *http.Response {
			if isCall(h) && strings.Contains(string(h.body), "private") {
				calls++
				return respond(status, text)
			}
			return nil
		})
		s.keys = many(8)
		w := newWorld(t, s)
		for n := range 3 {
			a := w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", `{"contents":[{"parts":[{"fileData":{"fileUri":"https://youtu.be/private"}}]}]}`)
			assert.Equal(t, status, a.Code)
			assert.JSONEq(t, text, a.Body.String())
			assert.Equal(t, 3*(n+1), calls)
		}
		for i := range 8 {
			assert.Equal(t, i+1, w.generate("hello", fmt.Sprintf(`"preferred_key":%d,"model":"gemini-2.5-pro"`, i+1)).ok().KeyUsed)
		}
	})
}

// The same with the simulator's own refusals: every standing of one project of two
// costs requests that the other could serve nothing, and ends by itself.
func TestStandingsOfAProject(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	for standing, name := range map[quota.Standing]string{
		quota.NoGrounding: "no grounding", quota.Overspent: "overspent", quota.Depleted: "depleted",
		quota.NoFreeTier: "no free tier", quota.NoPermission: "no permission", quota.DeniedAccess: "denied access",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{keys: projects("alpha", "beta"), env: []string{`FLUXGATE_LIMITS={"pro":{"rpm":60,"rpd":-1}}`}})
				w.sim.SetStanding("alpha", standing)
				for range 200 {
					for _, request := range []string{hello, grounded["google_search"].body} {
						a := w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", request)
						require.Equal(t, http.StatusOK, a.Code, a.Body.String())
					}
					synctestSleep(3 * time.Second)
				}
				refused := 0
				for _, e := range w.sim.Log() {
					if e.Status != http.StatusOK {
						refused++
					}
				}
				assert.Positive(t, refused)
				assert.LessOrEqual(t, refused, 20, "asked now and then")
				w.sim.SetStanding("alpha", quota.GoodStanding)
				synctestSleep(time.Hour)
				for range 10 {
					w.generate("hello", "").ok()
					synctestSleep(time.Minute)
				}
				assert.Equal(t, 1, w.generate("back", `"preferred_key":1,"model":"gemini-2.5-pro"`).ok().KeyUsed)
			})
		})
	}
}

// Who holds a booking when one is tried after a block keeps its claim: it is told when
// to come, and is booked again.
func TestABookingOutlivesATrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := false
		_, s := stubbed(func(h heard) *http.Response {
			if !isCall(h) {
				return nil
			}
			if refused {
				synctestSleep(time.Second) // an answer takes its time
				return nil
			}
			refused = true
			status, text := refusalBody(t, "429_minute")
			return respond(status, strings.NewReplacer(`"42s"`, `"86400s"`, `"quotaValue": "10"`, `"quotaValue": ""`).Replace(text))
		})
		s.env = []string{"FLUXGATE_CHAIN=" + pro}
		w := newWorld(t, s)
		wait := w.generate("first", "").wait()
		var held []answer
		for i := range 3 {
			held = append(held, w.generate(fmt.Sprint("booked ", i), "", "X-Fluxgate-Book", "true"))
			require.True(t, held[i].booked())
		}
		synctestSleep(wait)
		var all sync.WaitGroup
		for i := range held {
			all.Go(func() {
				held[i] = w.generate(fmt.Sprint("booked ", i), "", "X-Fluxgate-Ticket", held[i].ticket())
			})
		}
		all.Wait()
		again := slices.DeleteFunc(slices.Clone(held), func(a answer) bool { return a.Code == http.StatusOK })
		assert.Len(t, again, 2)
		for _, a := range again {
			assert.True(t, a.booked(), a.Body.String())
			assert.LessOrEqual(t, a.wait(), 6*time.Second)
		}
		synctestSleep(6 * time.Second)
		for i, a := range held {
			if a.Code != http.StatusOK {
				w.generate(fmt.Sprint("booked ", i), "", "X-Fluxgate-Ticket", a.ticket()).ok()
			}
		}
	})
}

// Where one project is refused for the country and the other's key is no good, they don't agree: the caller isn't told
// what is said of the first, neither by the request that finds it out nor by later ones.
func TestWhenProjectsDontAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noTier, noTierText := refusalBody(t, "400_free_tier")
		leaked, leakedText := refusalBody(t, "403_leaked")
		_, s := stubbed(func(h heard) *http.Response {
			switch {
			case h.header.Get("X-Goog-Api-Key") == key(2, "").Value:
				return respond(leaked, leakedText)
			case isCall(h):
				return respond(noTier, noTierText)
			}
			return nil
		})
		s.keys = projects("alpha", "beta")
		w := newWorld(t, s)
		for range 3 {
			a := w.do("POST", unaryPath, hello)
			assert.NotContains(t, a.Body.String(), "country")
			a.failed(http.StatusServiceUnavailable)
		}
		// A key that the operator has taken out has no say.
		w.do("POST", "/config", `{"disable_key":2}`)
		w.do("POST", unaryPath, hello).failed(noTier)
	})
}
