package app

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// endpointKey is the key of the endpoints of these tests.
const endpointKey = "key-of-the-endpoint-0001"

// configured is an app over one endpoint of FLUXGATE_PROVIDERS, which a simulator stands in for.
func configured(t *testing.T, name, entry string, sim *openaisim.Server, env ...string) *mixture {
	t.Helper()
	m := &mixture{openai: sim, transport: hosts{"endpoint.test": sim.Transport()}}
	return m.with(t, append([]string{"FLUXGATE_PROVIDERS=[" + entry + "]", strings.ToUpper(name) + "_KEY_1=" + endpointKey, strings.ToUpper(name) + "_PROJECT_1=org"}, env...)...)
}

// Endpoints that speak OpenAI's format are served by what is configured, each as it is documented: where it
// lies, where its key goes, and what it says of its limits. Who waits as told after its refusal is served.
func TestConfiguredEndpoints(t *testing.T) {
	minute := func(n int64) simquota.Limit { return simquota.PerMinute(simquota.Requests, n) }
	for _, c := range []struct {
		name, entry  string
		dialect      openaisim.Dialect
		limits       []simquota.Limit
		path, header string        // at the endpoint
		wait         time.Duration // that is told at most when it has refused
	}{
		// https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
		{"azure", `{"name":"azure","base_url":"https://endpoint.test/openai/v1","header":"api-key"}`, openaisim.Azure, []simquota.Limit{minute(2)}, "/openai/v1/chat/completions", "Api-Key", 2*time.Minute + 2*time.Second},
		// https://learn.microsoft.com/azure/ai-services/openai/reference
		{"azure", `{"name":"azure","base_url":"https://endpoint.test/openai","header":"api-key","api_version":"2024-10-21"}`, openaisim.Azure, []simquota.Limit{minute(2)},
			"/openai/deployments/m/chat/completions?api-version=2024-10-21", "Api-Key", 2*time.Minute + 2*time.Second},
		// https://docs.x.ai/developers/rate-limits: it says no wait
		{"xai", `{"name":"xai","base_url":"https://endpoint.test/v1"}`, openaisim.XAI, []simquota.Limit{minute(2)}, "/v1/chat/completions", "Authorization", 2 * time.Minute},
		// https://docs.together.ai/docs/rate-limits: of a second
		{"together", `{"name":"together","base_url":"https://endpoint.test/v1"}`, openaisim.Together, []simquota.Limit{simquota.Per(simquota.Requests, 2, time.Second)}, "/v1/chat/completions", "Authorization", 15 * time.Second},
		// https://openrouter.ai/docs/api-reference/limits: until a midnight, by the reset alone
		{"openrouter", `{"name":"openrouter","base_url":"https://endpoint.test/api/v1"}`, openaisim.OpenRouter,
			[]simquota.Limit{{Dimension: simquota.Requests, Amount: 2, Per: 24 * time.Hour, Kind: simquota.Calendar}}, "/api/v1/chat/completions", "Authorization", 24*time.Hour + 2*time.Second},
	} {
		t.Run(c.name+" at "+c.path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(26 * 365 * 24 * time.Hour) // milliseconds since 1970 are told from seconds since 2001
				sim := openaisim.New(openaisim.Config{Keys: []openaisim.Key{{Value: endpointKey, Project: "org"}}, Models: []string{"m"}, Dialect: c.dialect, Limits: map[string][]simquota.Limit{"": c.limits}})
				var asked http.Request // last
				m := configured(t, c.name, c.entry, sim, `FLUXGATE_LIMITS={"`+c.name+`/m":{"rpm":100}}`)
				defer func() { assert.NoError(t, m.Close(t.Context())) }()
				m.transport["endpoint.test"] = roundTripper(func(r *http.Request) (*http.Response, error) {
					asked = *r.Clone(r.Context())
					return sim.Transport().RoundTrip(r)
				})
				path, query, _ := strings.Cut(c.path, "?")
				for _, model := range []string{c.name + "/m", "m"} {
					for _, stream := range []string{"", `"stream":true,`} {
						body := func(model string) string { return strings.Replace(chatOf(model), "{", "{"+stream, 1) }
						rec := m.ask(t, "POST", chat, body(model))
						if rec.Code == http.StatusTooManyRequests {
							continue // the limit is small
						}
						require.Equal(t, http.StatusOK, rec.Code, rec.Body)
						came := last(sim.Requests())
						assert.Equal(t, body("m"), string(came.Body), "byte for byte")
						assert.Equal(t, []string{path, query}, []string{asked.URL.Path, asked.URL.RawQuery})
						assert.Contains(t, asked.Header.Get(c.header), endpointKey)
					}
				}
				// Its refusal is waited out.
				begin, refused := time.Now(), sim.Ledger().Total().Refused
				for tries := 0; ; tries++ {
					require.Less(t, tries, 20)
					rec := m.ask(t, "POST", chat, chatOf("m"))
					if rec.Code == http.StatusOK && time.Since(begin) > 0 {
						break
					}
					if rec.Code == http.StatusOK {
						continue
					}
					require.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body)
					wait, err := strconv.Atoi(rec.Header().Get("Retry-After"))
					require.NoError(t, err)
					require.LessOrEqual(t, time.Duration(wait)*time.Second, c.wait, rec.Body)
					time.Sleep(time.Duration(wait) * time.Second)
				}
				assert.LessOrEqual(t, sim.Ledger().Total().Refused-refused, 4)
				rec := m.ask(t, "GET", "/openai/v1/models", "")
				assert.Contains(t, rec.Body.String(), `"`+c.name+`/m"`, rec.Body)
				rec = m.ask(t, "POST", "/generate", `{"prompt":"Hello","model":"`+c.name+`/m"}`)
				if rec.Code == http.StatusOK {
					assert.Equal(t, []string{path, query}, []string{asked.URL.Path, asked.URL.RawQuery})
				} else {
					assert.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body)
				}
			})
		})
	}
}

