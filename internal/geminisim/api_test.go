package geminisim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
	"fluxgate.dev/fluxgate/internal/geminisim/quota"
	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

func TestGenerate(t *testing.T) {
	s, _ := newSim(Config{})
	for _, version := range []string{"v1", "v1beta"} {
		r := do(t, s, "POST", "/"+version+"/models/"+flash+":generateContent", `{
			"contents": [
				{"role": "user", "parts": [{"text": "an earlier turn"}]},
				{"role": "model", "parts": [{"text": "an answer"}]},
				{"role": "user", "parts": [{"text": "1\n00:00:01,000 <i>Hello & goodbye</i>"}, {"text": "Second part"}]}],
			"systemInstruction": {"parts": [{"text": "Translate."}]}}`, "x-goog-api-key", key1)
		require.Equal(t, 200, r.status, r.body)
		assert.Equal(t, "application/json; charset=UTF-8", r.header.Get("Content-Type"))
		var got wire.GenerateResponse
		r.decode(t, &got)
		require.Len(t, got.Candidates, 1)
		text := *got.Candidates[0].Content.Parts[0].Text
		assert.Equal(t, "1\n00:00:01,000 <i>Hello & goodbye</i>\nSecond part", untranslate(text), "the last user turn")
		assert.Equal(t, "model", got.Candidates[0].Content.Role)
		assert.Equal(t, "STOP", got.Candidates[0].FinishReason)
		assert.Equal(t, flash, got.ModelVersion)
		assert.NotEmpty(t, got.ResponseID)
		u := got.UsageMetadata
		assert.Equal(t, tokeniser.Count(text), u.CandidatesTokenCount)
		assert.Equal(t, u.PromptTokenCount+u.CandidatesTokenCount, u.TotalTokenCount)
		assert.Equal(t, s.Log()[0].Tokens, u.PromptTokenCount)
	}
	// A turn without text is still answered.
	r := post(t, s, "models/"+flash+":generateContent", `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}]}`)
	assert.Contains(t, r.body, Translate("no text"))
}

func TestMaxOutputTokens(t *testing.T) {
	s, _ := newSim(Config{MaxOutputTokens: 5})
	for _, tc := range []struct {
		config string
		want   int64
		finish string
	}{
		{`{"maxOutputTokens":3}`, 3, "MAX_TOKENS"},
		{`{"max_output_tokens":4}`, 4, "MAX_TOKENS"},
		{`{"maxOutputTokens":100}`, 5, "MAX_TOKENS"}, // the server's own bound
		{`{}`, 5, "MAX_TOKENS"},
	} {
		r := post(t, s, "models/"+flash+":generateContent",
			`{"contents":[{"parts":[{"text":"`+words(9)+`"}]}],"generationConfig":`+tc.config+`}`)
		var got wire.GenerateResponse
		r.decode(t, &got)
		assert.Equal(t, tc.want, got.UsageMetadata.CandidatesTokenCount, tc.config)
		assert.Equal(t, tc.finish, got.Candidates[0].FinishReason, tc.config)
		assert.Equal(t, Translate(words(int(tc.want))), *got.Candidates[0].Content.Parts[0].Text)
	}
	r := ask(t, s, key1, flash, 5)
	assert.Contains(t, r.body, `"finishReason":"STOP"`, "exactly as long as allowed is not cut")
}

// TestCountTokensEndpoint: both forms agree with what a generate call is
// charged, and neither costs quota.
func TestCountTokensEndpoint(t *testing.T) {
	s, _ := newSim(Config{Limits: map[string]Limits{flash: {RPM: 1, TPM: -1, RPD: 1}}})
	const rest = `"systemInstruction":{"parts":[{"text":"Be brief."}]},"tools":[{"functionDeclarations":[{"name":"f"}]}]`
	contents := `"contents":[{"parts":[{"text":"` + words(40) + `"}]}]`
	total := func(body string) int64 {
		r := post(t, s, "models/gemini-flash-latest:countTokens", body)
		require.Equal(t, 200, r.status, r.body)
		var got wire.CountResponse
		r.decode(t, &got)
		return got.TotalTokens
	}
	assert.EqualValues(t, 40, total(`{`+contents+`}`))
	full := total(`{"generateContentRequest":{"model":"models/` + flash + `",` + contents + `,` + rest + `}}`)
	assert.Equal(t, full, total(`{"generate_content_request":{`+contents+`,`+rest+`}}`))
	require.Equal(t, 200, post(t, s, "models/"+flash+":generateContent", `{`+contents+`,`+rest+`}`).status)
	assert.Equal(t, full, s.Log()[0].Tokens)
	assert.Greater(t, total(prompt(strings.Repeat("!", models.InputTokenLimit+1))), int64(models.InputTokenLimit),
		"counting isn't bounded by the context window")
	assert.EqualValues(t, 4, s.Stats().Counted)
}

