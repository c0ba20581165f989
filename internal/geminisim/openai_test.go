package geminisim

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/openai"
)

func openAI(t *testing.T, s *Server, method, path, body string) reply {
	t.Helper()
	return do(t, s, method, "/v1beta/openai/"+path, body, "Authorization", "Bearer "+key1)
}

func TestChat(t *testing.T) {
	s, _ := newSim(Config{})
	r := openAI(t, s, "POST", "chat/completions", `{"model":"gemini-flash-latest","max_tokens":50,"messages":[
		{"role":"system","content":"Translate."},
		{"role":"user","content":"an earlier turn"},
		{"role":"assistant","content":"an answer"},
		{"role":"user","content":[{"type":"text","text":"Good morning"},{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]}]}`)
	require.Equal(t, 200, r.status, r.body)
	var got openai.ChatResponse
	r.decode(t, &got)
	assert.Equal(t, "chat.completion", got.Object)
	assert.Equal(t, flash, got.Model)
	assert.Equal(t, noon.Unix(), got.Created)
	assert.Equal(t, Translate("Good morning"), *got.Choices[0].Message.Content)
	assert.Equal(t, "stop", *got.Choices[0].FinishReason)
	assert.Equal(t, s.Log()[0].Tokens, got.Usage.PromptTokens)
	assert.Greater(t, got.Usage.PromptTokens, int64(258), "the image counts")
	assert.Equal(t, got.Usage.PromptTokens+got.Usage.CompletionTokens, got.Usage.TotalTokens)

	r = openAI(t, s, "POST", "chat/completions", `{"model":"models/`+flash+`","max_completion_tokens":1,"messages":[{"role":"user","content":"one two"}]}`)
	assert.Contains(t, r.body, `"finish_reason":"length"`)
	r = openAI(t, s, "POST", "chat/completions", `{"model":"`+flash+`","response_format":{"type":"json_object"},"messages":[{"role":"user","content":"one"}]}`)
	assert.Contains(t, r.body, `{\"text\":`)
}

func TestChatStream(t *testing.T) {
	s, _ := newSim(Config{})
	body := func(options string) string {
		return `{"model":"` + flash + `","stream":true` + options + `,"messages":[{"role":"user","content":"` + words(100) + `"}]}`
	}
	for _, withUsage := range []bool{false, true} {
		options := ""
		if withUsage {
			options = `,"stream_options":{"include_usage":true}`
		}
		r := openAI(t, s, "POST", "chat/completions", body(options))
		require.Equal(t, 200, r.status)
		list := events(t, r.body)
		require.Equal(t, "[DONE]", list[len(list)-1])
		var whole strings.Builder
		var usage *openai.ChatUsage
		var finish []string
		for _, e := range list[:len(list)-1] {
			var chunk openai.ChatResponse
			require.NoError(t, json.Unmarshal([]byte(e), &chunk))
			assert.Equal(t, "chat.completion.chunk", chunk.Object)
			for _, c := range chunk.Choices {
				whole.WriteString(*c.Delta.Content)
				if c.FinishReason != nil {
					finish = append(finish, *c.FinishReason)
				}
			}
			if chunk.Usage != nil {
				usage = chunk.Usage
				assert.Empty(t, chunk.Choices)
			}
		}
		assert.Equal(t, words(100), untranslate(whole.String()))
		assert.Equal(t, []string{"stop"}, finish)
		if withUsage {
			assert.Equal(t, &openai.ChatUsage{PromptTokens: 100, CompletionTokens: 100, TotalTokens: 200}, usage)
		} else {
			assert.Nil(t, usage)
		}
	}
	s.FailNext(1, faults.StreamBroken429)
	list := events(t, openAI(t, s, "POST", "chat/completions", body("")).body)
	require.Len(t, list, 2)
	assert.True(t, strings.HasPrefix(list[1], `[{"error":`), list[1])
}

func TestChatTools(t *testing.T) {
	s, _ := newSim(Config{})
	const tools = `"tools":[{"type":"function","function":{"name":"lookup","parameters":{"type":"object","properties":{"q":{"type":"string"}}}}}]`
	r := openAI(t, s, "POST", "chat/completions", `{"model":"`+flash+`",`+tools+`,"messages":[{"role":"user","content":"call lookup"}]}`)
	var got openai.ChatResponse
	r.decode(t, &got)
	require.Len(t, got.Choices[0].Message.ToolCalls, 1, r.body)
	call := got.Choices[0].Message.ToolCalls[0]
	assert.Equal(t, "lookup", call.Function.Name)
	assert.JSONEq(t, `{"q":"q"}`, call.Function.Arguments)
	assert.Equal(t, "tool_calls", *got.Choices[0].FinishReason)

	back, err := json.Marshal(got.Choices[0].Message)
	require.NoError(t, err)
	r = openAI(t, s, "POST", "chat/completions", `{"model":"`+flash+`",`+tools+`,"messages":[{"role":"user","content":"call lookup"},`+
		string(back)+`,{"role":"tool","tool_call_id":"`+call.ID+`","content":"found"}]}`)
	assert.Contains(t, r.body, Translate("found"))
}

