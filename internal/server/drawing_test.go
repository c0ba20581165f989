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

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/scheduler"
)

// imagesRefused is what Gemini says where a project has made its images of the minute.
const imagesRefused = `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota.","details":[` +
	`{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_images_free_tier",` +
	`"quotaId":"GenerateImagesPerMinutePerProjectPerModel-FreeTier","quotaDimensions":{"model":"gemini-2.5-flash-image","location":"global"},"quotaValue":"5"}]},` +
	`{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"40s"}]}}`

// A model for images makes them also for who doesn't say what is wanted. A refusal of images keeps
// such requests from it as it does those that say so, in every format; who wants text alone of it,
// and whoever asks other models, loses no turn.
func TestAModelForImagesDrawsUnasked(t *testing.T) {
	race.Skip(t)
	t.Parallel()
	const native = `{"contents":[{"parts":[{"text":"a banana"}]}]}`
	for _, model := range []string{flashImage, "gemini-3-pro-image-preview", "gemini-nano-banana-2.1"} {
		for name, c := range map[string]struct{ path, body string }{
			"native":    {"/v1beta/models/M:generateContent", native},
			"streamed":  {"/v1beta/models/M:streamGenerateContent?alt=sse", native},
			"other":     {"/v1beta/models/M:generateContent", `{"contents":[{"parts":[{"text":"a banana"}]}],"generationConfig":{"temperature":1}}`},
			"OpenAI":    {"/v1beta/openai/chat/completions", `{"model":"M","messages":[{"role":"user","content":"a banana"}]}`},
			"/generate": {"/generate", `{"model":"M","prompt":"a banana"}`},
		} {
			for _, wording := range []string{"images", "bare"} {
				t.Run(model+" "+name+" "+wording, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						said := strings.ReplaceAll(imagesRefused, flashImage, model)
						if wording == "bare" {
							_, said = refusalBody(t, "429_bare")
						}
						up, s := stubbed(nil)
						sent, texts := 0, 0
						up.answer = func(h heard) *http.Response {
							switch {
							case !isCall(h) || !strings.Contains(h.path+string(h.body), model):
								return nil
							case strings.Contains(string(h.body), `"TEXT"`):
								texts++
								return respond(http.StatusOK, `{"candidates":[{"content":{"role":"model","parts":[{"text":"yellow"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3}}`)
							}
							sent++
							return respond(http.StatusTooManyRequests, said)
						}
						s.keys = projects("alpha", "beta")
						s.env = []string{fmt.Sprintf(`FLUXGATE_LIMITS={"pro":{"rpm":-1,"rpd":-1},%q:{"rpm":-1,"tpm":-1,"rpd":-1}}`, model), "FLUXGATE_CHAIN=" + pro}
						w := newWorld(t, s)
						for range 20 {
							a := w.do("POST", strings.ReplaceAll(c.path, "M", model), strings.ReplaceAll(c.body, "M", model))
							require.Equal(t, http.StatusTooManyRequests, a.Code, a.Body.String())
							w.generate("plain", "").ok()
							text := w.do("POST", "/v1beta/models/"+model+":generateContent", `{"contents":[{"parts":[{"text":"which colour?"}]}],"generationConfig":{"responseModalities":["TEXT"]}}`)
							require.Equal(t, http.StatusOK, text.Code, text.Body.String())
							synctestSleep(time.Second)
						}
						assert.Equal(t, 2, sent, "each project is asked once")
						assert.Equal(t, 20, texts)
						for _, project := range []string{"alpha", "beta"} {
							assert.Empty(t, w.calendar(project, model).Block, project)
							assert.Empty(t, w.calendar(project, model).Learned, project)
							if wording == "images" {
								assert.EqualValues(t, 5, w.calendar(project, scheduler.OfFeature(model, payload.ImageFeature)).Learned.RPM.Limit)
							}
							assert.Empty(t, w.calendar(project, pro).Learned, project)
						}
					})
				})
			}
		}
	}
}
