package app

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/openaisim"
)

const (
	acrossChain  = "FLUXGATE_CHAIN=gemini/gemini-2.5-flash,groq/llama-4,anthropic/claude-sonnet-5"
	acrossLimits = `FLUXGATE_LIMITS={"gemini-2.5-flash":{"rpm":10,"rpd":20},"groq/llama-4":{"rpm":10},"anthropic/claude-sonnet-5":{"rpm":10}}`
)

// slow is a transport whose answers take a while.
type slow struct {
	http.RoundTripper
	by time.Duration
}

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(s.by):
		return s.RoundTripper.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// refused is how many requests the providers of the chain have refused for a limit.
func (m *mixture) refused() int {
	return int(m.gemini.Stats().Refused) + m.groq.Ledger().Total().Refused + m.anthropic.Ledger().Total().Refused
}

// served counts what served answers, and requires that all are.
func served(t *testing.T, answers []*httptest.ResponseRecorder) map[string]int {
	t.Helper()
	by := make(map[string]int)
	for i, rec := range answers {
		require.Equal(t, http.StatusOK, rec.Code, "%d: %s", i, rec.Body)
		by[rec.Header().Get("X-Fluxgate-Model")]++
	}
	return by
}

// A chain of three providers: the day of the first ends, the key of the second is revoked, the
// third is slow. Every request is answered by the first of the chain that can, once, and nobody
// refuses any for a limit.
func TestChainAcrossProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, acrossChain, acrossLimits)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		var credentials []string
		m.transport["api.anthropic.com"] = roundTripper(func(r *http.Request) (*http.Response, error) {
			credentials = append(credentials, r.Header.Get("Authorization")+" "+r.Header.Get("X-Api-Key"))
			return slow{m.anthropic.Transport(), 40 * time.Second}.RoundTrip(r)
		})
		chats := func(n int) map[string]int {
			var answers []*httptest.ResponseRecorder
			for range n {
				time.Sleep(7 * time.Second)
				answers = append(answers, m.ask(t, "POST", chat, chatOf("auto")))
			}
			return served(t, answers)
		}
		assert.Equal(t, map[string]int{"gemini-2.5-flash": 20, "groq/llama-4": 12}, chats(32), "the day of the first ends")
		m.groq.SetKey(openaisim.Key{Value: groqKey, Project: "org-d", State: openaisim.Revoked})
		assert.Equal(t, map[string]int{"anthropic/claude-sonnet-5": 9}, chats(9), "the key of the second is revoked, the third is slow")

		assert.EqualValues(t, 20, m.gemini.Stats().Accepted)
		assert.EqualValues(t, 12, m.groq.Ledger().Total().Accepted)
		assert.EqualValues(t, 9, m.anthropic.Ledger().Total().Accepted, "each is sent once")
		assert.Zero(t, m.refused())

		// What comes is what was sent but for the model's name, at an endpoint of OpenAI's format.
		last := m.anthropic.Requests()[len(m.anthropic.Requests())-1]
		assert.Equal(t, "/v1/chat/completions", last.Path)
		assert.Equal(t, chatOf("claude-sonnet-5"), string(last.Body))
		assert.Equal(t, "Bearer "+anthropicKey+" ", credentials[len(credentials)-1])

		time.Sleep(24 * time.Hour)
		assert.Equal(t, map[string]int{"gemini-2.5-flash": 3}, chats(3), "another day of the first has begun")
	})
}

// A request waits for the first of the chain, as among Gemini's models, or for as long as max_wait
// says. Once all are full the wait is that of the first that is free again, and true.
func TestChainAcrossProvidersWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, acrossChain, acrossLimits)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		send := func(n int, headers ...string) (answers []*httptest.ResponseRecorder) {
			for range n {
				answers = append(answers, m.ask(t, "POST", chat, chatOf("auto"), headers...))
			}
			return answers
		}
		wait := func(rec *httptest.ResponseRecorder) time.Duration {
			require.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body)
			seconds, err := strconv.Atoi(rec.Header().Get("Retry-After"))
			require.NoError(t, err)
			return time.Duration(seconds) * time.Second
		}
		assert.Equal(t, map[string]int{"gemini-2.5-flash": 10}, served(t, send(10)))
		told := wait(send(1)[0])
		assert.LessOrEqual(t, told, 62*time.Second)
		time.Sleep(told)
		assert.Equal(t, map[string]int{"gemini-2.5-flash": 1}, served(t, send(1)))

		now := []string{"X-Fluxgate-Max-Wait", "0"}
		assert.Equal(t, map[string]int{"gemini-2.5-flash": 9, "groq/llama-4": 10, "anthropic/claude-sonnet-5": 10}, served(t, send(29, now...)))
		wait(send(1, "X-Fluxgate-Max-Wait", "90")[0])
		told = wait(send(1, now...)[0])
		time.Sleep(told)
		assert.Len(t, served(t, send(1, now...)), 1)
		assert.Zero(t, m.refused())
	})
}