// events splits a stream of server-sent events.
func events(t *testing.T, body string) (list []string) {
	t.Helper()
	body = strings.ReplaceAll(body, "\r\n", "\n")
	require.True(t, strings.HasSuffix(body, "\n\n"), "the last event is complete")
	for event := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		data, ok := strings.CutPrefix(event, "data: ")
		require.True(t, ok, event)
		list = append(list, data)
	}
	return list
}

// TestStream: both forms carry the same answer, with usageMetadata in every
// event and the finish reason in the last.
func TestStream(t *testing.T) {
	text := strings.Repeat("Die Würde des Menschen ist unantastbar. 人間の尊厳 ", 40)
	check := func(t *testing.T, list []json.RawMessage) {
		require.Greater(t, len(list), 3)
		var whole strings.Builder
		var before int64
		for i, raw := range list {
			var got wire.GenerateResponse
			require.NoError(t, json.Unmarshal(raw, &got))
			whole.WriteString(*got.Candidates[0].Content.Parts[0].Text)
			u := got.UsageMetadata
			assert.Equal(t, tokeniser.Count(text), u.PromptTokenCount)
			assert.Greater(t, u.CandidatesTokenCount, before)
			before = u.CandidatesTokenCount
			want := ""
			if i == len(list)-1 {
				want = "STOP"
				assert.Equal(t, tokeniser.Count(whole.String()), u.CandidatesTokenCount)
			}
			assert.Equal(t, want, got.Candidates[0].FinishReason)
		}
		assert.Equal(t, text, untranslate(whole.String()))
	}
	s, _ := newSim(Config{})
	t.Run("events", func(t *testing.T) {
		r := post(t, s, "models/"+flash+":streamGenerateContent?alt=sse", prompt(text))
		require.Equal(t, 200, r.status)
		assert.Equal(t, "text/event-stream", r.header.Get("Content-Type"))
		var list []json.RawMessage
		for _, e := range events(t, r.body) {
			list = append(list, json.RawMessage(e))
		}
		check(t, list)
	})
	t.Run("array", func(t *testing.T) {
		r := post(t, s, "models/"+flash+":streamGenerateContent", prompt(text))
		require.Equal(t, 200, r.status)
		var list []json.RawMessage
		r.decode(t, &list)
		check(t, list)
	})
	t.Run("errors", func(t *testing.T) {
		s.SetNoQuota("", flash)
		r := post(t, s, "models/"+flash+":streamGenerateContent?alt=sse", prompt(text))
		require.NotEmpty(t, parseRefusal(t, r).violations, "before the stream starts: a plain 429")
		r = post(t, s, "models/"+flash+":streamGenerateContent", prompt(text))
		var list []wireError
		r.decode(t, &list)
		require.Equal(t, 429, list[0].Error.Code)
	})
	t.Run("broken", func(t *testing.T) {
		s.SetLimits("", flash, Limits{RPM: -1, TPM: -1, RPD: -1})
		s.FailNext(2, faults.StreamBroken429)
		r := post(t, s, "models/"+flash+":streamGenerateContent?alt=sse", prompt(text))
		require.Equal(t, 200, r.status, "it breaks after HTTP 200")
		list := events(t, r.body)
		require.Len(t, list, 2)
		var e wireError
		require.NoError(t, json.Unmarshal([]byte(list[1]), &e))
		assert.Equal(t, 429, e.Error.Code)
		r = post(t, s, "models/"+flash+":streamGenerateContent", prompt(text))
		var array []json.RawMessage
		r.decode(t, &array)
		require.Len(t, array, 2)
	})
}

