package geminisim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/caches"
	"fluxgate.dev/fluxgate/internal/geminisim/models"
)

// newCache makes a cached content of key1's project, of n tokens.
func newCache(t *testing.T, s *Server, n int, more string) caches.View {
	t.Helper()
	r := post(t, s, "cachedContents", `{"model":"models/`+flash+`","contents":[{"role":"user","parts":[{"text":"`+words(n)+`"}]}]`+more+`}`)
	require.Equal(t, 200, r.status, r.body)
	var got caches.View
	r.decode(t, &got)
	return got
}

func TestCachedContents(t *testing.T) {
	s, clock := newSim(Config{})
	k := newCache(t, s, 1100, `,"displayName":"A name","systemInstruction":{"parts":[{"text":"word"}]},"ttl":"300s"`)
	assert.Regexp(t, `^cachedContents/[a-z0-9]{24}$`, k.Name)
	assert.Equal(t, caches.View{Name: k.Name, Model: "models/" + flash, DisplayName: "A name", CreateTime: "2026-06-10T19:00:00Z",
		UpdateTime: "2026-06-10T19:00:00Z", ExpireTime: "2026-06-10T19:05:00Z", UsageMetadata: caches.Usage{TotalTokenCount: 1101}}, k)
	get := func(key, method, body string) reply {
		return do(t, s, method, "/v1beta/"+k.Name, body, "x-goog-api-key", key)
	}
	var same caches.View
	get(key1, "GET", "").decode(t, &same)
	assert.Equal(t, k, same)

	clock.add(time.Minute)
	get(key1, "PATCH", `{"ttl":"600s"}`).decode(t, &same)
	assert.Equal(t, "2026-06-10T19:11:00Z", same.ExpireTime)
	assert.Equal(t, "2026-06-10T19:01:00Z", same.UpdateTime)
	get(key1, "PATCH", `{"expire_time":"2026-06-10T21:20:00+02:00"}`).decode(t, &same)
	assert.Equal(t, "2026-06-10T19:20:00Z", same.ExpireTime, "written in UTC")
	for _, body := range []string{`{}`, `{"ttl":"5m"}`, `{"ttl":"x"}`, `{"ttl":"-1s"}`, `{"ttl":"NaNs"}`, `{"ttl":5}`, `{"expireTime":"noon"}`,
		`{"expireTime":"2026-06-10T19:00:00Z"}`, `{"ttl":"1s","expireTime":"2026-06-10T20:00:00Z"}`} {
		assert.Equal(t, 400, get(key1, "PATCH", body).status, body)
	}

	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		r := get(key2, method, `{"ttl":"1s"}`)
		assert.Equal(t, 403, r.status, method)
		assert.JSONEq(t, `{"error":{"code":403,"message":"CachedContent not found (or permission denied)","status":"PERMISSION_DENIED"}}`, r.body)
	}
	other := newCache(t, s, 1100, "")
	assert.Equal(t, "2026-06-10T20:01:00Z", other.ExpireTime, "an hour unless it says otherwise")
	var page struct {
		CachedContents []caches.View
		NextPageToken  string
	}
	do(t, s, "GET", "/v1beta/cachedContents?pageSize=1", "", "x-goog-api-key", key1).decode(t, &page)
	assert.Equal(t, []caches.View{other}, page.CachedContents)
	require.NotEmpty(t, page.NextPageToken)
	do(t, s, "GET", "/v1beta/cachedContents?pageToken="+page.NextPageToken, "", "x-goog-api-key", key1).decode(t, &page)
	assert.Equal(t, []caches.View{same}, page.CachedContents)
	assert.Equal(t, "{}\n", do(t, s, "GET", "/v1beta/cachedContents", "", "x-goog-api-key", key2).body)

	assert.Equal(t, "{}\n", get(key1, "DELETE", "").body)
	assert.Equal(t, 403, get(key1, "GET", "").status)
	clock.add(time.Hour)
	k = other
	assert.Equal(t, 403, get(key1, "GET", "").status, "expired")
}

