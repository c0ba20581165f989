package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/geminisim"
)

// An alias shares the bucket of the model it stands for: its requests count
// there, and what is said of the one holds for the other.
func TestAliasSharesTheBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{`FLUXGATE_LIMITS={"flash":{"rpm":10}}`}})
		const alias = "gemini-flash-latest"
		out := w.generate("teaches the alias", `"model":"`+alias+`"`).ok()
		assert.Equal(t, alias, out.ModelUsed)
		for i := range 9 {
			w.generate(fmt.Sprint("by its name ", i), `"model":"`+flash+`"`).ok()
		}
		synctestSleep(61 * time.Second)
		for i := range 5 {
			assert.Equal(t, alias, w.generate(fmt.Sprint("by its alias ", i), `"model":"`+alias+`"`).ok().ModelUsed)
			w.generate(fmt.Sprint("by its name again ", i), `"model":"`+flash+`"`).ok()
		}
		assert.Positive(t, w.generate("one too many", `"model":"`+alias+`"`).wait())
		assert.Zero(t, w.sim.Stats().Refused)
		// What was asked for is what is sent: an alias may come to stand for another model.
		assert.Contains(t, w.sent.paths(), "/v1beta/models/"+alias+":generateContent")
		last := w.sent.paths()[len(w.sent.paths())-2]
		assert.Equal(t, "/v1beta/models/"+alias+":generateContent", last)
	})
}

// A 429 may name the bucket otherwise than by the model that was asked for. The
// request must not be sent to the same full bucket again and again.
func TestRefusalUnderAnotherNameIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{
			env:  []string{"FLUXGATE_CHAIN=gemini-2.5-flash-preview-09-2025"},
			wrap: renameBucket("gemini-2.5-flash-preview-09-2025", flash),
			sim: func(c *geminisim.Config) {
				c.Limits["gemini-2.5-flash-preview-09-2025"] = geminisim.Limits{RPM: 1, TPM: 250_000, RPD: 100}
			},
		})
		w.generate("one", "").ok()
		a := w.generate("two", "")
		assert.Len(t, w.sim.Log(), 2, "refused once and not asked again")
		synctestSleep(a.wait())
		w.generate("two", "").ok()
	})
}

// renameBucket has errors name another model in their quota dimensions.
func renameBucket(from, to string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return rawRoundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil || resp.StatusCode != http.StatusTooManyRequests {
				return resp, err
			}
			replaceBody(resp, `"model":"`+from+`"`, `"model":"`+to+`"`)
			return resp, nil
		})
	}
}

// A per-minute refusal that names no delay blocks for a while all the same.
func TestUpstreamMinuteWithoutDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{
			env: []string{"FLUXGATE_CHAIN=" + pro},
			// The quota is somebody else's to use up: ours looks free.
			wrap: func(http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					return jsonResponse(r, http.StatusTooManyRequests, `{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED",
						"details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[
						{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier","quotaValue":"5"}]}]}}`), nil
				})
			},
		})
		var waits []time.Duration
		for range 3 {
			a := w.generate("hello", "")
			waits = append(waits, a.wait())
			synctestSleep(a.wait())
		}
		assert.Equal(t, []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second}, waits)
	})
}
