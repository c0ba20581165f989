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
	"fluxgate.dev/fluxgate/internal/race"
)

const (
	gone = "gemini-2.5-pro"
	heir = "gemini-3.8-flash"
)

// When another model answers for one that goes, both names weigh on one quota from the
// first answer on, whichever way Google counts. The first refusal that names a model says
// which, and from then on all of the quota is used again.
func TestRedirectedModels(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprint("shared ", shared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limits := geminisim.Limits{RPM: 10, TPM: 1 << 20, RPD: -1}
				w := newWorld(t, setup{
					env: []string{"FLUXGATE_CHAIN=" + gone + "," + heir, `FLUXGATE_LIMITS={"pro":{"rpm":10,"rpd":-1},"flash":{"rpm":10,"rpd":-1}}`},
					sim: func(c *geminisim.Config) { c.Limits[gone], c.Limits[heir] = limits, limits },
				})
				other := w.instance()
				minute := func() (served int) {
					for i := range 120 {
						for _, name := range []string{gone, heir} {
							at := w.served
							if i%2 > 0 {
								at = other
							}
							a := ask(t, at, "POST", "/v1beta/models/"+name+":generateContent", hello)
							if a.Code == http.StatusOK {
								served++
							}
						}
						synctestSleep(time.Second / 2)
					}
					return served
				}
				refused := func() int64 { return w.sim.Stats().Refused }
				assert.GreaterOrEqual(t, minute(), 19, "two models, two quotas")
				w.sim.Redirect(gone, heir, shared)
				synctestSleep(2 * time.Minute)
				w.do("POST", "/v1beta/models/"+gone+":generateContent", hello)
				synctestSleep(time.Minute) // the other instance knows too, and what went before is over
				for range 3 {
					got := minute()
					assert.LessOrEqual(t, got, 11, "one quota, as far as is known")
					assert.GreaterOrEqual(t, got, 9)
				}
				assert.Zero(t, refused())
				full := w.do("POST", "/v1beta/models/"+gone+":generateContent", hello).failed(http.StatusTooManyRequests).Details[0].Violations[0]
				assert.Equal(t, "GenerateRequestsPerMinutePerProjectPerModel", full.ID)
				assert.Equal(t, heir, full.Dimensions["model"], "that is what has no room")
				control, err := w.store.Control(t.Context())
				require.NoError(t, err)
				assert.Equal(t, heir, control.Redirects[gone])

				// Somebody else uses the quota too, so that there is a refusal after all.
				w.sim.SetLimits("alpha", heir, geminisim.Limits{RPM: 4, TPM: 1 << 20, RPD: -1})
				w.sim.SetLimits("alpha", gone, geminisim.Limits{RPM: 4, TPM: 1 << 20, RPD: -1})
				for range 5 {
					minute()
				}
				first := refused()
				assert.NotZero(t, first)
				assert.LessOrEqual(t, first, int64(3), "each quota's limit is learned once")
				want := 4
				if !shared {
					want = 8
				}
				for range 3 {
					got := minute()
					assert.LessOrEqual(t, got, want+1)
					assert.GreaterOrEqual(t, got, want-1)
				}
				assert.Equal(t, first, refused(), "the limit is known, and the quota too")
			})
		})
	}
}

// What was asked of the model that goes before its heir first answered weighs on both, too:
// the first answer is no sooner than everything that was sent until then.
func TestRedirectWhileUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := geminisim.Limits{RPM: 10, TPM: 1 << 20, RPD: -1}
		w := newWorld(t, setup{
			env: []string{"FLUXGATE_CHAIN=" + gone + "," + heir, `FLUXGATE_LIMITS={"pro":{"rpm":10,"rpd":-1},"flash":{"rpm":10,"rpd":-1}}`},
			sim: func(c *geminisim.Config) {
				c.Limits[gone], c.Limits[heir], c.Latency = limits, limits, 3*time.Second
			},
		})
		w.sim.Redirect(gone, heir, true)
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() { w.do("POST", "/v1beta/models/"+gone+":generateContent", hello) })
			synctestSleep(100 * time.Millisecond)
		}
		all.Wait()
		served := 6
		for range 40 {
			for _, name := range []string{heir, gone} {
				if w.do("POST", "/v1beta/models/"+name+":generateContent", hello).Code == http.StatusOK {
					served++
				}
			}
			synctestSleep(time.Second / 2)
		}
		assert.Equal(t, 10, served, "in this minute")
		assert.Zero(t, w.sim.Stats().Refused)
	})
}

// What is decided by what was known before a redirect, and admitted after it, counts on both
// models once it is answered.
func TestRedirectWhileBeingCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{
			env: []string{"FLUXGATE_CHAIN=" + gone + "," + heir, `FLUXGATE_LIMITS={"pro":{"rpm":10,"rpd":-1},"flash":{"rpm":10,"rpd":-1}}`},
			sim: func(c *geminisim.Config) { c.Latency = 2 * time.Second },
			wrap: func(next http.RoundTripper) http.RoundTripper {
				return rawRoundTripper(func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, ":countTokens") {
						synctestSleep(2 * time.Second)
					}
					return next.RoundTrip(r)
				})
			},
		})
		w.sim.Redirect(gone, heir, true)
		var all sync.WaitGroup
		for _, body := range []string{hello, strings.Replace(hello, `"text":"`, `"text":"`+strings.Repeat("many words ", 10_000), 1)} {
			all.Go(func() {
				assert.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/"+gone+":generateContent", body).Code)
			})
			synctestSleep(time.Second) // the first answers when the second is still being counted
		}
		synctestSleep(1500 * time.Millisecond) // the second is on its way, and the third weighs on both by itself
		w.do("POST", "/v1beta/models/"+gone+":generateContent", hello)
		all.Wait()
		for _, model := range []string{gone, heir} {
			assert.Len(t, w.calendar("alpha", model).Sent, 3, model)
		}
	})
}