// What an endpoint is documented not to serve keeps a chat off it; what nobody takes is refused,
// with what stands behind each.
func TestChainAcrossProvidersKeepsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "FLUXGATE_CHAIN=groq/llama-4,anthropic/claude-sonnet-5,openai/gpt-5.5")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		with := func(members string) string { return strings.Replace(chatOf("auto"), "{", "{"+members+",", 1) }
		for _, c := range []struct{ name, body, model string }{
			{"nothing special", chatOf("auto"), "groq/llama-4"},
			{"Groq takes no log of probabilities, Anthropic leaves it out", with(`"logprobs":true`), "openai/gpt-5.5"},
			{"Anthropic takes no schema, Groq does", with(`"response_format":{"type":"json_object"}`), "groq/llama-4"},
			{"what it would be anyway", with(`"n":1,"logprobs":false,"logit_bias":{}`), "groq/llama-4"},
		} {
			rec := m.ask(t, "POST", chat, c.body)
			require.Equal(t, http.StatusOK, rec.Code, "%s: %s", c.name, rec.Body)
			assert.Equal(t, c.model, rec.Header().Get("X-Fluxgate-Model"), c.name)
		}
		rec := m.ask(t, "POST", chat, with(`"extra_body":{"google":{"thinking_config":{"include_thoughts":true}}}`))
		assert.Equal(t, http.StatusBadRequest, rec.Code)
		assert.Contains(t, rec.Body.String(), "groq/llama-4 (extra_body), anthropic/claude-sonnet-5 (extra_body), openai/gpt-5.5 (extra_body)")

		// A provider's part of the chain, and a model with the chain behind it.
		rec = m.ask(t, "POST", chat, chatOf("auto"), "X-Fluxgate-Provider", "anthropic")
		assert.Equal(t, "anthropic/claude-sonnet-5", rec.Header().Get("X-Fluxgate-Model"), rec.Body)
		rec = m.ask(t, "POST", chat, with(`"stream":true`), "X-Fluxgate-Provider", "anthropic")
		assert.Equal(t, "anthropic/claude-sonnet-5", rec.Header().Get("X-Fluxgate-Model"), rec.Body)
		assert.True(t, strings.HasSuffix(rec.Body.String(), "data: [DONE]\n\n"), "a stream passes as it comes: %s", rec.Body)
		rec = m.ask(t, "POST", chat, chatOf("openai/gpt-9"), "X-Fluxgate-Fallback", "chain")
		assert.Equal(t, "groq/llama-4", rec.Header().Get("X-Fluxgate-Model"), rec.Body)
		rec = m.ask(t, "POST", chat, chatOf("claude-sonnet-5"))
		assert.Equal(t, "anthropic/claude-sonnet-5", rec.Header().Get("X-Fluxgate-Model"), "it serves this format too: %s", rec.Body)
	})
}