// TestOpenAIErrors: as an array, each with the error of the native routes.
func TestOpenAIErrors(t *testing.T) {
	s, _ := newSim(Config{Limits: map[string]Limits{flash: {RPM: 0, TPM: -1, RPD: -1}}})
	user := `"messages":[{"role":"user","content":"x"}]`
	for _, tc := range []struct {
		name, body string
		status     int
	}{
		{"no quota", `{"model":"` + flash + `",` + user + `}`, 429},
		{"unknown model", `{"model":"X",` + user + `}`, 404},
		{"no messages", `{"model":"` + flash + `"}`, 400},
		{"bad role", `{"model":"` + flash + `","messages":[{"role":"boss","content":"x"}]}`, 400},
		{"bad content", `{"model":"` + flash + `","messages":[{"role":"user","content":7}]}`, 400},
		{"no content", `{"model":"` + flash + `","messages":[{"role":"user"}]}`, 400},
		{"remote image", `{"model":"` + flash + `","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com"}}]}]}`, 400},
	} {
		r := openAI(t, s, "POST", "chat/completions", tc.body)
		assert.Equal(t, tc.status, r.status, tc.name)
		var list []wireError
		r.decode(t, &list)
		require.Len(t, list, 1, tc.name)
		assert.Equal(t, tc.status, list[0].Error.Code, tc.name)
	}
	assert.Equal(t, 404, openAI(t, s, "GET", "models/X", "").status)
}

func TestOpenAIEmbeddings(t *testing.T) {
	s, _ := newSim(Config{})
	type response struct {
		Data []struct {
			Index     int
			Embedding json.RawMessage
		}
	}
	get := func(body string) (out response) {
		r := openAI(t, s, "POST", "embeddings", body)
		require.Equal(t, 200, r.status, r.body)
		r.decode(t, &out)
		return out
	}
	const head = `{"model":"gemini-embedding-001","dimensions":8,`
	var single []float32
	one := get(head + `"input":"one"}`)
	require.NoError(t, json.Unmarshal(one.Data[0].Embedding, &single))
	require.Len(t, single, 8)

	// What OpenAI's own SDKs ask for by default.
	both := get(head + `"input":["two","one"],"encoding_format":"base64"}`)
	require.Len(t, both.Data, 2)
	var text string
	require.NoError(t, json.Unmarshal(both.Data[1].Embedding, &text))
	raw, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	require.Len(t, raw, 32)
	assert.Equal(t, single[0], math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	assert.EqualValues(t, 2, s.Log()[1].Charged)
	assert.Equal(t, 400, openAI(t, s, "POST", "embeddings", head+`"input":7}`).status)
}

// TestOpenAIEmbeddingsArePerText: an array is as many requests as it has texts,
// against RPM and RPD alike.
func TestOpenAIEmbeddingsArePerText(t *testing.T) {
	s, _ := newSim(Config{Limits: map[string]Limits{"gemini-embedding-001": {RPM: 5, TPM: -1, RPD: 5}}})
	embed := func(n int) reply {
		return openAI(t, s, "POST", "embeddings", `{"model":"gemini-embedding-001","dimensions":8,"input":["x"`+strings.Repeat(`,"x"`, n-1)+`]}`)
	}
	r := embed(3)
	require.Equal(t, 200, r.status, r.body)
	assert.Equal(t, 3, strings.Count(r.body, `"index"`))
	assert.Contains(t, r.body, `"prompt_tokens":3`)
	r = embed(3)
	assert.Equal(t, 429, r.status)
	assert.Contains(t, r.body, "EmbedContentRequestsPerMinutePerProjectPerModel")
	assert.Contains(t, r.body, "EmbedContentRequestsPerDayPerProjectPerModel")
	assert.Equal(t, 200, embed(2).status)
	requests, tokens := s.Peak("alpha", "gemini-embedding-001")
	assert.EqualValues(t, 5, requests)
	assert.EqualValues(t, 5, tokens)
}

func TestOpenAIModels(t *testing.T) {
	s, _ := newSim(Config{})
	var list struct{ Data []openai.ModelInfo }
	openAI(t, s, "GET", "models", "").decode(t, &list)
	assert.Len(t, list.Data, len(s.models.Listed()))
	var one openai.ModelInfo
	openAI(t, s, "GET", "models/"+flash, "").decode(t, &one)
	assert.Contains(t, list.Data, one)
	openAI(t, s, "GET", "models/models/"+flash, "").decode(t, &one)
	assert.Equal(t, "models/"+flash, one.ID)
}