func TestCachedContentsRefused(t *testing.T) {
	s, _ := newSim(Config{})
	contents := `"contents":[{"parts":[{"text":"` + words(1024) + `"}]}]`
	for _, tc := range []struct {
		name, body string
		status     int
		message    string
	}{
		{"no model", `{` + contents + `}`, 400, "model is not specified"},
		{"unknown model", `{"model":"models/x",` + contents + `}`, 404, "createCachedContent"},
		{"a model without caching", `{"model":"models/gemini-embedding-001",` + contents + `}`, 404, "createCachedContent"},
		{"too small", `{"model":"models/` + flash + `","contents":[{"parts":[{"text":"` + words(1023) + `"}]}]}`, 400,
			"Cached content is too small. total_token_count=1023, min_total_token_count=1024"},
		{"nothing", `{"model":"models/` + flash + `"}`, 400, "total_token_count=0"},
		{"too large", `{"model":"models/` + flash + `","contents":[{"parts":[{"text":"` + strings.Repeat("!", models.InputTokenLimit+1) + `"}]}]}`, 400, "exceeds the maximum"},
		{"someone's file", `{"model":"models/` + flash + `","contents":[{"parts":[{"fileData":{"fileUri":"files/x"}}]}]}`, 403, "the File x"},
		{"over before it began", `{"model":"models/` + flash + `","ttl":"0s",` + contents + `}`, 400, "ttl"},
		{"bad role", `{"model":"models/` + flash + `","contents":[{"role":"boss","parts":[{"text":"x"}]}]}`, 400, "valid role"},
		{"not JSON", `{`, 400, "Invalid JSON"},
	} {
		r := post(t, s, "cachedContents", tc.body)
		assert.Equal(t, tc.status, r.status, tc.name)
		assert.Contains(t, r.body, tc.message, tc.name)
	}
	// A system instruction alone is enough to cache.
	r := post(t, s, "cachedContents", `{"model":"models/`+flash+`","system_instruction":{"parts":[{"text":"`+words(1024)+`"}]}}`)
	assert.Equal(t, 200, r.status, r.body)
}

// TestCachedContentInAPrompt: its tokens are charged with the prompt's and told
// apart in the usage, in every form of the call.
func TestCachedContentInAPrompt(t *testing.T) {
	s, _ := newSim(Config{Limits: map[string]Limits{flash: {RPM: -1, TPM: -1, RPD: -1}}})
	k := newCache(t, s, 2000, `,"tools":[{"functionDeclarations":[{"name":"lookup"}]}]`)
	total := k.UsageMetadata.TotalTokenCount
	body := func(text, more string) string {
		return `{"cachedContent":"` + k.Name + `","contents":[{"parts":[{"text":"` + text + `"}]}]` + more + `}`
	}
	for _, method := range []string{"generateContent", "streamGenerateContent?alt=sse"} {
		r := post(t, s, "models/gemini-flash-latest:"+method, body(words(10), ""))
		require.Equal(t, 200, r.status, "an alias of the same model: "+r.body)
		assert.Contains(t, r.body, fmt.Sprintf(`"promptTokenCount":%d`, total+10))
		assert.Contains(t, r.body, fmt.Sprintf(`"cachedContentTokenCount":%d`, total))
		assert.Equal(t, total+10, s.Log()[0].Tokens, "cached tokens count against TPM")
	}
	r := post(t, s, "models/"+flash+":countTokens", `{"generateContentRequest":{"model":"models/`+flash+`",`+strings.TrimPrefix(body(words(10), ""), "{")+`}`)
	assert.JSONEq(t, fmt.Sprintf(`{"totalTokens":%d,"cachedContentTokenCount":%d,"promptTokensDetails":[{"modality":"TEXT","tokenCount":%[1]d}],
		"cacheTokensDetails":[{"modality":"TEXT","tokenCount":%[2]d}]}`, total+10, total), r.body)
	assert.Contains(t, post(t, s, "models/"+flash+":generateContent", body("call lookup", "")).body, "functionCall", "its tools are in force")
	r = openAI(t, s, "POST", "chat/completions", `{"model":"`+flash+`","messages":[{"role":"user","content":"`+words(10)+`"}],
		"extra_body":{"google":{"cached_content":"`+k.Name+`"}}}`)
	assert.Contains(t, r.body, fmt.Sprintf(`"prompt_tokens":%d`, total+10))
	assert.NotContains(t, post(t, s, "models/"+flash+":generateContent", prompt("x")).body, "cachedContentTokenCount")

	r = post(t, s, "models/gemini-2.5-pro:generateContent", body("x", ""))
	assert.Equal(t, 400, r.status)
	assert.Contains(t, r.body, "Model used by GenerateContent request (models/gemini-2.5-pro) and CachedContent (models/gemini-2.5-flash) has to be the same.")
	for _, more := range []string{`,"system_instruction":{"parts":[{"text":"x"}]}`, `,"tools":[{}]`, `,"toolConfig":{}`} {
		r = post(t, s, "models/"+flash+":generateContent", body("x", more))
		assert.Equal(t, 400, r.status, more)
		assert.Contains(t, r.body, "CachedContent can not be used with GenerateContent request setting")
	}
	r = do(t, s, "POST", "/v1beta/models/"+flash+":generateContent", body("x", ""), "x-goog-api-key", key2)
	assert.Equal(t, 403, r.status)
	assert.Contains(t, r.body, "CachedContent not found (or permission denied)")
}
