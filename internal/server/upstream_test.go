package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// These tests go through the table "What upstream errors mean" row by row.

// simLimits has the simulator believe in other limits of the pro model than
// Fluxgate does.
func simLimits(l geminisim.Limits) func(*geminisim.Config) {
	return func(c *geminisim.Config) { c.Limits[pro] = l }
}

// 429, PerDay: the delay it claims (20 s) is misleading.
func TestUpstreamDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{sim: simLimits(geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 1})})
		assert.Equal(t, pro, w.generate("one", "").ok().ModelUsed)
		second := w.generate("two", "").ok()
		assert.Equal(t, flash, second.ModelUsed, "the next model takes over on that project")
		assert.True(t, second.Retried)
		synctestSleep(time.Minute) // well beyond what the error claimed
		third := w.generate("three", "").ok()
		assert.Equal(t, flash, third.ModelUsed)
		assert.False(t, third.Retried)
		assert.Equal(t, []string{pro, pro, flash, flash}, w.asked(modelOf))

		state := w.status()
		assert.Equal(t, "learned", state.Projects[0].Models[0].RPD.Source)
		assert.EqualValues(t, 1, state.Projects[0].Models[0].RPD.Limit)
		assert.Equal(t, "upstream_day", state.Projects[0].Models[0].Block.Cause)
		assert.Zero(t, state.Keys[0].Models[pro].Remaining)

		midnight := scheduler.DayOf(w.store.Now()).End()
		assert.WithinDuration(t, midnight.Time(), state.Projects[0].Models[0].Block.Until, time.Second)
		synctestSleep(midnight.Sub(w.store.Now()) + 2*time.Second)
		assert.Equal(t, pro, w.generate("a new day", "").ok().ModelUsed)
	})
}

// On another project the model goes on.
func TestUpstreamDayIsOfOneProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta")})
		w.sim.SetLimits("alpha", pro, geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 0})
		w.sim.SetLimits("alpha", pro, geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 1})
		w.generate("spends alpha", `"preferred_key":1`).ok()
		w.generate("finds it spent", `"preferred_key":1`).ok()
		out := w.generate("prefers the better model", "").ok()
		assert.Equal(t, 2, out.KeyUsed)
		assert.Equal(t, pro, out.ModelUsed)
	})
}

// 429, PerMinute: learned from quotaValue, so that there is no second one.
func TestUpstreamMinuteTeachesTheLimit(t *testing.T) {
	for _, limits := range []geminisim.Limits{{RPM: 2, TPM: 250_000, RPD: 100}, {RPM: 5, TPM: 600, RPD: 100}} {
		t.Run(fmt.Sprint(limits), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro, "FLUXGATE_COUNT=exact"}, sim: simLimits(limits)})
				served := 0
				for i := range 8 {
					prompt := fmt.Sprint(i, strings.Repeat(" word", 250))
					a := w.generate(prompt, "")
					for a.Code == http.StatusTooManyRequests {
						require.Less(t, w.store.Now().Time(), time.Date(2000, 1, 1, 0, 30, 0, 0, time.UTC), "no progress")
						synctestSleep(a.wait())
						a = w.generate(prompt, "")
					}
					a.ok()
					served++
				}
				assert.Equal(t, 8, served)
				assert.EqualValues(t, 1, w.sim.Stats().Refused, "one refusal teaches the limit")
				assert.Contains(t, []string{w.status().Projects[0].Models[0].RPM.Source, w.status().Projects[0].Models[0].TPM.Source}, "learned")
			})
		})
	}
}