// What only Gemini has, keeps or takes stays there, whoever comes before it in the chain; what names a file of another provider's is
// refused, since nobody else has that. A prompt that is too warm for Anthropic, or has a file, isn't sent to who wouldn't take it.
func TestChainAcrossProvidersLeavesToEachWhatItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "FLUXGATE_CHAIN=groq/llama-4,gemini/gemini-2.5-flash", acrossLimits)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		rec := m.ask(t, "POST", "/upload/v1beta/files", "a text", "Content-Type", "text/plain", "X-Goog-Upload-Protocol", "raw")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		var made struct{ File struct{ URI string } }
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &made))
		require.NotEmpty(t, made.File.URI)
		content := func(text string) string { return strings.Replace(chatOf("auto"), `"Hello"`, text, 1) }
		for _, c := range []struct{ name, body, model string }{
			{"nothing special", chatOf("auto"), "groq/llama-4"},
			{"JSON that Google alone takes", strings.Replace(chatOf("auto"), `[1,2]`, `[1,2,]`, 1), "gemini-2.5-flash"},
			{"a tool of Gemini's", strings.Replace(chatOf("auto"), "{", `{"tools":[{"google_search":{}}],`, 1), "gemini-2.5-flash"},
			{"a function", strings.Replace(chatOf("auto"), "{", `{"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],`, 1), "groq/llama-4"},
			{"an image", content(`[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]`), "groq/llama-4"},
		} {
			rec := m.ask(t, "POST", chat, c.body)
			assert.Equal(t, http.StatusOK, rec.Code, "%s: %s", c.name, rec.Body)
			assert.Equal(t, c.model, rec.Header().Get("X-Fluxgate-Model"), c.name)
		}
		before := len(m.groq.Requests())
		rec = m.ask(t, "POST", chat, content(`[{"type":"image_url","image_url":{"url":"`+made.File.URI+`"}}]`))
		assert.Contains(t, rec.Body.String(), `"status":"INVALID_ARGUMENT"`, "a file of Gemini's, which says itself that it takes none so")
		rec = m.ask(t, "POST", chat, content(`[{"type":"file","file":{"file_id":"file-1"}}]`))
		assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "the request names what one provider keeps")
		assert.Len(t, m.groq.Requests(), before)
	})
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "FLUXGATE_CHAIN=anthropic/claude-sonnet-5,gemini/gemini-2.5-flash,groq/llama-4", acrossLimits)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for _, c := range []struct{ name, more, model string }{
			{"nothing special", ``, "anthropic/claude-sonnet-5"},
			{"as warm as it takes", `,"temperature":1`, "anthropic/claude-sonnet-5"},
			{"warmer", `,"temperature":1.5`, "gemini-2.5-flash"},
			{"a file", `,"files":["JVBERi0xLjQK"]`, "gemini-2.5-flash"},
		} {
			rec := m.ask(t, "POST", "/generate", `{"prompt":"Hello"`+c.more+`}`)
			assert.Equal(t, http.StatusOK, rec.Code, "%s: %s", c.name, rec.Body)
			assert.Contains(t, rec.Body.String(), `"model_used":"`+c.model+`"`, c.name)
		}
		rec := m.ask(t, "POST", "/generate", `{"prompt":"Hello","temperature":1.5,"model":"claude-sonnet-5"}`)
		assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "anthropic/claude-sonnet-5 (a temperature above 1)")
	})
}

// What a chat weighs is the most that a provider of the chain counts, which is its max_tokens too where one counts that; and whoever of
// the chain has no key is passed over.
func TestChainAcrossProvidersWeighsTheMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "FLUXGATE_CHAIN=nobody/x,openai/gpt-5.5,groq/llama-4", `FLUXGATE_LIMITS={"openai/gpt-5.5":{"tpm":1000},"groq/llama-4":{"tpm":-1}}`,
			`FLUXGATE_PROVIDERS=[{"name":"groq","base_url":"https://api.groq.com/openai/v1","models":["llama-*"]},{"name":"nobody","base_url":"https://nobody.test/v1"}]`, "FLUXGATE_ADMIN_TOKENS=root:0123456789abcdef-root")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		root := []string{"X-Fluxgate-Token", "0123456789abcdef-root", "X-Fluxgate-Max-Wait", "0"}
		var answers []*httptest.ResponseRecorder
		for range 4 {
			answers = append(answers, m.ask(t, "POST", chat, strings.Replace(chatOf("auto"), "{", `{"max_tokens":900,`, 1), root...))
		}
		assert.Equal(t, map[string]int{"openai/gpt-5.5": 2, "groq/llama-4": 2}, served(t, answers), "one for each of two organisations")

		rec := m.ask(t, "POST", "/config", `{"chain":["nobody/x"],"force":true}`, root...)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		rec = m.ask(t, "POST", chat, chatOf("auto"), root...)
		assert.Equal(t, http.StatusServiceUnavailable, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "No key is configured for a provider of the chain: nobody/x.")
	})
}

