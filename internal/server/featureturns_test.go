package server_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

// Whatever models callers ask for a feature that nobody has, upstream sees each model once and then
// one such request for each project and growing pause. Plain text passes all the time, and a model that
// is given the feature is found in its turn, also while the others are asked more often; it is nobody
// else's then.
func TestModelsAreTriedInTurn(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	models := []string{pro, flash, "gemini-2.5-flash-lite"}
	for name, asks := range map[string]func(i int) []string{
		"each as often": func(int) []string { return models },
		"one most": func(i int) []string {
			if i%7 == 0 {
				return models
			}
			return models[:1]
		},
		"the last first": func(int) []string { return []string{models[2], models[1], models[0]} },
		"the chain":      func(int) []string { return []string{"auto"} },
	} {
		for _, wording := range []string{"429_help_only", "429_bare"} {
			if wording == "429_bare" && name != "the chain" {
				continue // it is kept like the other
			}
			if testing.Short() && wording != "429_bare" {
				continue // six hours of the chain, which has all three
			}
			t.Run(name+" "+wording, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const given = 3 * time.Hour
					status, text := refusalBody(t, wording)
					began, probes := time.Now(), map[string][]time.Time{}
					_, s := stubbed(func(h heard) *http.Response {
						if !isCall(h) {
							return nil
						}
						if !strings.Contains(string(h.body), "google_search") || strings.Contains(h.path, models[2]+":") && time.Since(began) >= given {
							return respond(http.StatusOK, golden(t, "native.response.json"))
						}
						of := h.header.Get("X-Goog-Api-Key")
						probes[of] = append(probes[of], time.Now())
						return respond(status, text)
					})
					s.keys = many(2)
					s.env = []string{"FLUXGATE_CHAIN=" + strings.Join(models, ","), `FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1},"flash":{"rpm":-1,"rpd":-1},"flash-lite":{"rpm":-1,"rpd":-1}}`}
					w := newWorld(t, s)
					ask := func(model, body string) answer {
						return w.do("POST", "/v1beta/models/"+model+":generateContent", body)
					}
					found := time.Duration(0)
					for i := 0; time.Since(began) < 6*time.Hour+15*time.Minute; i++ {
						for _, model := range asks(i) {
							if ask(model, grounded["google_search"].body).Code == http.StatusOK && found == 0 {
								found = time.Since(began)
							}
						}
						if i%30 == 0 {
							require.Equal(t, http.StatusOK, ask(pro, hello).Code)
						}
						synctestSleep(30 * time.Second)
					}
					for of, all := range probes {
						var before []time.Time
						for _, at := range all {
							if at.Sub(began) < given {
								before = append(before, at)
							}
						}
						if name == "one most" {
							assert.LessOrEqual(t, len(before), 3*(1+7+2), of)
							continue // one that is asked for rarely is tried when it is
						}
						// Of the three hours: each model, and then after 30 s, 1, 2, 4, 8, 16 and 32 minutes, and an hour each.
						assert.LessOrEqual(t, len(before), 3+7+2, of)
						for i := 4; i < len(before); i++ {
							last, pause := before[i-1].Sub(before[i-2]), before[i].Sub(before[i-1])
							assert.GreaterOrEqual(t, pause, min(last, time.Hour)-time.Minute, "%s: %v", of, before)
						}
					}
					assert.Greater(t, found, given-time.Second)
					if name == "one most" {
						assert.Less(t, found, given+time.Hour+5*time.Minute)
					}
					assert.Less(t, found, given+3*time.Hour+10*time.Minute, "each of three models in turn, once an hour")
				})
			})
		}
	}
}