// 429, limit 0: there is no quota for that model on that project.
func TestUpstreamNoQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.sim.SetNoQuota("alpha", pro)
		assert.Equal(t, flash, w.generate("one", "").ok().ModelUsed)
		synctestSleep(time.Hour)
		assert.Equal(t, flash, w.generate("two", "").ok().ModelUsed)
		assert.Equal(t, []string{pro, flash, flash}, w.asked(modelOf))
		// Pinned to it there is nothing to wait for.
		a := w.generate("three", `"model":"gemini-2.5-pro"`)
		assert.Contains(t, a.failed(http.StatusTooManyRequests).Message, "limit: 0", "what Gemini said")
		assert.Empty(t, a.Header().Get("Retry-After"))
		assert.Equal(t, "false", a.Header().Get("X-Should-Retry"))
		synctestSleep(24 * time.Hour) // quota may have been granted since
		w.sim.SetLimits("alpha", pro, geminisim.Limits{RPM: 5, TPM: 250_000, RPD: 100})
		assert.Equal(t, pro, w.generate("four", "").ok().ModelUsed)
	})
}

// 429 bare: often overload rather than quota, so it blocks for seconds and never
// for the day.
func TestUpstreamBare429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro}})
		w.sim.FailNext(-1, faults.Bare429)
		var waits []time.Duration
		for range 4 {
			a := w.generate("hello", "")
			waits = append(waits, a.wait())
			synctestSleep(a.wait())
		}
		assert.Equal(t, []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second}, waits)
		assert.Len(t, w.sim.Log(), 4, "asked once after every wait, never before its end")
		w.sim.FailNext(0, 0)
		w.generate("hello", "").ok()
		assert.Equal(t, "healthy", w.status().Keys[0].Status)
	})
}

// 400 API_KEY_INVALID, 401, 403: that key is out, another one of its project
// goes on.
func TestUpstreamInvalidKey(t *testing.T) {
	for state, reason := range map[credentials.State]string{
		credentials.Invalid:   "API_KEY_INVALID",
		credentials.Expired:   "API_KEY_INVALID",
		credentials.Leaked:    "leaked",
		credentials.Suspended: "CONSUMER_SUSPENDED",
		credentials.Blocked:   "API_KEY_SERVICE_BLOCKED",
	} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{keys: []geminisim.Key{key(1, "alpha"), key(2, "alpha")}})
				bad := key(1, "alpha").Value
				w.sim.SetKeyState(bad, state)
				out := w.generate("hello", `"preferred_key":1`).ok()
				assert.Equal(t, 2, out.KeyUsed)
				assert.True(t, out.Retried)
				for i := range 3 {
					w.generate(fmt.Sprint("again ", i), "").ok()
				}
				assert.Equal(t, 1, count(w.asked(keyOf), credentials.Fingerprint(bad)), "not asked again")
				keys := w.status().Keys
				assert.Equal(t, "invalid", keys[0].Status)
				assert.Equal(t, reason, keys[0].Reason)
				assert.Equal(t, "healthy", keys[1].Status)
				// What an alert counts: once for each time that a key becomes invalid.
				assert.Equal(t, 1, strings.Count(w.logs.String(), `msg="key invalid"`))
				// As in gemini-flux, enabling a key forgives it.
				w.sim.SetKeyState(bad, credentials.Healthy)
				w.do("POST", "/config", `{"enable_key":1}`)
				assert.Equal(t, "healthy", w.status().Keys[0].Status)
			})
		})
	}
}

// 403 SERVICE_DISABLED is of the project: all its keys are out by one try, whatever was asked, until
// a check finds that they work again.
func TestUpstreamAPIOff(t *testing.T) {
	for name, ask := range map[string]func(w *world){
		"generating": func(w *world) { assert.Equal(t, 4, w.generate("hello", `"preferred_key":1`).ok().KeyUsed) },
		"counting": func(w *world) {
			assert.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/gemini-2.5-pro:countTokens", hello).Code)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				off := map[string]bool{}
				tried := 0
				up, s := stubbed(nil)
				up.answer = func(h heard) *http.Response {
					if off[h.header.Get("X-Goog-Api-Key")] {
						if !strings.HasSuffix(h.path, "/models") {
							tried++
						}
						return respond(refusalBody(t, "403_api_off"))
					}
					return nil
				}
				s.keys = append(projects("alpha", "alpha", "alpha"), key(4, "beta"))
				w := newWorld(t, s)
				for i := range 3 {
					off[key(i+1, "").Value] = true
				}
				for tried == 0 { // which project counts chance says
					ask(w)
				}
				assert.Equal(t, 3, w.invalidKeys())
				for i := range 3 {
					assert.Equal(t, 4, w.generate(fmt.Sprint("again ", i), "").ok().KeyUsed)
				}
				assert.Equal(t, 1, tried, "by one of three keys")
				clear(off)
				w.do("POST", "/validate", "")
				assert.Zero(t, w.invalidKeys())
			})
		})
	}
}

