package server_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A 429 that says which limit of the model is reached, and not what it is, is learned from all the same:
// by what was sent until then, or by its message. One with two limits bounds both.
func TestLimitsWithoutNumbers(t *testing.T) {
	const requests, tokens = `"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"`,
		`"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_input_token_count","quotaId":"GenerateContentInputTokensPerModelPerMinute-FreeTier"`
	for name, c := range map[string]struct {
		message, violations string
		rpm                 int64
		tpmLearned          bool
	}{
		"requests":            {"", `{` + requests + `}`, 4, false},
		"requests and tokens": {"", `{` + requests + `},{` + tokens + `}`, 4, true},
		"the message has it":  {`\n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 7, model: gemini-2.5-pro`, `{` + requests + `}`, 7, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sends := 0
				_, s := stubbed(func(h heard) *http.Response {
					if !isCall(h) {
						return nil
					}
					if sends++; sends < 5 {
						return respond(http.StatusOK, golden(t, "native.response.json"))
					}
					return respond(http.StatusTooManyRequests, `{"error":{"code":429,"message":"You exceeded your current quota.`+c.message+`","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[`+c.violations+`]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"30s"}]}}`)
				})
				s.keys = many(1)
				s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":100,"tpm":1000000}}`}
				w := newWorld(t, s)
				for range 4 {
					require.Equal(t, http.StatusOK, w.do("POST", unaryPath, hello).Code)
				}
				assert.Equal(t, http.StatusTooManyRequests, w.do("POST", unaryPath, hello).Code)
				learned := w.calendar("project-0", pro).Learned
				assert.Equal(t, c.rpm, learned.RPM.Limit)
				assert.Equal(t, c.tpmLearned, learned.TPM.Limit > 0)
				assert.Zero(t, learned.RPD.Limit)
				sends = 0
				time.Sleep(2 * time.Minute)
				served := 0
				for range 4 {
					if w.do("POST", unaryPath, hello).Code == http.StatusOK {
						served++
					}
				}
				assert.Equal(t, 4, served)
			})
		})
	}
}
