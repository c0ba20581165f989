package app

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/budget"
	"fluxgate.dev/fluxgate/internal/usage/price"
)

// Who leaves out what tells how long an answer was, or leaves before it comes, uses no less of a
// budget by it.
func TestBudgetsOfAnswersThatDontTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const token = "0123456789abcdef"
		m := mix(t, "FLUXGATE_TOKENS=alice:"+token, `FLUXGATE_CALLERS={"alice":{"tokens_per_day":10000000}}`)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for host, cut := range map[string]string{"generativelanguage.googleapis.com": `,"usageMetadata"`, "api.anthropic.com": "event: message_delta"} {
			m.transport[host] = cutBefore{m.transport[host], cut}
		}
		left := func() float64 { return m.left(t, token) }
		stream := func(body string) string { return strings.Replace(body, "{", `{"stream":true,`, 1) }
		const hello = `{"contents":[{"parts":[{"text":"Hello"}]}]}`
		for _, c := range []struct {
			name, path, body string
			told             bool
		}{
			{"OpenAI's", chat, chatOf("gpt-5.5"), true},
			{"a stream of OpenAI's that isn't asked for it", chat, stream(chatOf("gpt-5.5")), false},
			{"one that is", chat, strings.Replace(stream(chatOf("gpt-5.5")), "{", `{"stream_options":{"include_usage":true},`, 1), true},
			{"an embedding", "/openai/v1/embeddings", `{"model":"text-embedding-3-small","input":"Hello"}`, true},
			{"Anthropic's", message, messageOf("claude-sonnet-5"), true},
			{"a stream of Anthropic's that is cut", message, stream(messageOf("claude-sonnet-5")), false},
			{"Gemini's without it", "/v1beta/models/gemini-2.5-pro:generateContent?fields=candidates", hello, false},
			{"Gemini's with a part of it", "/v1beta/models/gemini-2.5-flash:generateContent?fields=candidates,usageMetadata.promptTokenCount", hello, false},
		} {
			before := left()
			rec := m.ask(t, "POST", c.path, c.body, "Authorization", "Bearer "+token)
			require.Equal(t, http.StatusOK, rec.Code, "%s: %s", c.name, rec.Body)
			used := before - left()
			assert.Positive(t, used, c.name)
			assert.Equal(t, c.told, used < budget.Reckoned, "%s: %g", c.name, used)
		}
	})
}

// cutBefore answers with what stands before some words, and an end.
type cutBefore struct {
	http.RoundTripper
	words string
}

func (c cutBefore) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if before, _, found := bytes.Cut(text, []byte(c.words)); found {
		if text = before; before[0] == '{' {
			text = append(before, '}')
		}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	resp.Header.Del("Content-Length")
	return resp, err
}

// A model without a price counts in a budget of dollars as if the dearest that has one had
// answered.
func TestBudgetsOfOtherProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const token = "0123456789abcdef"
		m := mix(t, "FLUXGATE_TOKENS=alice:"+token, `FLUXGATE_CALLERS={"alice":{"dollars_per_day":0.2}}`)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		left := func() float64 { return m.left(t, token) }
		before := left()
		rec := m.ask(t, "POST", chat, chatOf("gpt-5.5"), "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		var answer struct {
			Usage struct {
				Prompt     int64 `json:"prompt_tokens"`
				Completion int64 `json:"completion_tokens"`
			}
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &answer))
		require.NotZero(t, answer.Usage.Completion)
		dearest := price.List("2026-11-29").Dearest(answer.Usage.Prompt, 0, answer.Usage.Completion).Dollars()
		assert.InDelta(t, dearest, before-left(), 1e-12)
	})
}

// left returns what is left of the one budget of a caller.
func (m *mixture) left(t *testing.T, token string) float64 {
	t.Helper()
	rec := m.ask(t, "GET", "/usage", "", "Authorization", "Bearer "+token)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	var out struct{ Budgets []struct{ Left float64 } }
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &out))
	require.Len(t, out.Budgets, 1, rec.Body)
	return out.Budgets[0].Left
}