func count(list []string, what string) (n int) {
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

// However many keys are invalid, the caller never hears that its key is: it has
// none.
func TestUpstreamAllKeysInvalid(t *testing.T) {
	for _, n := range []int{2, 40} {
		synctest.Test(t, func(t *testing.T) {
			var list []geminisim.Key
			for i := range n {
				k := key(i+1, fmt.Sprint("project-", i))
				k.State = credentials.Invalid
				list = append(list, k)
			}
			w := newWorld(t, setup{keys: list})
			for len(w.sim.Log()) < n {
				before := len(w.sim.Log())
				f := w.generate("hello", "").failed(http.StatusServiceUnavailable)
				assert.Equal(t, "UNAVAILABLE", f.Status)
				require.Greater(t, len(w.sim.Log()), before)
			}
			a := w.generate("hello", "")
			a.failed(http.StatusServiceUnavailable)
			assert.Empty(t, a.Header().Get("Retry-After"), "time doesn't mend keys")
			assert.Len(t, w.sim.Log(), n, "each key was asked once")
		})
	}
}

// Billing is the project's: none of its keys is of use.
func TestUpstreamBilling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: []geminisim.Key{key(1, "alpha"), key(2, "alpha"), key(3, "beta")}})
		w.sim.FailNext(1, faults.BillingDepleted)
		assert.Equal(t, 3, w.generate("hello", `"preferred_key":1`).ok().KeyUsed)
		keys := w.status().Keys
		assert.Equal(t, []string{"BILLING", "BILLING", ""}, []string{keys[0].Reason, keys[1].Reason, keys[2].Reason})
		assert.Equal(t, 2, strings.Count(w.logs.String(), `msg="key invalid"`))
	})
}

// The daily validation finds what no request has run into yet.
func TestValidateLogsWhatBecameInvalid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: []geminisim.Key{key(1, "alpha"), key(2, "beta")}})
		w.sim.SetKeyState(key(2, "beta").Value, credentials.Expired)
		for range 2 {
			w.do("POST", "/validate", "")
			assert.Equal(t, 1, strings.Count(w.logs.String(), `msg="key invalid" key=2 project=beta reason=API_KEY_INVALID`))
			time.Sleep(time.Hour)
		}
	})
}

// 404 "no longer available": the model is out on that project, others go on.
func TestUpstreamRetiredModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		w.sim.FailNext(1, faults.Retired404)
		assert.Equal(t, flash, w.generate("hello", "").ok().ModelUsed)
		assert.Equal(t, flash, w.generate("again", "").ok().ModelUsed)
		assert.Equal(t, []string{pro, flash, flash}, w.asked(modelOf))
	})
}

// 404 for a name that upstream doesn't know passes through and leaves no state:
// whoever mistypes a name must not fill the store.
func TestUpstreamUnknownModel(t *testing.T) {
	for _, count := range []string{"auto", "exact"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, setup{env: []string{"FLUXGATE_COUNT=" + count}})
			for i := range 30 { // more than a project has calendars
				f := w.generate("hello", fmt.Sprintf(`"model":"gemini-%d-imaginary"`, i)).failed(http.StatusNotFound)
				assert.Contains(t, f.Message, fmt.Sprintf("models/gemini-%d-imaginary is not found", i), "in upstream's words")
			}
			states, err := w.store.View(t.Context(), []string{"alpha"})
			require.NoError(t, err)
			if states[0] != nil {
				assert.Empty(t, states[0].Calendars)
			}
			assert.Equal(t, "healthy", w.status().Keys[0].Status)
			w.generate("hello", "").ok()
		})
	}
}

