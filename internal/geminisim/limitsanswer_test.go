package geminisim

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// limitsQuestion is a structured question for the limits of these models.
func limitsQuestion(models ...string) string {
	raw, err := json.Marshal(map[string]any{
		"contents": []any{map[string]any{"parts": []any{map[string]any{"text": "Your limits?"}}}},
		"generationConfig": map[string]any{"responseMimeType": "application/json", "responseSchema": map[string]any{
			"type": "OBJECT", "properties": map[string]any{"models": map[string]any{"type": "ARRAY", "items": map[string]any{
				"type": "OBJECT", "properties": map[string]any{
					"model":               map[string]any{"type": "STRING", "enum": models},
					"requests_per_minute": map[string]any{"type": "INTEGER"}, "tokens_per_minute": map[string]any{"type": "INTEGER"},
					"requests_per_day": map[string]any{"type": "INTEGER"},
				}}}}}},
	})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func textOf(t *testing.T, r reply) string {
	t.Helper()
	require.Equal(t, 200, r.status, r.body)
	var got wire.GenerateResponse
	r.decode(t, &got)
	require.Len(t, got.Candidates, 1)
	return *got.Candidates[0].Content.Parts[0].Text
}

func TestLimitsAnswers(t *testing.T) {
	s, _ := newSim(Config{})
	s.SetLimits("alpha", flash, Limits{RPM: 3, TPM: -1, RPD: 20})
	s.SetNoQuota("alpha", "gemini-2.5-pro")
	question := limitsQuestion("gemini-2.5-flash", "gemini-2.5-pro", "gemini-flash-latest", "gemini-0-pro")
	const want = `{"models":[
		{"model":"gemini-2.5-flash","requests_per_minute":3,"tokens_per_minute":2147483647,"requests_per_day":20},
		{"model":"gemini-2.5-pro","requests_per_minute":0,"tokens_per_minute":0,"requests_per_day":0},
		{"model":"gemini-flash-latest","requests_per_minute":3,"tokens_per_minute":2147483647,"requests_per_day":20}]}`
	const path = "models/gemini-2.5-flash-lite:generateContent"
	ask := func(a answers.LimitsAnswer) string {
		s.SetLimitsAnswer(a)
		return textOf(t, post(t, s, path, question))
	}
	assert.JSONEq(t, want, ask(answers.LimitsTrue), "of models that exist, by the name that was asked for")
	inner, fenced := strings.CutPrefix(ask(answers.LimitsFenced), "```json\n")
	require.True(t, fenced)
	inner, fenced = strings.CutSuffix(inner, "\n```")
	require.True(t, fenced)
	assert.JSONEq(t, want, inner)
	assert.False(t, json.Valid([]byte(ask(answers.LimitsBroken))))
	absurd := ask(answers.LimitsAbsurd)
	assert.True(t, json.Valid([]byte(absurd)))
	assert.Contains(t, absurd, `{"model":"gemini-2.5-flash","requests_per_day":0,"tokens_per_minute":9223372036854775807,"requests_per_minute":-1}`)
	assert.False(t, json.Valid([]byte(ask(answers.LimitsRefused))))
	assert.Empty(t, ask(answers.LimitsEmpty))
	assert.Equal(t, Translate("hello"), textOf(t, post(t, s, path, prompt("hello"))), "other questions are answered as always")

	s.SetLimitsAnswer(answers.LimitsBlocked)
	for _, method := range []string{path, "models/gemini-2.5-flash-lite:streamGenerateContent?alt=sse"} {
		r := post(t, s, method, question)
		require.Equal(t, 200, r.status)
		var blocked wire.GenerateResponse
		require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(r.body, "data: ")), &blocked), r.body)
		assert.Empty(t, blocked.Candidates)
		assert.Equal(t, "SAFETY", blocked.PromptFeedback.BlockReason)
		assert.Positive(t, blocked.UsageMetadata.PromptTokenCount)
	}
	for _, e := range s.Log() {
		assert.EqualValues(t, 1, e.Charged, "every one costs")
	}
}

func TestLimitsAnswerStalls(t *testing.T) {
	s, _ := newSim(Config{})
	s.SetLimitsAnswer(answers.LimitsStalled)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", "http://gemini.test/v1beta/models/"+flash+":generateContent",
		strings.NewReader(limitsQuestion(flash)))
	require.NoError(t, err)
	req.Header.Set("x-goog-api-key", key1)
	done := make(chan error)
	go func() {
		_, err := s.Transport().RoundTrip(req)
		done <- err
	}()
	require.Eventually(t, func() bool { return len(s.Log()) == 1 }, 5e9, 1e6)
	select {
	case err := <-done:
		t.Fatal("it was answered: ", err)
	default:
	}
	cancel()
	assert.ErrorIs(t, <-done, context.Canceled)
	assert.Len(t, s.Log(), 1, "charged, once")
	assert.EqualValues(t, 1, s.Log()[0].Charged)
}

// TestSchema: a JSON answer has the form that was asked for.
func TestSchema(t *testing.T) {
	s, _ := newSim(Config{})
	for _, tc := range []struct{ schema, want string }{
		{`{"type":"OBJECT","properties":{"title":{"type":"STRING"},"year":{"type":"INTEGER"},"kind":{"type":"STRING","enum":["a","b"]},
			"tags":{"type":"ARRAY","items":{"type":"STRING"}},"of":{"type":"OBJECT","properties":{"ok":{"type":"BOOLEAN"}}}}}`,
			`{"title":"hillu","year":1,"kind":"a","tags":["hillu"],"of":{"ok":true}}`},
		{`{"type":"STRING"}`, `{"text":"hillu"}`},
		{`[]`, `{"text":"hillu"}`},
	} {
		got := textOf(t, post(t, s, "models/"+flash+":generateContent", `{"contents":[{"parts":[{"text":"hello"}]}],
			"generationConfig":{"responseMimeType":"application/json","responseSchema":`+tc.schema+`}}`))
		assert.JSONEq(t, tc.want, got)
	}
}