// What a provider says in words that aren't known may quote the request. So it is told to that one's caller only;
// whoever asks for the model while it is left alone is told that.
func TestUnknownWordsAreTheFirstCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		const body = `{"error":{"message":"Not allowed: my secret prompt","metadata":{"input":"my secret prompt"}}}`
		m.transport["api.groq.com"] = answering(http.StatusForbidden, body)
		rec := m.ask(t, "POST", chat, chatOf("groq/llama-4"))
		assert.Equal(t, http.StatusForbidden, rec.Code)
		assert.Contains(t, rec.Body.String(), "my secret prompt")
		for range 2 {
			rec = m.ask(t, "POST", chat, chatOf("groq/llama-4"))
			assert.Equal(t, http.StatusForbidden, rec.Code)
			assert.NotContains(t, rec.Body.String(), "secret")
			assert.Contains(t, rec.Body.String(), "groq refused an earlier request like this with HTTP 403.")
		}
		assert.Contains(t, m.logs.String(), "words that aren't known")
		assert.NotContains(t, m.logs.String(), "secret", "nor is it in the log")

		m.transport["api.openai.com"] = answering(http.StatusForbidden, `{"error":{"message":"Project x does not have access to model y","type":"invalid_request_error","code":"model_not_found"}}`)
		for range 2 {
			rec = m.ask(t, "POST", chat, chatOf("openai/gpt-5.5"))
			assert.Contains(t, rec.Body.String(), "Project x does not have access", "what is known is told to everybody")
		}
	})
}

// A provider that fails is left to the next after a few sends, and what is too long for a model
// goes to one that takes it.
func TestChainAcrossProvidersFailsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "FLUXGATE_CHAIN=openai/gpt-5.5,groq/llama-4")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		m.openai.FailNext(-1, openaisim.Overloaded)
		rec := m.ask(t, "POST", chat, chatOf("auto"))
		assert.Equal(t, "groq/llama-4", rec.Header().Get("X-Fluxgate-Model"), rec.Body)
		assert.Len(t, m.openai.Requests(), 2, "two organisations are tried")

		for _, says := range []struct {
			status int
			body   string
		}{
			{http.StatusBadRequest, `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`},
			{http.StatusBadRequest, `{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`},
			{http.StatusBadRequest, `{"error":{"message":"Unsupported value: 'temperature' does not support 0.2 with this model.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}`},
			{http.StatusBadRequest, `{"code":"Client specified an invalid argument","error":"Argument not supported on this model: presencePenalty"}`}, // xAI's
			{http.StatusUnprocessableEntity, `{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":1}]}`},
		} {
			m.transport["api.openai.com"] = answering(says.status, says.body)
			rec = m.ask(t, "POST", chat, chatOf("auto"))
			assert.Equal(t, "groq/llama-4", rec.Header().Get("X-Fluxgate-Model"), "%s: %s", says.body, rec.Body)
			time.Sleep(time.Minute)
		}
		m.transport["api.openai.com"] = answering(http.StatusBadRequest, `{"error":{"message":"Invalid value","type":"invalid_request_error","param":"messages","code":null}}`)
		rec = m.ask(t, "POST", chat, chatOf("auto"))
		assert.Equal(t, http.StatusBadRequest, rec.Code, "the request is at fault: %s", rec.Body)
	})
}

// The header leaves one provider's part of the chain, and says so where there is none.
func TestChainAcrossProvidersOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, "FLUXGATE_CHAIN=gemini/gemini-2.5-flash,groq/llama-4")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for provider, want := range map[string]string{"gemini": "gemini-2.5-flash", "groq": "groq/llama-4"} {
			rec := m.ask(t, "POST", chat, chatOf("auto"), "X-Fluxgate-Provider", provider)
			assert.Equal(t, want, rec.Header().Get("X-Fluxgate-Model"), rec.Body)
		}
		for _, provider := range []string{"openai", "nobody"} {
			rec := m.ask(t, "POST", chat, chatOf("auto"), "X-Fluxgate-Provider", provider)
			assert.Equal(t, http.StatusBadRequest, rec.Code)
			assert.Contains(t, rec.Body.String(), "X-Fluxgate-Provider: no model of the chain is that one's: gemini-2.5-flash, groq/llama-4.")
		}
		m = m.with(t, "GEMINI_KEY_1="+simulatedKey(1), "OPENAI_KEY_1="+openAIKey, "FLUXGATE_CHAIN=gemini-2.5-flash")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		rec := m.ask(t, "POST", chat, chatOf("auto"), "X-Fluxgate-Provider", "openai")
		assert.Equal(t, http.StatusBadRequest, rec.Code)
		assert.Contains(t, rec.Body.String(), "no model of the chain is that one's: gemini-2.5-flash.")
		assert.Equal(t, http.StatusOK, m.ask(t, "POST", chat, chatOf("auto"), "X-Fluxgate-Provider", "gemini").Code)
	})
}

