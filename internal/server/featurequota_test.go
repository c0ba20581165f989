package server_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/scheduler"
)

// A project's searches end before its model's requests do. A request that searches counts in both,
// what doesn't loses no turn, and one refusal of Gemini's is enough: the limit that it names is
// kept from then on, also for other models and on the days after.
func TestAQuotaOfSearches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{`FLUXGATE_LIMITS={"pro":{"rpm":-1},"flash":{"rpm":-1,"rpd":10}}`}})
		w.sim.SetFeature("alpha", quota.Search, quota.FeatureLimits{PerMinute: -1, PerDay: 3})
		search := func(model string) answer {
			return w.do("POST", "/v1beta/models/"+model+":generateContent", grounded["google_search"].body)
		}
		spent := func() {
			t.Helper()
			seen := len(w.sim.Log())
			for _, model := range []string{flash, pro} {
				a := search(model)
				v := a.failed(http.StatusTooManyRequests)
				midnight := (scheduler.DayOf(w.store.Now()) + 1).Start().Sub(w.store.Now())
				assert.InDelta(t, midnight.Seconds(), a.wait().Seconds(), 1.1, "until the day is over")
				assert.NotEmpty(t, v.Message)
			}
			assert.Len(t, w.sim.Log(), seen, "Gemini isn't asked")
		}
		for day := range 3 {
			for range 3 {
				require.Equal(t, http.StatusOK, search(flash).Code)
			}
			plain := 7 // three of ten were searches
			if day == 0 {
				a := search(flash)
				plain-- // it may count although it was refused: that isn't established
				assert.Equal(t, "SearchGroundingRequestsPerDayPerProject", a.failed(http.StatusTooManyRequests).Details[1].Violations[0].ID, "Google's own text")
			}
			spent()
			for range plain {
				w.generate("plain", `"model":"`+flash+`"`).ok()
			}
			assert.Equal(t, http.StatusTooManyRequests, w.generate("plain", `"model":"`+flash+`"`).Code)
			w.generate("plain", `"model":"`+pro+`"`).ok()

			assert.EqualValues(t, 10, w.used("alpha", flash))
			assert.Empty(t, w.calendar("alpha", flash).Learned)
			assert.EqualValues(t, 3, w.calendar("alpha", scheduler.OfFeature("", payload.SearchFeature)).Learned.RPD.Limit)
			stats := w.sim.Stats()
			assert.EqualValues(t, 11*(day+1)-1, stats.Accepted)
			assert.EqualValues(t, 1, stats.Refused, "one 429 in all")
			assert.EqualValues(t, 1, stats.RefusedFeature)
			synctestSleep((scheduler.DayOf(w.store.Now()) + 1).Start().Sub(w.store.Now()) + time.Second)
		}
	})
}

// A limit of searches is tested once a week, by one request on a day on which it is used up: as long
// as it stays as it was, that is all that Gemini refuses, and a rise is found then.
func TestAQuotaOfSearchesIsTestedOnceAWeek(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{`FLUXGATE_LIMITS={"flash":{"rpm":-1,"rpd":-1}}`}})
		w.sim.SetFeature("alpha", quota.Search, quota.FeatureLimits{PerMinute: -1, PerDay: 3})
		nextDay := func() { synctestSleep((scheduler.DayOf(w.store.Now()) + 1).Start().Sub(w.store.Now()) + time.Hour) }
		refusedOn, servedOn := []int{}, map[int]int{}
		for day := range 24 {
			nextDay()
			if day == 10 {
				w.sim.SetFeature("alpha", quota.Search, quota.FeatureLimits{PerMinute: -1, PerDay: 6})
			}
			before := w.sim.Stats().Refused
			for range 10 {
				if w.do("POST", "/v1beta/models/"+flash+":generateContent", grounded["google_search"].body).Code == http.StatusOK {
					servedOn[day]++
				}
				synctestSleep(time.Minute)
			}
			for range w.sim.Stats().Refused - before {
				refusedOn = append(refusedOn, day)
			}
		}
		assert.Equal(t, []int{0, 7, 14, 21}, refusedOn, "when it was found, and once a week from then on")
		for day, served := range servedOn {
			want := 3
			if day >= 14 {
				want = 6
			}
			assert.Equal(t, want, served, "day %d", day)
		}
	})
}

// The models of these tests that make images, by generateContent and by predict.
const flashImage, imagen = "gemini-2.5-flash-image", "imagen-4.0-generate-001"

// newImageWorld is a world in which of these nothing is limited but images.
func newImageWorld(t *testing.T, env ...string) *world {
	return newWorld(t, setup{
		env: append(env, `FLUXGATE_LIMITS={"`+flashImage+`":{"rpm":-1,"tpm":-1,"rpd":-1},"`+imagen+`":{"rpm":-1,"tpm":-1,"rpd":-1}}`),
		sim: func(c *geminisim.Config) {
			c.Limits[flashImage] = geminisim.Limits{RPM: -1, TPM: -1, RPD: -1}
			c.Limits[imagen] = c.Limits[flashImage]
		},
	})
}