func TestFunctionCall(t *testing.T) {
	s, _ := newSim(Config{})
	body := func(text string) string {
		return `{"contents":[{"parts":[{"text":"` + text + `"}]}],"tools":[{"functionDeclarations":[{"name":"get_weather","parameters":{
			"type":"OBJECT","properties":{"city":{"type":"STRING"},"days":{"type":"INTEGER"},"unit":{"type":"STRING","enum":["C","F"]},
			"wind":{"type":"BOOLEAN"},"tags":{"type":"ARRAY"},"area":{"type":["object","null"]}}}}]}]}`
	}
	r := post(t, s, "models/"+flash+":generateContent", body("please call get_weather"))
	var got wire.GenerateResponse
	r.decode(t, &got)
	call := got.Candidates[0].Content.Parts[0].FunctionCall
	require.NotNil(t, call, r.body)
	assert.Equal(t, "get_weather", call.Name)
	assert.Equal(t, map[string]any{"city": "city", "days": 1.0, "unit": "C", "wind": true, "tags": []any{}, "area": map[string]any{}}, call.Args)

	r = post(t, s, "models/"+flash+":streamGenerateContent?alt=sse", body("please call get_weather"))
	require.Len(t, events(t, r.body), 1, "a call comes in one piece")
	r = post(t, s, "models/"+flash+":generateContent", body("what is the weather"))
	assert.NotContains(t, r.body, "functionCall")
	r = post(t, s, "models/"+flash+":generateContent", prompt("please call get_weather"))
	assert.NotContains(t, r.body, "functionCall", "not declared")

	// The turn after the call is answered with text.
	r = post(t, s, "models/"+flash+":generateContent", `{"contents":[{"parts":[{"text":"call f"}]},
		{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},
		{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"sunny"}}}]}],
		"tools":[{"function_declarations":[{"name":"f"}]}]}`)
	assert.Contains(t, r.body, Translate("sunny"))
}

// TestPolicyQuestion: the service knows the asking project's limits.
func TestPolicyQuestion(t *testing.T) {
	s, _ := newSim(Config{})
	s.SetLimits("alpha", "gemini-2.5-pro", Limits{RPM: 2, TPM: 500_000, RPD: -1})
	const fields = "requests_per_day tokens_per_minute requests_per_minute"
	ask := func(text, config string) string {
		r := post(t, s, "models/"+flash+":generateContent",
			`{"contents":[{"parts":[{"text":"`+text+`"}]}],"generationConfig":`+config+`}`)
		var got wire.GenerateResponse
		r.decode(t, &got)
		return *got.Candidates[0].Content.Parts[0].Text
	}
	const want = `{"pro":{"requests_per_day":2147483647,"tokens_per_minute":500000,"requests_per_minute":2},
		"flash":{"requests_per_day":250,"tokens_per_minute":250000,"requests_per_minute":10},
		"flash_lite":{"requests_per_day":1000,"tokens_per_minute":250000,"requests_per_minute":15},
		"token_cooldown_seconds":120,"daily_reset_time_pt":"00:00"}`
	assert.JSONEq(t, want, ask("You are a data provider. "+fields, `{}`), "gemini-flux's prompt")
	assert.JSONEq(t, want, ask(fields, `{"responseMimeType":"application/json"}`))
	assert.JSONEq(t, want, ask("Your limits?", `{"response_mime_type":"application/json","responseSchema":{"properties":{
		"requests_per_day":{},"tokens_per_minute":{},"requests_per_minute":{}}}}`))
	assert.Equal(t, Translate(fields), ask(fields, `{}`), "a text to translate that happens to contain the words")
	assert.JSONEq(t, `{"text":"`+Translate("hello")+`"}`, ask("hello", `{"responseMimeType":"application/json"}`))
}

// TestModels: the list pages, and has models that can't generate text for
// discovery to leave out.
func TestModels(t *testing.T) {
	s, _ := newSim(Config{Limits: map[string]Limits{"gemini-9-flash": {RPM: 1, TPM: 1, RPD: 1}, "text-embedding-9": {RPM: 1, TPM: 1, RPD: 1}}})
	type page struct {
		Models        []models.Info
		NextPageToken string
	}
	get := func(query string) (p page) {
		r := do(t, s, "GET", "/v1beta/models"+query, "", "x-goog-api-key", key1)
		require.Equal(t, 200, r.status, r.body)
		r.decode(t, &p)
		return p
	}
	all := get("")
	assert.Empty(t, all.NextPageToken)
	assert.Empty(t, get("?pageSize=1000").NextPageToken)
	methods := map[string][]string{}
	for _, m := range all.Models {
		methods[m.Name] = m.SupportedGenerationMethods
	}
	for name := range quota.DefaultLimits() {
		assert.Contains(t, methods, "models/"+name)
	}
	assert.Contains(t, methods["models/gemini-flash-latest"], "generateContent")
	assert.Contains(t, methods["models/gemini-9-flash"], "generateContent")
	for _, name := range []string{"gemini-embedding-001", "text-embedding-9", "imagen-4.0-generate-001"} {
		assert.NotContains(t, methods["models/"+name], "generateContent")
	}
	assert.Contains(t, methods, "models/gemini-2.5-flash-preview-tts")
	assert.Contains(t, methods, "models/gemini-2.5-flash-image")

	var paged []models.Info
	for query := "?pageSize=4"; ; {
		p := get(query)
		require.LessOrEqual(t, len(p.Models), 4)
		paged = append(paged, p.Models...)
		if p.NextPageToken == "" {
			break
		}
		query = "?pageSize=4&pageToken=" + p.NextPageToken
	}
	assert.Equal(t, all.Models, paged)
	for _, query := range []string{"?pageToken=%21", "?pageToken=OTk5", "?pageSize=-1", "?pageSize=x"} {
		assert.Equal(t, 400, do(t, s, "GET", "/v1beta/models"+query, "", "x-goog-api-key", key1).status, query)
	}

	r := do(t, s, "GET", "/v1beta/models/"+flash, "", "x-goog-api-key", key1)
	var m models.Info
	r.decode(t, &m)
	i := slices.IndexFunc(all.Models, func(m models.Info) bool { return m.Name == "models/"+flash })
	assert.Equal(t, all.Models[i], m)
	assert.EqualValues(t, 1048576, m.InputTokenLimit)
	assert.Equal(t, 404, do(t, s, "GET", "/v1beta/models/X", "", "x-goog-api-key", key1).status)
}