// Where nothing else says whose quota a redirected model draws on, one request that waits for
// its heir's quota alone is sent: its answer or refusal does.
func TestRedirectWithItsOwnQuota(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprint("shared ", shared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{
					env: []string{"FLUXGATE_CHAIN=" + gone + "," + heir, `FLUXGATE_LIMITS={"pro":{"rpm":10,"rpd":-1},"flash":{"rpm":10,"rpd":-1}}`},
					sim: func(c *geminisim.Config) {
						c.Limits[gone], c.Limits[heir] = geminisim.Limits{RPM: 10, TPM: 1 << 20, RPD: -1}, geminisim.Limits{RPM: 3, TPM: 1 << 20, RPD: -1}
					},
				})
				ask := func(name string) int {
					return w.do("POST", "/v1beta/models/"+name+":generateContent", hello).Code
				}
				aliases := func() map[string]string {
					control, err := w.store.Control(t.Context())
					require.NoError(t, err)
					return control.Aliases
				}
				for range 4 {
					ask(heir) // what its limit is, Gemini says
				}
				require.EqualValues(t, 1, w.sim.Stats().Refused)
				synctestSleep(2 * time.Minute)
				w.sim.Redirect(gone, heir, shared)
				require.Equal(t, http.StatusOK, ask(gone))
				require.Equal(t, http.StatusOK, ask(gone))
				require.Equal(t, http.StatusOK, ask(heir))
				assert.NotContains(t, aliases(), gone, "nobody has said so yet")
				require.Equal(t, http.StatusTooManyRequests, ask(heir), "it isn't a redirected name's business")
				if shared {
					assert.Equal(t, http.StatusTooManyRequests, ask(gone))
					assert.Equal(t, heir, aliases()[gone])
					assert.EqualValues(t, 2, w.sim.Stats().Refused)
				} else {
					assert.Equal(t, http.StatusOK, ask(gone))
					assert.Equal(t, gone, aliases()[gone])
					assert.EqualValues(t, 1, w.sim.Stats().Refused)
				}
				refused := w.sim.Stats().Refused
				for range 10 * 60 {
					ask(gone)
					ask(heir)
					synctestSleep(time.Second)
				}
				assert.Equal(t, refused, w.sim.Stats().Refused, "that is all it costs")
			})
		})
	}
}

// Where the refusal of such a request doesn't say either, none is sent again for a day.
func TestRedirectThatNothingIsSaidOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bare, text := refusalBody(t, "429_bare")
		full, tries := false, 0
		_, s := stubbed(func(h heard) *http.Response {
			if isCall(h) && full && strings.Contains(h.path, gone) {
				tries++
				return respond(bare, text)
			}
			return nil
		})
		s.env = []string{"FLUXGATE_CHAIN=" + gone + "," + heir, `FLUXGATE_LIMITS={"pro":{"rpm":10,"rpd":-1},"flash":{"rpm":10,"rpd":-1}}`}
		s.sim = func(c *geminisim.Config) {
			c.Limits[gone], c.Limits[heir] = geminisim.Limits{RPM: 10, TPM: 1 << 20, RPD: -1}, geminisim.Limits{RPM: 3, TPM: 1 << 20, RPD: -1}
		}
		w := newWorld(t, s)
		ask := func(name string) int {
			return w.do("POST", "/v1beta/models/"+name+":generateContent", hello).Code
		}
		for range 4 {
			ask(heir) // what its limit is, Gemini says
		}
		synctestSleep(2 * time.Minute)
		w.sim.Redirect(gone, heir, true)
		require.Equal(t, http.StatusOK, ask(gone))
		for range 10 {
			full = false
			synctestSleep(2 * time.Minute)
			for range 3 {
				ask(heir)
			}
			full = true
			assert.Equal(t, http.StatusTooManyRequests, ask(gone))
		}
		assert.Equal(t, 1, tries)
	})
}

// A version's suffix is no redirect, and a name that answers itself again is none any
// more.
func TestWhatIsNoRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + gone, `FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1},"flash":{"rpm":-1,"rpd":-1}}`}})
		ask := func() {
			a := w.do("POST", "/v1beta/models/"+gone+":generateContent", hello)
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
		}
		known := func() string {
			control, err := w.store.Control(t.Context())
			require.NoError(t, err)
			return control.Redirects[gone]
		}
		for _, version := range []string{gone + "-001", gone + "-preview-05-06"} {
			w.sim.Redirect(gone, version, false)
			ask()
			assert.Empty(t, known(), version)
		}
		w.sim.Redirect(gone, heir, false)
		ask()
		assert.Equal(t, heir, known())
		before := len(w.calendar("alpha", gone).Sent)
		assert.Len(t, w.calendar("alpha", heir).Sent, before, "what was sent until then may count there")
		ask()
		assert.Len(t, w.calendar("alpha", heir).Sent, before+1)
		w.sim.Redirect(gone, "", false)
		for range 10 {
			ask()
		}
		assert.Equal(t, heir, known(), "while it is being rolled out either may answer")
		w.sim.Redirect(gone, heir, false)
		ask()
		w.sim.Redirect(gone, "", false)
		for range 16 {
			assert.Equal(t, heir, known())
			ask()
		}
		assert.Empty(t, known())
	})
}