// vLLM and Ollama at home tell no limits and refuse nothing: what they take at a time is named, and kept.
func TestEndpointsAtHome(t *testing.T) {
	for _, entry := range []string{
		`{"name":"home","base_url":"http://endpoint.test/v1","plain_http":true,"limits":[{"of":"at_a_time","most":2}]}`, // vLLM
		`{"name":"home","base_url":"http://endpoint.test/v1/","plain_http":true,"models":["m"],"limits":[{"of":"at_a_time","most":2,"model":"m"}]}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := openaisim.New(openaisim.Config{
				Keys: []openaisim.Key{{Value: endpointKey, Project: "org"}}, Models: []string{"m"}, Dialect: openaisim.Plain, Latency: 10 * time.Second,
				Limits: map[string][]simquota.Limit{"": {{Dimension: simquota.Requests, Amount: 2, Kind: simquota.AtOnce}}},
			})
			m := configured(t, "home", entry, sim, `FLUXGATE_LIMITS={"home/m":{"rpm":-1,"tpm":-1}}`)
			defer func() { assert.NoError(t, m.Close(t.Context())) }()
			begin := time.Now()
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					for {
						rec := httptest.NewRecorder()
						m.ServeHTTP(rec, httptest.NewRequest("POST", "http://localhost"+chat, strings.NewReader(chatOf("home/m"))))
						if rec.Code == http.StatusOK {
							return
						}
						wait, err := strconv.Atoi(rec.Header().Get("Retry-After"))
						if !assert.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body) || !assert.NoError(t, err) {
							return
						}
						time.Sleep(time.Duration(wait) * time.Second)
					}
				})
			}
			all.Wait()
			assert.Equal(t, simquota.Counts{Accepted: 10}, sim.Ledger().Total(), "none is refused")
			assert.Less(t, time.Since(begin), 2*time.Minute, "five at a time take fifty seconds, and waits are in whole seconds")
			rec := m.ask(t, "POST", chat, chatOf("home/nobodys"))
			assert.Equal(t, http.StatusNotFound, rec.Code, rec.Body)
		})
	}
}

// What nobody would say of a limit breaks nothing: what is asked goes on being served, or told a wait.
func TestAbsurdHeaders(t *testing.T) {
	for _, header := range []http.Header{
		{"X-Ratelimit-Limit-Requests": {"9223372036854775807"}, "X-Ratelimit-Remaining-Requests": {"9223372036854775807"}, "X-Ratelimit-Reset-Requests": {"0s"}},
		{"X-Ratelimit-Limit-Requests": {"1000000000000"}, "X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Limit-Tokens": {"1000000000000"}, "X-Ratelimit-Remaining-Tokens": {"999999999999"}, "X-Ratelimit-Reset-Tokens": {"6ms"}},
		{"X-Ratelimit-Limit-Requests": {"-1"}, "X-Ratelimit-Remaining-Requests": {"-5"}, "X-Ratelimit-Reset-Requests": {"-1m30s"}},
		{"X-Ratelimit-Limit-Requests": {"0"}, "X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Limit-Tokens": {"0"}},
		{"X-Ratelimit-Limit-Requests-Second": {"1000000000000"}, "X-Ratelimit-Limit-Tokens-Day": {"1000000000000"}, "X-Ratelimit-Remaining-Tokens-Day": {"999999999999"}},
		{"X-Ratelimit-Limit-Tokens": {"100"}, "X-Ratelimit-Remaining-Tokens": {"100000"}, "X-Ratelimit-Reset-Tokens": {"2099-01-01T00:00:00Z"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := openaisim.New(openaisim.Config{Keys: []openaisim.Key{{Value: endpointKey, Project: "org"}}, Models: []string{"m"}, Dialect: openaisim.Plain})
			m := configured(t, "home", `{"name":"home","base_url":"https://endpoint.test/v1"}`, sim)
			m.transport["endpoint.test"] = withHeaders{sim.Transport(), header}
			defer func() { assert.NoError(t, m.Close(t.Context())) }()
			served := 0
			for range 10 {
				rec := m.ask(t, "POST", chat, chatOf("home/m"))
				if rec.Code == http.StatusOK {
					served++
				} else {
					assert.Equal(t, http.StatusTooManyRequests, rec.Code, "%v: %s", header, rec.Body)
				}
				time.Sleep(2 * time.Minute)
			}
			assert.GreaterOrEqual(t, served, 8, "%v", header)
		})
	}
}

// A stream may last longer than an answer may take, also where a form asks for it.
func TestStreamAskedForByForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := configured(t, "endpoint", `{"name":"endpoint","base_url":"https://endpoint.test/v1"}`, nil, "FLUXGATE_TIMEOUT=30s")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		events := []string{"data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hel\"}\n\n", "data: {\"type\":\"transcript.text.delta\",\"delta\":\"lo\"}\n\n", "data: {\"type\":\"transcript.text.done\",\"text\":\"Hello\"}\n\n"}
		m.transport["endpoint.test"] = roundTripper(func(r *http.Request) (*http.Response, error) {
			_, err := io.Copy(io.Discard, r.Body)
			assert.NoError(t, err)
			body, to := io.Pipe()
			context.AfterFunc(r.Context(), func() { to.CloseWithError(r.Context().Err()) }) // as net/http has it
			go func() {
				for _, e := range events {
					time.Sleep(20 * time.Second)
					if _, err := io.WriteString(to, e); err != nil {
						return
					}
				}
				_ = to.Close()
			}()
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body, ContentLength: -1, Request: r}, nil
		})
		form := func(fields string) string {
			return strings.ReplaceAll(fields+"--b\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\n\nnoise\n--b--\n", "\n", "\r\n")
		}
		model := "--b\nContent-Disposition: form-data; name=\"model\"\n\nendpoint/whisper\n"
		rec := m.ask(t, "POST", "/openai/v1/audio/transcriptions", form(model+"--b\nContent-Disposition: form-data; name=\"stream\"\n\ntrue\n"), "Content-Type", "multipart/form-data; boundary=b")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		assert.Equal(t, strings.Join(events, ""), rec.Body.String())
	})
}

// What an endpoint of OpenAI's format says no with passes byte for byte, in whatever shape it has for that: by its code, its
// details and its words clients decide, and they are those of that endpoint's own.
func TestRefusalsOfEndpointsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for _, c := range []struct {
			status int
			body   string
		}{
			{400, `{"error":{"message":"Invalid value","type":"invalid_request_error","param":"messages","code":null}}`},
			{400, `{"object":"error","message":"Expected last role User or Tool","type":"invalid_request_message_order","param":null,"code":"3230"}`},                                         // Mistral
			{422, `{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":1}]}`},                                                           // Mistral
			{400, `{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`}, // Azure
			{400, `{"code":"Client specified an invalid argument","error":"Invalid request content: each message must have at least one content element"}`},                                   // xAI
			{400, `{"message":"body.messages: Field required","type":"invalid_request_error","param":"validation_error","code":"wrong_api_format"}`},                                          // Cerebras
			{400, `{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{}","provider_name":"X"}},"user_id":"u"}`},                                                     // OpenRouter
			{400, `{"object":"error","message":"This model does not support tools","type":"BadRequestError","param":null,"code":400}`},                                                        // vLLM
			{400, `{"error":"registry.ollama.ai/library/m does not support tools"}`},                                                                                                          // Ollama
		} {
			m.transport["api.groq.com"] = answering(c.status, c.body)
			for _, path := range []string{chat, "/v1/chat/completions"} {
				rec := m.ask(t, "POST", path, chatOf("groq/llama-4"))
				assert.Equal(t, c.status, rec.Code)
				assert.Equal(t, c.body, rec.Body.String())
			}
			time.Sleep(time.Minute)
		}
		m.transport["api.groq.com"] = answering(400, `{"error":{"message":"a key: `+groqKey+`","code":"x"}}`)
		rec := m.ask(t, "POST", chat, chatOf("groq/llama-4"))
		assert.Contains(t, rec.Body.String(), `"code":"x"`)
		assert.NotContains(t, rec.Body.String(), groqKey)
	})
}