// TestEmbeddings: quota is charged per text, not per HTTP call.
func TestEmbeddings(t *testing.T) {
	const model = "gemini-embedding-001"
	s, _ := newSim(Config{Limits: map[string]Limits{model: {RPM: 5, TPM: 100, RPD: -1}}})
	batch := func(texts ...string) reply {
		var reqs []string
		for _, text := range texts {
			reqs = append(reqs, fmt.Sprintf(`{"model":"models/%s","content":{"parts":[{"text":%q}]},"outputDimensionality":4}`, model, text))
		}
		return post(t, s, "models/"+model+":batchEmbedContents", `{"requests":[`+strings.Join(reqs, ",")+`]}`)
	}
	var single struct{ Embedding answers.Embedding }
	post(t, s, "models/"+model+":embedContent", `{"content":{"parts":[{"text":"one"}]},"output_dimensionality":4}`).decode(t, &single)
	require.Len(t, single.Embedding.Values, 4)

	var many struct{ Embeddings []answers.Embedding }
	batch("one", "two", "one").decode(t, &many)
	require.Len(t, many.Embeddings, 3)
	assert.Equal(t, single.Embedding, many.Embeddings[0])
	assert.Equal(t, many.Embeddings[0], many.Embeddings[2])
	assert.NotEqual(t, many.Embeddings[0], many.Embeddings[1])

	got := parseRefusal(t, batch("one", "two"))
	assert.Equal(t, []string{"EmbedContentRequestsPerMinutePerProjectPerModel-FreeTier"}, got.ids(), "1 + 3 of 5 are used")
	assert.Equal(t, "generativelanguage.googleapis.com/embed_content_free_tier_requests", got.violations[0].Metric)
	assert.Equal(t, "5", *got.violations[0].Value)
	assert.Equal(t, 200, batch("five").status)
	requests, tokens := s.Peak("alpha", model)
	assert.EqualValues(t, 5, requests)
	assert.EqualValues(t, 5, tokens)

	s.SetLimits("", model, Limits{RPM: 2, TPM: -1, RPD: -1})
	assert.Equal(t, 429, do(t, s, "POST", "/v1beta/models/"+model+":batchEmbedContents",
		`{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}},{"content":{"parts":[{"text":"c"}]}}]}`,
		"x-goog-api-key", key2).status, "a batch above RPM never fits, even an empty window")
	s.SetLimits("", model, Limits{RPM: -1, TPM: -1, RPD: 7})
	assert.Equal(t, 200, batch("six").status)
	got = parseRefusal(t, batch("seven", "eight"))
	assert.Equal(t, []string{"EmbedContentRequestsPerDayPerProjectPerModel-FreeTier"}, got.ids(), "the day is charged per text too")
	assert.Equal(t, 200, batch("seven").status)
	assert.Equal(t, 400, batch().status)
	assert.Equal(t, 400, batch(make([]string, maxBatch+1)...).status)
	x := "x"
	assert.Len(t, answers.Embed(&wire.EmbedRequest{Content: wire.Content{Parts: []wire.Part{{Text: &x}}}}).Values, 3072)
}

func TestUnsupportedHTTPMethod(t *testing.T) {
	s, _ := newSim(Config{})
	for _, path := range []string{"/v1beta/models", "/v1beta/openai/models", "/v1beta/models/" + flash} {
		assert.Equal(t, http.StatusNotFound, do(t, s, "DELETE", path, "", "x-goog-api-key", key1).status, path)
	}
}
