package server_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// Cloud Scheduler may have keys validated and limits read, by its identity and
// for this service alone. How a token is verified is tested in package callers.
func TestScheduledJobs(t *testing.T) {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	as := func(email, audience string) string {
		return "Bearer " + part(`{"alg":"RS256"}`) + "." +
			part(`{"aud":"`+audience+`","email":"`+email+`","email_verified":true}`) + ".SIGNATURE_REMOVED_BY_GOOGLE"
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{
			// Tokens of administrators, so that there is a book of callers.
			"K_SERVICE=gate", "FLUXGATE_AUTH=iam", "FLUXGATE_ADMIN_TOKENS=root:0123456789abcdef",
			"FLUXGATE_JOBS_ACCOUNT=jobs@p.iam.gserviceaccount.com", "FLUXGATE_JOBS_AUDIENCE=https://gate.example",
		}})
		job := as("jobs@p.iam.gserviceaccount.com", "https://gate.example")
		for _, path := range []string{"/validate", "/refresh-policy"} {
			a := w.do(http.MethodPost, path, "", "Authorization", job)
			assert.Equal(t, http.StatusOK, a.Code, a.Body.String())
			for _, other := range []string{
				as("alice@example.com", "https://gate.example"), as("jobs@p.iam.gserviceaccount.com", "https://elsewhere.example"),
			} {
				assert.Equal(t, http.StatusForbidden, w.do(http.MethodPost, path, "", "Authorization", other).Code)
			}
		}
		assert.Contains(t, w.logs.String(), "caller=scheduler")
		assert.NotContains(t, w.logs.String(), "SIGNATURE_REMOVED")
	})
}
