package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/storage"
)

// quoting are messages in which Gemini repeats what it was asked (QUOTED): words that aren't known, known ones that go
// on, and known ones in whose place of a name it stands.
var quoting = []string{
	"Not allowed: QUOTED",
	"QUOTED",
	`Invalid value "QUOTED"`,
	"You exceeded your current quota, please check your plan and billing details. You asked QUOTED",
	"You exceeded your current quota, please check your plan and billing details. \\n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 500, model: QUOTED and more\\nPlease retry in 2s.",
	"Resource has been exhausted (e.g. check quota). QUOTED",
	"models/gemini-2.5-flash is not found for API version v1beta: QUOTED",
	"This model is no longer available to QUOTED",
	"The caller does not have permission to say QUOTED",
	"Your project has been denied access to QUOTED",
	"Gemini API free tier is not available in your country, QUOTED",
	"Your prepayment credits are depleted by QUOTED",
	"API key not valid for QUOTED",
	"An internal error has occurred in QUOTED",
	"This model is currently experiencing high demand for QUOTED",
	"Function calling is not enabled for models/QUOTED",
	"models/QUOTED is not found for API version v1beta, or is not supported for generateContent.",
	"\\n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 500, model: QUOTED\\nPlease retry in 2s.",
	"Permission denied on resource project QUOTED.",
	"Permission denied: Consumer 'project_number:QUOTED' has been suspended.",
	"Generative Language API has not been used in project QUOTED before or it is disabled.",
	"The model QUOTED does not exist",
	"Incorrect API key provided: QUOTED[redacted]",
}

// What a caller asked is in no log, metric, trace, list or document, and in no answer to another, although Gemini
// repeats it in its errors, whatever their status, and in whatever of them.
func TestWhatGeminiQuotesIsTheCallersAlone(t *testing.T) {
	t.Parallel()
	const word = "confidential-words"
	type run struct {
		status int
		prompt string // also one that is a single word, as the names of models and projects are
	}
	var runs []run
	for i, status := range []int{200, 400, 429, 503, 401, 402, 403, 404, 408, 409, 413, 422, 499, 500, 502, 529} {
		runs = append(runs, run{status, word + " are here"})
		if i < 8 {
			runs = append(runs, run{status, word})
		}
	}
	if testing.Short() { // an answer, a bad request and the limits
		runs = runs[:5]
	}
	for _, x := range race.First(2, runs...) {
		t.Run(fmt.Sprint(x.status, " ", x.prompt), func(t *testing.T) {
			status, prompt := x.status, x.prompt
			synctest.Test(t, func(t *testing.T) {
				store := &named{Store: storage.NewMemory(nil)}
				watched := watch(t)
				var said string
				up, s := stubbed(func(h heard) *http.Response {
					if said == "" || !isCall(h) {
						return nil
					}
					if strings.HasPrefix(h.path, "/upload") || status != 200 || !strings.Contains(h.path, ":stream") {
						return respond(status, said)
					}
					return respond(status, event("fine")+said, "Content-Type", "text/event-stream")
				})
				s.keys, s.store, s.telemetry = projects("alpha", "beta"), store, watched.Recorder
				s.env = []string{"FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken, "FLUXGATE_ADMIN_TOKENS=root:" + adminToken, "FLUXGATE_LIMITS={\"gemini-2.5-flash\":{\"rpm\":1000}}"}
				w := newWorld(t, s)
				told := false
				var others strings.Builder
				for _, message := range quoting {
					message = strings.ReplaceAll(message, "QUOTED", prompt)
					quoted := strings.ReplaceAll(message, `"`, `\"`)
					for _, body := range []string{
						fmt.Sprintf(`{"error":{"code":%d,"message":"%s","status":"%s"}}`, status, quoted, prompt),
						fmt.Sprintf(`[{"error":{"code":%d,"message":"%s","status":"UNKNOWN","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"description":"%s"}]},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"%s","metadata":{"q":"%s"}},{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"%[4]s","quotaId":"%[4]s","quotaDimensions":{"model":"%[4]s"},"quotaValue":"%[4]s"}]}]}}]`, status, quoted, prompt, prompt, prompt),
						fmt.Sprintf(`{"error":"%s"}`, quoted),
						message,
					} {
						said = body
						for _, tools := range []string{"", `,"tools":[{"google_search":{}}]`} {
							native := `{"contents":[{"role":"user","parts":[{"text":"` + prompt + `"}]}]` + tools + `}`
							for _, path := range []string{unaryPath, streamPath} {
								a := w.do("POST", path, native, as(aliceToken)...)
								told = told || strings.Contains(a.Body.String(), word)
							}
							other := strings.Replace(native, prompt, "hello", 1)
							said = ""
							b := w.do("POST", unaryPath, other, as(bobToken)...)
							fmt.Fprintln(&others, b.Header(), b.Body)
							said = body
						}
						w.generate(prompt, `"model":"gemini-2.5-flash"`, as(aliceToken)...)
						w.do("POST", "/v1beta/openai/chat/completions", strings.Replace(chat, "hello there", prompt, 1), as(aliceToken)...)
						w.do("POST", "/v1beta/cachedContents", `{"contents":[{"parts":[{"text":"`+prompt+`"}]}]}`, as(aliceToken)...)
						synctestSleep(time.Second)
					}
				}
				require.NotEmpty(t, up.requests(""))
				ours := status == http.StatusUnauthorized || status == http.StatusPaymentRequired // a matter of the keys
				assert.Equal(t, !ours, told, "the caller itself is told")
				w.served.FlushUsage(t.Context())
				synctestSleep(25 * time.Hour)
				synctest.Wait()
				for where, text := range map[string]string{
					"the log": w.logs.String(), "the status": w.do("GET", "/status", "", as(adminToken)...).Body.String(),
					"the use": w.do("GET", "/usage", "", as(adminToken)...).Body.String(), "a metric": w.do("GET", "/metrics", "", as(adminToken)...).Body.String(),
					"a span": watched.everything(), "what is kept": store.everything(t, "alpha", "beta", "caller=alice"), "an answer to another": others.String(),
				} {
					if at := strings.Index(text, word); at >= 0 {
						assert.Failf(t, "the prompt is in "+where, "%s", text[max(0, at-400):min(len(text), at+100)])
					}
				}
				require.Contains(t, w.logs.String(), "failed")
			})
		})
	}
}
