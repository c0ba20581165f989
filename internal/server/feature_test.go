package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// The ways to ask for a feature that has a quota of its own.
var grounded = map[string]struct{ path, body string }{
	"google_search":           {"", `{"contents":[{"parts":[{"text":"who won?"}]}],"tools":[{"google_search":{}}]}`},
	"googleSearch":            {"", `{"contents":[{"parts":[{"text":"who won?"}]}],"tools":[{"googleSearch":{}}]}`},
	"google_search_retrieval": {"", `{"contents":[{"parts":[{"text":"who won?"}]}],"tools":[{"google_search_retrieval":{}}]}`},
	"urlContext":              {"", `{"contents":[{"parts":[{"text":"read it"}]}],"tools":[{"urlContext":{}}]}`},
	"google_maps":             {"", `{"contents":[{"parts":[{"text":"where?"}]}],"tools":[{"google_maps":{}}]}`},
	"escaped":                 {"", `{"contents":[{"parts":[{"text":"who won?"}]}],"tools":[{"google\u005fsearch":{}}]}`},
	"images":                  {"", `{"contents":[{"parts":[{"text":"draw"}]}],"generationConfig":{"responseModalities":["TEXT","IMAGE"]}}`},
	"OpenAI":                  {"/v1beta/openai/chat/completions", `{"model":"auto","messages":[{"role":"user","content":"who won?"}],"tools":[{"google_search":{}}]}`},
	"OpenAI, extra body":      {"/v1beta/openai/chat/completions", `{"model":"auto","messages":[{"role":"user","content":"who won?"}],"extra_body":{"google":{"tools":[{"googleSearch":{}}]}}}`},
	"streamed":                {"/v1beta/models/auto:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"who won?"}]}],"tools":[{"google_search":{}}]}`},
}

// What Gemini says of them that isn't of the model.
var featureWordings = []string{"429_bare", "429_help_only", "429_search_zero", "429_search_day", "429_grounding_minute"}

// One caller repeats a request with a feature that no project has; another posts
// plain text every second and notices nothing. Upstream sees few of the first.
func TestAFeatureIsNobodyElses(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	for name, request := range grounded {
		for _, wording := range featureWordings {
			if name != "google_search" && wording != "429_help_only" {
				continue // each spelling once, and each wording once
			}
			t.Run(name+" "+wording, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					status, text := refusalBody(t, wording)
					var probes []time.Time
					up, s := stubbed(nil)
					up.answer = func(h heard) *http.Response {
						if isCall(h) && strings.Contains(string(h.body), `"tools"`) || strings.Contains(string(h.body), "IMAGE") {
							probes = append(probes, time.Now())
							return respond(status, text)
						}
						return nil
					}
					s.keys = projects("alpha", "beta", "gamma", "delta")
					s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":30,"rpd":-1}}`, "FLUXGATE_CHAIN=" + pro}
					w := newWorld(t, s)
					path := request.path
					if path == "" {
						path = "/v1beta/models/auto:generateContent"
					}
					// The first case asks every second. The others differ in what is read, not in when.
					every := 5 * time.Second
					if name == "google_search" && wording == "429_help_only" && !testing.Short() {
						every = time.Second
					}
					for range 10 * time.Minute / every {
						a := w.do("POST", path, request.body)
						require.Equal(t, status, a.Code, a.Body.String())
						if !strings.HasPrefix(name, "OpenAI") {
							assert.JSONEq(t, text, a.Body.String(), "Google's own text")
						} else {
							assert.Contains(t, a.Body.String(), `"error"`)
						}
						assert.Empty(t, a.ticket(), "no slot is kept")
						w.generate("plain", "").ok()
						synctestSleep(every)
					}
					// 30 s, 60 s, 120 s, 240 s: five tries in ten minutes, on each project.
					assert.LessOrEqual(t, len(probes), 5*4)
					for _, project := range []string{"alpha", "beta", "gamma", "delta"} {
						c := w.calendar(project, pro)
						assert.Empty(t, c.Block, project)
						assert.Empty(t, c.Learned, project)
					}
				})
			})
		}
	}
}

// Where one project has the feature it serves, and those that haven't are asked
// rarely.
func TestAFeatureThatOneProjectHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "429_help_only")
		up, s := stubbed(nil)
		refused := 0
		up.answer = func(h heard) *http.Response {
			if isCall(h) && strings.Contains(string(h.body), "google_search") && h.header.Get("X-Goog-Api-Key") != key(2, "").Value {
				refused++
				return respond(status, text)
			}
			return nil
		}
		s.keys = projects("alpha", "beta", "gamma")
		s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}
		w := newWorld(t, s)
		for range 100 {
			a := w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", grounded["google_search"].body)
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
			assert.Equal(t, "2", a.Header().Get("X-Fluxgate-Key"))
			synctestSleep(100 * time.Millisecond)
		}
		assert.LessOrEqual(t, refused, 2)
		// A request without it goes anywhere, as does one with another feature.
		used := []string{}
		for range 60 {
			used = append(used, w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", grounded["urlContext"].body).Header().Get("X-Fluxgate-Key"))
		}
		assert.Len(t, unique(used), 3)
		// One that has it in it doesn't.
		both := strings.Replace(grounded["google_search"].body, `{"google_search":{}}`, `{"google_search":{}},{"urlContext":{}}`, 1)
		assert.Equal(t, "2", w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", both).Header().Get("X-Fluxgate-Key"))
		// Once the project has it, it comes back by itself.
		up.answer = nil
		synctestSleep(time.Minute)
		used = used[:0]
		for range 60 {
			used = append(used, w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", grounded["google_search"].body).Header().Get("X-Fluxgate-Key"))
		}
		assert.Len(t, unique(used), 3)
	})
}