// A prompt goes to each provider in that one's own format.
func TestPromptsAcrossProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, acrossChain, acrossLimits)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		ask := func(body string) (model, text, finish string) {
			rec := m.ask(t, "POST", "/generate", body)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			var out struct {
				Response string `json:"response"`
				Model    string `json:"model_used"`
				Tokens   int    `json:"tokens_used"`
				Finish   string `json:"finish_reason"`
			}
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &out))
			assert.Positive(t, out.Tokens)
			return out.Model, out.Response, out.Finish
		}
		const prompt = `{"prompt":"Say \"h\u00e9llo\"","system":"Be brief.","max_wait":0}`
		by := make(map[string]int)
		for range 30 {
			model, text, finish := ask(prompt)
			assert.Contains(t, text, "h", model)
			assert.Empty(t, finish, model)
			by[model]++
		}
		assert.Equal(t, map[string]int{"gemini-2.5-flash": 10, "groq/llama-4": 10, "anthropic/claude-sonnet-5": 10}, by)
		assert.JSONEq(t, `{"model":"llama-4","max_tokens":1000,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Say \"héllo\""}]}`,
			string(m.groq.Requests()[len(m.groq.Requests())-1].Body))
		last := m.anthropic.Requests()[len(m.anthropic.Requests())-1]
		assert.Equal(t, "/v1/messages", last.Path)
		assert.JSONEq(t, `{"model":"claude-sonnet-5","max_tokens":1000,"system":"Be brief.","messages":[{"role":"user","content":"Say \"héllo\""}]}`, string(last.Body))

		// An image is for Gemini alone, whose minute is over.
		rec := m.ask(t, "POST", "/generate", `{"prompt":"What is it?","images":["iVBORw0KGgo="]}`)
		assert.Equal(t, http.StatusTooManyRequests, rec.Code, rec.Body)
		time.Sleep(time.Minute)
		model, _, _ := ask(`{"prompt":"What is it?","images":["iVBORw0KGgo="]}`)
		assert.Equal(t, "gemini-2.5-flash", model)

		model, _, _ = ask(`{"prompt":"Hello","model":"openai/gpt-5.5","temperature":0.2,"max_tokens":5}`)
		assert.Equal(t, "openai/gpt-5.5", model)
		assert.JSONEq(t, `{"model":"gpt-5.5","max_completion_tokens":5,"temperature":0.2,"messages":[{"role":"user","content":"Hello"}]}`,
			string(m.openai.Requests()[len(m.openai.Requests())-1].Body))
		model, _, _ = ask(`{"prompt":"Hello","model":"gpt-5.5"}`)
		assert.Equal(t, "openai/gpt-5.5", model, "nobody else has it")
		rec = m.ask(t, "POST", "/generate", `{"prompt":"Hello","model":"nobody/gpt-5.5"}`)
		assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
	})
}