// A request for several images counts as many, by either route that says how many: of a limit of
// five a minute two requests for two are served, and one for one; then Gemini isn't asked.
func TestSeveralImagesCountAsMany(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ model, path, two, one string }{
		"predict": {imagen, "/v1beta/models/" + imagen + ":predict", `{"instances":[{"prompt":"a banana"}],"parameters":{"sampleCount":2}}`, `{"instances":[{"prompt":"a banana"}]}`},
		"OpenAI":  {flashImage, "/v1beta/openai/images/generations", `{"model":"` + flashImage + `","prompt":"a banana","n":2}`, `{"model":"` + flashImage + `","prompt":"a banana","n":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newImageWorld(t)
				w.sim.SetFeature("alpha", quota.Images, quota.FeatureLimits{PerMinute: 5, PerDay: -1})
				draw := func(body string) int { return w.do("POST", c.path, body).Code }
				for minute := range 3 {
					seen := w.sim.Stats()
					assert.Equal(t, []int{200, 200, 429}, []int{draw(c.two), draw(c.two), draw(c.two)}, "minute %d", minute)
					if minute > 0 {
						assert.Equal(t, 200, draw(c.one))
						assert.Equal(t, 429, draw(c.one))
						assert.Equal(t, seen.Refused, w.sim.Stats().Refused, "Gemini isn't asked for what it named")
					}
					synctestSleep(61 * time.Second)
				}
				assert.EqualValues(t, 1, w.sim.Stats().Refused, "one 429 in all")
			})
		})
	}
}

// However many images a request says it wants, it takes no more of what others have than the most
// that one can get.
func TestManyImagesTakeNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newImageWorld(t)
		for range 3 {
			a := w.do("POST", "/v1beta/openai/images/generations", `{"model":"`+flashImage+`","prompt":"a banana","n":9223372036854775807}`)
			require.Equal(t, http.StatusBadRequest, a.Code, "upstream refuses it")
		}
		var counted int64
		for _, x := range w.calendar("alpha", scheduler.OfFeature("", payload.ImageFeature)).Sent {
			counted += x.Requests
		}
		assert.EqualValues(t, 30, counted)
	})
}

// Images are limited by the minute, of each model by itself, by whichever route they are asked for.
// After one refusal the limit that it names is kept; text and other models go on.
func TestAQuotaOfImages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ model, path, body string }{
		"generateContent":       {flashImage, "/v1beta/models/" + flashImage + ":generateContent", grounded["images"].body},
		"streamGenerateContent": {flashImage, "/v1beta/models/" + flashImage + ":streamGenerateContent?alt=sse", grounded["images"].body},
		"predict":               {imagen, "/v1beta/models/" + imagen + ":predict", `{"instances":[{"prompt":"a banana"}]}`},
		"OpenAI":                {flashImage, "/v1beta/openai/images/generations", `{"model":"` + flashImage + `","prompt":"a banana"}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newImageWorld(t, "FLUXGATE_CHAIN="+flash)
				w.sim.SetFeature("alpha", quota.Images, quota.FeatureLimits{PerMinute: 3, PerDay: -1})
				draw := func() answer { return w.do("POST", c.path, c.body) }
				for range 3 {
					a := draw()
					require.Equal(t, http.StatusOK, a.Code, a.Body.String())
				}
				a := draw()
				require.Equal(t, http.StatusTooManyRequests, a.Code)
				assert.Contains(t, a.Body.String(), "generate_images_free_tier", "Google's own text")
				for minute := range 3 {
					seen := len(w.sim.Log())
					a = draw()
					require.Equal(t, http.StatusTooManyRequests, a.Code)
					assert.Len(t, w.sim.Log(), seen, "Gemini isn't asked")
					w.generate("plain", "").ok()
					other := strings.ReplaceAll(`{"model":"M","prompt":"a banana"}`, "M", map[string]string{flashImage: imagen, imagen: flashImage}[c.model])
					if c.model == imagen {
						require.Equal(t, http.StatusOK, w.do("POST", "/v1beta/openai/images/generations", other).Code, "another model")
					} else {
						require.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/"+imagen+":predict", other).Code, "another model")
					}
					synctestSleep(61 * time.Second)
					for range 3 {
						a := draw()
						require.Equal(t, http.StatusOK, a.Code, "minute %d: %s", minute, a.Body.String())
					}
				}
				assert.EqualValues(t, 3, w.calendar("alpha", scheduler.OfFeature(c.model, payload.ImageFeature)).Learned.RPM.Limit)
				assert.Empty(t, w.calendar("alpha", c.model).Learned)
				stats := w.sim.Stats()
				assert.EqualValues(t, 1, stats.Refused, "one 429 in all")
				assert.EqualValues(t, 1, stats.RefusedFeature)
			})
		})
	}
}