// After a pause one request is tried, however many come at once.
func TestOneIsTriedAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "429_help_only")
		var mu sync.Mutex
		sends := 0
		_, s := stubbed(func(h heard) *http.Response {
			if !isCall(h) {
				return nil
			}
			mu.Lock()
			sends++
			mu.Unlock()
			synctestSleep(2 * time.Second)
			return respond(status, text)
		})
		w := newWorld(t, s)
		at := func() answer {
			return w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", grounded["google_search"].body)
		}
		told := at()
		assert.Equal(t, 30*time.Second, told.wait())
		synctestSleep(told.wait())
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { assert.Equal(t, http.StatusTooManyRequests, at().Code) })
		}
		all.Wait()
		assert.Equal(t, 2, sends)
	})
}

// What one instance learns of a feature all of them know: none asks before the time, and
// then one does. Who didn't hear what Gemini said says it all the same.
func TestAllInstancesKnowOfAFeature(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "429_help_only")
		var mu sync.Mutex
		var sent []time.Time
		_, s := stubbed(func(h heard) *http.Response {
			if !isCall(h) || !strings.Contains(string(h.body), "google_search") {
				return nil
			}
			mu.Lock()
			sent = append(sent, time.Now())
			mu.Unlock()
			synctestSleep(time.Second)
			return respond(status, text)
		})
		w := newWorld(t, s)
		search := grounded["google_search"].body
		const path = "/v1beta/models/gemini-2.5-pro:generateContent"
		instances := []*served{w.served, w.instance(), w.instance()}
		assert.JSONEq(t, text, w.do("POST", path, search).Body.String())
		for range 20 * 60 {
			for _, x := range instances[1:] {
				a := ask(t, x, "POST", path, search, "X-Fluxgate-Book", "true")
				require.Equal(t, http.StatusTooManyRequests, a.Code)
				require.Empty(t, a.ticket())
				require.JSONEq(t, text, a.Body.String(), "Google's own text")
			}
			synctestSleep(time.Second / 2)
		}
		// 30 s, 60 s, 120 s, 240 s, and the seconds that the answers take.
		assert.LessOrEqual(t, len(sent), 5)
		assert.GreaterOrEqual(t, len(sent), 4)
		for i := 2; i < len(sent); i++ {
			assert.Greater(t, sent[i].Sub(sent[i-1]), 3*sent[i-1].Sub(sent[i-2])/2, "the pause grows")
		}
		assert.Empty(t, w.calendar("alpha", pro).Bookings)
	})
}

// Where a chain's first model is refused a feature, the next one serves it.
func TestAFeatureOfOneModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "429_help_only")
		refused := 0
		_, s := stubbed(func(h heard) *http.Response {
			if isCall(h) && strings.Contains(string(h.body), "google_search") && strings.Contains(h.path, pro) {
				refused++
				return respond(status, text)
			}
			return nil
		})
		s.env = []string{"FLUXGATE_CHAIN=" + pro + "," + flash}
		w := newWorld(t, s)
		for range 5 {
			a := w.do("POST", "/v1beta/models/auto:generateContent", grounded["google_search"].body)
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
			assert.Equal(t, flash, a.Header().Get("X-Fluxgate-Model"))
		}
		assert.Equal(t, 1, refused)
		assert.Equal(t, pro, w.do("POST", "/v1beta/models/auto:generateContent", hello).Header().Get("X-Fluxgate-Model"))
	})
}