// Everything that tells of the chain tells of all of it, where each model is.
func TestChainAcrossProvidersIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		m := mixReported(t, &said, "FLUXGATE_CHAIN=gemini/gemini-2.5-flash,groq/llama-4,groq/llama-9,anthropic/claude-sonnet-5", "FLUXGATE_ADMIN_TOKENS=root:0123456789abcdef-root")
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		assert.Contains(t, said.String(), "chain: gemini-2.5-flash > groq/llama-4 > groq/llama-9 > anthropic/claude-sonnet-5\n")
		assert.Contains(t, said.String(), "  WARNING: groq/llama-9 isn't among the models that its provider lists. Is its name right in the chain?\n")
		assert.NotContains(t, said.String(), "WARNING: groq/llama-4")
		assert.NotContains(t, said.String(), "WARNING: anthropic")
		root := []string{"X-Fluxgate-Token", "0123456789abcdef-root"}

		rec := m.ask(t, "POST", "/plan", `{"tokens":100}`, root...)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		var plan struct {
			Best       struct{ Project, Model string }
			Candidates []struct{ Project, Model string }
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &plan))
		assert.Equal(t, "gemini-2.5-flash", plan.Best.Model)
		assert.Equal(t, []string{"g-1 gemini-2.5-flash", "org-c anthropic/claude-sonnet-5", "org-d groq/llama-4", "org-d groq/llama-9"}, sorted(plan.Candidates))

		rec = m.ask(t, "GET", "/status", "", root...)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		var status struct {
			Chain    []string `json:"model_chain"`
			Source   string   `json:"chain_source"`
			Projects []struct {
				Project string
				Models  []struct{ Model string }
			}
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &status))
		assert.Equal(t, []string{"gemini-2.5-flash", "groq/llama-4", "groq/llama-9", "anthropic/claude-sonnet-5"}, status.Chain)
		assert.Equal(t, "operator", status.Source)
		for _, p := range status.Projects {
			if p.Project == "org-d" {
				assert.Len(t, p.Models, 2)
			}
		}

		configure := func(body string, want int) string {
			rec := m.ask(t, "POST", "/config", body, root...)
			require.Equal(t, want, rec.Code, rec.Body)
			return rec.Body.String()
		}
		assert.Contains(t, configure(`{"chain":["nobody/x"]}`, http.StatusBadRequest), "there is no provider nobody")
		assert.Contains(t, configure(`{"chain":["groq/llama-9"]}`, http.StatusBadRequest), "groq/llama-9: the provider doesn't list it")
		assert.Contains(t, configure(`{"chain":["groq/llama-9"],"force":true}`, http.StatusOK), `"model_chain":["groq/llama-9"]`)
		assert.Contains(t, configure(`{"chain":["groq/llama-4","gemini/gemini-2.5-pro"]}`, http.StatusOK), `"model_chain":["groq/llama-4","gemini-2.5-pro"]`)
		rec = m.ask(t, "POST", chat, chatOf("auto"), root...)
		assert.Equal(t, "groq/llama-4", rec.Header().Get("X-Fluxgate-Model"), rec.Body)
		rec = m.ask(t, "POST", "/v1beta/models/auto:generateContent", `{"contents":[{"parts":[{"text":"Hello"}]}]}`, root...)
		assert.Equal(t, "gemini-2.5-pro", rec.Header().Get("X-Fluxgate-Model"), "Gemini's own format goes to Gemini alone: %s", rec.Body)
		// A mode lets through the models of a family of Gemini's.
		assert.Contains(t, configure(`{"mode":"flash_only"}`, http.StatusBadRequest), "leaves no model")
		assert.Contains(t, configure(`{"mode":"pro_only"}`, http.StatusOK), `"model_chain":["gemini-2.5-pro"]`)
		rec = m.ask(t, "POST", chat, chatOf("auto"), root...)
		assert.Equal(t, "gemini-2.5-pro", rec.Header().Get("X-Fluxgate-Model"), rec.Body)
		assert.Contains(t, configure(`{"mode":null,"chain":null}`, http.StatusOK), `"groq/llama-9"`)
	})
}

// Gemini is asked for the limits of its own part of the chain.
func TestChainAcrossProvidersIsNoneOfGeminis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t, acrossChain)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		var asked strings.Builder
		inner := m.transport["generativelanguage.googleapis.com"]
		m.transport["generativelanguage.googleapis.com"] = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Body != nil {
				r.Body = struct {
					io.Reader
					io.Closer
				}{io.TeeReader(r.Body, &asked), r.Body}
			}
			return inner.RoundTrip(r)
		})
		rec := m.ask(t, "POST", "/refresh-policy", `{"force":true}`)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		assert.Contains(t, asked.String(), "gemini-2.5-flash")
		assert.NotContains(t, asked.String(), "llama-4")
	})
}

func sorted(candidates []struct{ Project, Model string }) []string {
	all := make(map[string]bool)
	for _, c := range candidates {
		all[c.Project+" "+c.Model] = true
	}
	return slices.Sorted(maps.Keys(all))
}