// 400 for anything else is the caller's fault: passed through as it is, however
// often, and no key is touched.
func TestUpstreamCallersFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{
			keys: projects("alpha", "beta"),
			env:  []string{`FLUXGATE_LIMITS={"gemini-2.5-flash-preview-tts":{"rpm":-1,"rpd":-1}}`},
		})
		for i := range 100 {
			f := w.generate(fmt.Sprint("say ", i), `"model":"gemini-2.5-flash-preview-tts"`).failed(http.StatusBadRequest)
			assert.Contains(t, f.Message, "response modalities", "in upstream's words")
		}
		assert.Len(t, w.sim.Log(), 100, "none was tried twice")
		for _, k := range w.status().Keys {
			assert.Equal(t, "healthy", k.Status)
		}
	})
}

// 5xx: on another project, at most twice.
func TestUpstreamFailsOver(t *testing.T) {
	for _, c := range []struct {
		kind   faults.Failure
		status int
		says   string
	}{
		{faults.Unavailable503, http.StatusServiceUnavailable, "experiencing high demand"},
		{faults.Internal500, http.StatusInternalServerError, "An internal error has occurred"},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{keys: projects("alpha", "beta", "gamma", "delta")})
				w.sim.FailNext(2, c.kind)
				assert.True(t, w.generate("comes through", "").ok().Retried)
				tried := w.asked(projectOf)
				assert.Len(t, tried, 3)
				assert.Len(t, unique(tried), 3, "each time on another project")

				w.sim.FailNext(-1, c.kind)
				f := w.generate("does not", "").failed(c.status)
				assert.Contains(t, f.Message, c.says)
				assert.NotContains(t, f.Message, "memory", "where it connected to is not for callers")
				assert.Len(t, w.sim.Log(), 6)

				var used int64
				for _, project := range []string{"alpha", "beta", "gamma", "delta"} {
					used += w.used(project, pro)
				}
				assert.EqualValues(t, 6, used, "a request that failed may have been counted: its reservation stays")
			})
		})
	}
}

func unique(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// With nowhere else to go the error passes through; a retry that had to wait
// would be none. Nothing is left behind that its caller was never told of.
func TestUpstreamFailsWithNowhereElseToGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta"), env: []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":1}}`}})
		w.generate("fills beta", `"preferred_key":2`).ok()
		w.sim.FailNext(1, faults.Unavailable503)
		w.generate("fails on alpha", "", "X-Fluxgate-Book", "true").failed(http.StatusServiceUnavailable)
		for _, project := range []string{"alpha", "beta"} {
			assert.Empty(t, w.calendar(project, pro).Bookings, project)
		}
		assert.Len(t, w.sim.Log(), 2)
		// Nor does what was never told make others wait longer.
		assert.Equal(t, 61*time.Second, w.generate("told", "").wait())
	})
}

// A store that fails between two attempts doesn't hide what upstream said, and
// "nothing was sent" would be untrue.
func TestUpstreamFailsAndThenTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: storage.NewMemory(nil)}
		w := newWorld(t, setup{keys: projects("alpha", "beta"), store: store})
		w.sim.FailNext(-1, faults.Unavailable503)
		w.sent.next = roundTripAfter(w.sent.next, func() { store.setDown(true) })
		f := w.generate("hello", "").failed(http.StatusServiceUnavailable)
		assert.Contains(t, f.Message, "high demand")
	})
}

func roundTripAfter(next http.RoundTripper, after func()) http.RoundTripper {
	return rawRoundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		after()
		return resp, err
	})
}

type rawRoundTripper func(*http.Request) (*http.Response, error)

func (f rawRoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