// Wherever it is to be had, on whichever of many projects or from whichever model of the chain, the
// first request that asks for it is served, and each that hasn't it is asked once: 2.5 Pro
// has no search without billing where 2.5 Flash has (documented), so one says nothing of another.
func TestAFeatureIsFoundByTheFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		chain   string
		has     func(h heard) bool
		refuses int
	}{
		"the last of eight projects": {pro, func(h heard) bool { return h.header.Get("X-Goog-Api-Key") == key(8, "").Value }, 7},
		"the second of three models": {pro + "," + flash + ",gemini-2.5-flash-lite", func(h heard) bool { return strings.Contains(h.path, flash+":") }, 8},
		"the second model, the last project": {pro + "," + flash, func(h heard) bool {
			return strings.Contains(h.path, flash) && h.header.Get("X-Goog-Api-Key") == key(8, "").Value
		}, 15},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, text := refusalBody(t, "429_help_only")
				refused := 0
				_, s := stubbed(func(h heard) *http.Response {
					if !isCall(h) || c.has(h) {
						return nil
					}
					refused++
					return respond(status, text)
				})
				s.keys = projects("a", "b", "c", "d", "e", "f", "g", "h")
				s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1},"flash":{"rpm":-1,"rpd":-1}}`, "FLUXGATE_CHAIN=" + c.chain}
				w := newWorld(t, s)
				for range 20 {
					a := w.do("POST", "/v1beta/models/auto:generateContent", grounded["google_search"].body)
					require.Equal(t, http.StatusOK, a.Code, a.Body.String())
					synctestSleep(time.Second)
				}
				assert.LessOrEqual(t, refused, c.refuses)
			})
		})
	}
}

// Where no model of the chain has it anywhere, each of them is asked on each project, for one may
// have what another hasn't: once, by the first that asks for it. From then on each project is asked
// once after a pause, the models in turn, and more rarely each time.
func TestAFeatureThatNobodyHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "429_help_only")
		asked := make(map[string]int)
		_, s := stubbed(func(h heard) *http.Response {
			if !isCall(h) {
				return nil
			}
			asked[h.path+" "+h.header.Get("X-Goog-Api-Key")]++
			return respond(status, text)
		})
		s.keys = projects("alpha", "beta", "gamma", "delta")
		s.env = []string{"FLUXGATE_CHAIN=" + pro + "," + flash + ",gemini-2.5-flash-lite"}
		w := newWorld(t, s)
		all := func() (n int) {
			for _, times := range asked {
				n += times
			}
			return n
		}
		rounds := 0
		for range 60 {
			before := all()
			require.JSONEq(t, text, w.do("POST", "/v1beta/models/auto:generateContent", grounded["google_search"].body).Body.String())
			if sent := all() - before; sent != 0 {
				if rounds++; rounds == 1 {
					assert.Equal(t, 3*4, sent)
				} else {
					assert.Equal(t, 4, sent)
				}
			}
			synctestSleep(10 * time.Second)
		}
		assert.Equal(t, 5, rounds)
		assert.Len(t, asked, 3*4)
		for which, times := range asked {
			assert.LessOrEqual(t, times, 3, which) // 30, 60, 120 and 240 s, of three models in turn
		}
	})
}

// A limit that a quota of a feature names is learned for the feature: the next day it is
// kept to, and callers are told of it and of the exact wait.
func TestALimitOfAFeature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, text := refusalBody(t, "429_search_day")
		up, s := stubbed(first(func(heard) *http.Response { return respond(status, strings.ReplaceAll(text, `"50"`, `"3"`)) }))
		s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}
		w := newWorld(t, s)
		search := func() answer {
			return w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", grounded["google_search"].body)
		}
		a := search()
		require.Equal(t, status, a.Code)
		assert.Contains(t, a.Body.String(), "search_grounding_requests_free_tier", "Google's own text")
		synctestSleep(a.wait())
		for range 3 {
			require.Equal(t, http.StatusOK, search().Code)
		}
		a = search()
		assert.Equal(t, http.StatusTooManyRequests, a.Code)
		assert.NotEmpty(t, a.ticket(), "that is an exact wait")
		v := a.failed(http.StatusTooManyRequests).Details[0].Violations[0]
		assert.Equal(t, "RequestsPerDayPerProjectPerFeature", v.ID)
		assert.Equal(t, "3", v.Value)
		assert.Equal(t, "google_search with gemini-2.5-pro", v.Dimensions["feature"])
		w.generate("plain", `"model":"gemini-2.5-pro"`).ok()
		assert.Empty(t, w.calendar("alpha", pro).Learned)
		synctestSleep(a.wait())
		require.Equal(t, http.StatusOK, search().Code)
		assert.Len(t, up.requests(":generateContent"), 6)
	})
}

// A request without features leaves what it always did, and one with a feature costs no
// write more.
func TestWhatAFeatureCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1}}`}})
		writes := func(body string) int64 {
			before := w.store.Stats().Writes
			require.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/gemini-2.5-pro:generateContent", body).Code)
			return w.store.Stats().Writes - before
		}
		calendars := func() []*scheduler.Calendar {
			states, err := w.store.View(t.Context(), []string{"alpha"})
			require.NoError(t, err)
			return states[0].Calendars
		}
		plain := writes(hello)
		require.Len(t, calendars(), 1)
		for range 3 {
			assert.Equal(t, plain, writes(grounded["google_search"].body))
		}
		require.Len(t, calendars(), 2)
		assert.Len(t, calendars()[1].Sent, 3)
		assert.Equal(t, plain, writes(hello))
		assert.Len(t, calendars()[1].Sent, 3)
		for _, e := range w.sim.Log() {
			assert.Equal(t, http.StatusOK, e.Status)
		}
	})
}
