package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
)

const (
	embedder  = "gemini-embedding-001"
	unaryPath = "/v1beta/models/gemini-2.5-pro:generateContent"
)

// What a request is counted as is what is sent, whatever it consists of: the
// simulator refuses anything that was booked too small.
func TestWholeRequestsAreCounted(t *testing.T) {
	long := strings.Repeat("word ", 500)
	for name, body := range map[string]string{
		"text":         `{"contents":[{"parts":[{"text":"` + long + `"}]}]}`,
		"system":       `{"contents":[{"parts":[{"text":"Hi"}]}],"systemInstruction":{"parts":[{"text":"` + long + `"}]}}`,
		"snake case":   `{"contents":[{"parts":[{"text":"Hi"}]}],"system_instruction":{"parts":[{"text":"` + long + `"}]}}`,
		"tools":        `{"contents":[{"parts":[{"text":"Hi"}]}],"tools":[{"functionDeclarations":[{"name":"f","description":"` + long + `"}]}]}`,
		"media":        `{"contents":[{"parts":[{"text":"Hi"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}]}`,
		"OpenAI text":  `{"model":"gemini-2.5-pro","messages":[{"role":"system","content":"` + long + `"},{"role":"user","content":[{"type":"text","text":"Hi"}]}]}`,
		"OpenAI media": `{"model":"gemini-2.5-pro","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}`,
		"OpenAI tools": `{"model":"gemini-2.5-pro","messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f","description":"` + long + `"}}]}`,
		"OpenAI calls": `{"model":"gemini-2.5-pro","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":\"` + long + `\"}"}}]},{"role":"tool","tool_call_id":"1","content":"x"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{env: []string{"FLUXGATE_COUNT=exact"}})
				path := unaryPath
				if strings.HasPrefix(name, "OpenAI") {
					path = "/openai/v1/chat/completions"
				}
				a := w.do("POST", path, body)
				require.Equal(t, http.StatusOK, a.Code, a.Body.String())
				entry := w.sim.Log()[len(w.sim.Log())-1]
				booked := w.logs.number(t, "selected", "tokens")
				assert.GreaterOrEqual(t, booked, entry.Tokens)
				// The counts of the two formats differ by what frames messages.
				assert.LessOrEqual(t, booked, entry.Tokens+entry.Tokens/4+40)
				assert.EqualValues(t, entry.Tokens, w.status().Projects[0].Models[0].TPM.Used, "settled")
			})
		})
	}
}

// Quota for embeddings is charged per text, and limits are those of embeddings.
func TestEmbeddingsReserveARequestPerText(t *testing.T) {
	t.Parallel()
	texts := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`{"model":"models/%s","content":{"parts":[{"text":"%d"}]}}`, embedder, i)
		}
		return `{"requests":[` + strings.Join(list, ",") + `]}`
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{`FLUXGATE_LIMITS={"embedding":{"rpm":100}}`}, sim: func(c *geminisim.Config) {
			c.Limits[embedder] = geminisim.Limits{RPM: 100, TPM: 30_000, RPD: 1000}
		}})
		embed := func(path, body string) answer { return w.do("POST", path, body) }
		native := "/v1beta/models/" + embedder
		for _, a := range []answer{
			embed(native+":embedContent", `{"content":{"parts":[{"text":"one"}]}}`),
			embed(native+":batchEmbedContents", texts(60)),
			embed("/openai/v1/embeddings", `{"model":"`+embedder+`","input":"one text"}`),
			embed("/openai/v1/embeddings", `{"model":"`+embedder+`","input":["one","two","three"]}`),
		} {
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
			assert.Equal(t, embedder, a.Header().Get("X-Fluxgate-Model"))
		}
		assert.EqualValues(t, 1+60+1+3, w.used("alpha", embedder))
		assert.Equal(t, 61*time.Second, embed(native+":batchEmbedContents", texts(36)).wait(), "35 are left of 100")
		a := embed(native+":batchEmbedContents", texts(35))
		assert.Equal(t, http.StatusOK, a.Code, a.Body.String())
		assert.Zero(t, w.sim.Stats().Refused)
		embed(native+":batchEmbedContents", texts(101)).failed(http.StatusBadRequest)

		// Nothing stands in for an embedding model.
		for _, path := range []string{"/v1beta/models/auto:embedContent", "/v1beta/models/auto:batchEmbedContents"} {
			embed(path, texts(1)).failed(http.StatusBadRequest)
		}
		w.do("POST", native+":embedContent", `{"content":{}}`, "X-Fluxgate-Fallback", "chain").failed(http.StatusBadRequest)
		assert.Equal(t, http.StatusBadRequest, embed("/openai/v1/embeddings", `{"model":"auto","input":"x"}`).Code)
		for _, input := range []string{`""`, `[]`, `7`, `null`} {
			assert.Equal(t, http.StatusBadRequest, embed("/openai/v1/embeddings", `{"model":"`+embedder+`","input":`+input+`}`).Code, input)
		}
	})
}

// "auto" is the chain, a name is pinned unless the caller says otherwise, and
// the answer says what it was.
func TestAutoPinnedAndFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_LIMITS={\"gemini-2.5-pro\":{\"rpm\":5,\"tpm\":250000,\"rpd\":1}}"}})
		n := 0
		ask := func(model string, header ...string) answer {
			n++
			return w.do("POST", "/v1beta/models/"+model+":generateContent", fmt.Sprintf(`{"contents":[{"parts":[{"text":"%d"}]}]}`, n), header...)
		}
		served := func(a answer) string {
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
			assert.Equal(t, "1", a.Header().Get("X-Fluxgate-Key"))
			assert.Equal(t, "0.000", a.Header().Get("X-Fluxgate-Wait"))
			return a.Header().Get("X-Fluxgate-Model")
		}
		assert.Equal(t, pro, served(ask("auto")))
		assert.Equal(t, flash, served(ask("auto")), "pro's day is spent")
		a := ask(pro)
		assert.Greater(t, a.wait(), time.Minute, "pinned: it waits for tomorrow")
		assert.Equal(t, "false", a.Header().Get("X-Should-Retry"))
		assert.Contains(t, a.Body.String(), "PerDay")
		assert.Equal(t, flash, served(ask(pro, "X-Fluxgate-Fallback", "chain")))
		ask(pro, "X-Fluxgate-Fallback", "yes").failed(http.StatusBadRequest)

		// With max_wait 0 it is whichever model is free now.
		for range 8 {
			served(ask("auto"))
		}
		assert.Equal(t, "gemini-2.5-flash-lite", served(ask("auto", "X-Fluxgate-Max-Wait", "0")))
		for _, bad := range []string{"-1", "NaN", "Inf", "1e9", "soon"} {
			ask("auto", "X-Fluxgate-Max-Wait", bad).failed(http.StatusBadRequest)
		}
		// A wait that was served is told.
		body := `{"contents":[{"parts":[{"text":"comes back"}]}]}`
		wait := w.do("POST", "/v1beta/models/"+flash+":generateContent", body).wait()
		synctestSleep(wait)
		a = w.do("POST", "/v1beta/models/"+flash+":generateContent", body)
		require.Equal(t, http.StatusOK, a.Code)
		assert.Equal(t, fmt.Sprintf("%.3f", wait.Seconds()), a.Header().Get("X-Fluxgate-Wait"))

		// The same, and the mode, for OpenAI's.
		w.do("POST", "/config", `{"mode":"flash_lite_only"}`)
		a = w.do("POST", "/openai/v1/chat/completions", strings.ReplaceAll(chat, pro, "auto"))
		assert.Equal(t, "gemini-2.5-flash-lite", served(a))
	})
}

// Models are those of upstream, and "auto" before them.
func TestAutoIsListed(t *testing.T) {
	w := newWorld(t, setup{})
	var list struct {
		Models []struct {
			Name string `json:"name"`
		} `json:"models"`
		Next string `json:"nextPageToken"`
	}
	require.NoError(t, json.Unmarshal(w.do("GET", "/v1beta/models?pageSize=2", "").Body.Bytes(), &list))
	require.NotEmpty(t, list.Models)
	assert.Equal(t, "models/auto", list.Models[0].Name)
	assert.Len(t, list.Models, 3)
	require.NotEmpty(t, list.Next)
	second := w.do("GET", "/v1beta/models?pageSize=2&pageToken="+list.Next, "").Body.String()
	assert.NotContains(t, second, "models/auto", "on the first page only")
	assert.Contains(t, w.do("GET", "/v1beta/models/auto", "").Body.String(), `"name":"models/auto"`)
	assert.Contains(t, w.do("GET", "/v1beta/models/"+pro, "").Body.String(), "models/"+pro)
	assert.Equal(t, http.StatusOK, w.do("HEAD", "/v1beta/models/"+pro, "").Code)
	w.do("GET", "/v1beta/models/nothing-like-it", "").failed(http.StatusNotFound)
	for _, base := range []string{"/openai/v1", "/v1beta/openai"} {
		var list struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		require.NoError(t, json.Unmarshal(w.do("GET", base+"/models", "").Body.Bytes(), &list))
		assert.Equal(t, "auto", list.Data[0].ID)
		assert.Greater(t, len(list.Data), 3)
		assert.Contains(t, w.do("GET", base+"/models/auto", "").Body.String(), `"id":"auto"`)
		assert.Contains(t, w.do("GET", base+"/models/models/"+pro, "").Body.String(), pro)
	}
	assert.Zero(t, w.sim.Stats().Accepted, "none of it costs anything")
}

// Every route answers errors in the shape that its clients read.
func TestErrorsAreInTheClientsFormat(t *testing.T) {
	type openAI struct {
		Error struct {
			Message string           `json:"message"`
			Type    string           `json:"type"`
			Code    *string          `json:"code"`
			Status  string           `json:"status"`
			Details []map[string]any `json:"details"`
		} `json:"error"`
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro, "FLUXGATE_MAX_BODY=1KiB", "FLUXGATE_COUNT=estimate"}})
		big := strings.Repeat("x", 2000)
		for _, c := range []struct {
			method, path, body string
			status             int
			kind               string
		}{
			{"GET", "/v1beta/openai/nothing", "", 404, "invalid_request_error"},
			{"POST", "/openai/v1/images/generations", "{}", 400, "invalid_request_error"},
			{"POST", "/openai/v1/things/jobs", "{}", 404, "invalid_request_error"},
			{"POST", "/openai/v1/fine_tuning/jobs", "{}", 501, "server_error"},
			{"GET", "/openai/v1/chat/completions", "", 501, "server_error"},
			{"POST", "/openai/v1/chat/completions", `{"model":"no-such-model","messages":[{"role":"user","content":"x"}]}`, 404, "invalid_request_error"},
			{"GET", "/openai/v1/embeddings", "", 405, "invalid_request_error"},
			{"POST", "/openai/v1/chat/completions", big, 413, "invalid_request_error"},
			{"POST", "/openai/v1/chat/completions", `{`, 400, "invalid_request_error"},
			{"POST", "/openai/v1/chat/completions", `[]`, 400, "invalid_request_error"},
			{"POST", "/openai/v1/chat/completions", `{"model":"../x","messages":[{}]}`, 400, "invalid_request_error"},
			{"POST", "/openai/v1/chat/completions", `{"model":7,"messages":[{}]}`, 400, "invalid_request_error"},
			{"POST", "/openai/v1/chat/completions", `{"model":"auto","messages":[]}`, 400, "invalid_request_error"},
			{"POST", "/openai/v1/chat/completions", `{"model":"auto","messages":["x"]}`, 400, "invalid_request_error"},
			{"POST", "/openai/v1/chat/completions", `{"model":"auto","stream":"yes","messages":[{}]}`, 400, "invalid_request_error"},
		} {
			a := w.do(c.method, c.path, c.body)
			require.Equal(t, c.status, a.Code, "%s %s: %s", c.path, c.body, a.Body.String())
			var out openAI
			a.decode(&out)
			assert.Equal(t, c.kind, out.Error.Type)
			assert.NotEmpty(t, out.Error.Message)
		}
		for _, c := range []struct {
			method, path, body string
			status             int
		}{
			{"GET", "/v1beta/nothing", "", 404}, {"GET", unaryPath, "", 405}, {"DELETE", unaryPath, "", 405},
			{"POST", unaryPath, big, 413}, {"POST", unaryPath, `{`, 400}, {"POST", unaryPath, `[]`, 400}, {"POST", unaryPath, `{}{}`, 400},
			{"POST", "/v1beta/models/no-such-model:generateContent", hello, 404},
			{"POST", unaryPath, strings.Repeat(`{"a":`, 150) + `0` + strings.Repeat(`}`, 150), 400},
		} {
			w.do(c.method, c.path, c.body).failed(c.status)
		}

		for n := 0; ; n++ {
			require.Less(t, n, 10)
			a := w.do("POST", "/openai/v1/chat/completions", strings.ReplaceAll(chat, "hello", fmt.Sprint("hello ", n)))
			if a.Code == http.StatusOK {
				continue
			}
			require.Equal(t, http.StatusTooManyRequests, a.Code, a.Body.String())
			assert.Positive(t, a.wait())
			assert.NotEmpty(t, a.Header().Get("Retry-After-Ms"))
			assert.NotEmpty(t, a.ticket())
			var out openAI
			a.decode(&out)
			assert.Equal(t, "rate_limit_error", out.Error.Type)
			assert.Equal(t, "rate_limit_exceeded", *out.Error.Code)
			require.Len(t, out.Error.Details, 3)
			assert.Equal(t, "type.googleapis.com/google.rpc.RetryInfo", out.Error.Details[1]["@type"])
			break
		}
		w.sim.FailNext(-1, faults.Unavailable503)
		a := w.do("POST", "/openai/v1/chat/completions", strings.ReplaceAll(chat, pro, flash))
		require.Equal(t, http.StatusServiceUnavailable, a.Code)
		var out openAI
		a.decode(&out)
		assert.Equal(t, "server_error", out.Error.Type)
		assert.Equal(t, "UNAVAILABLE", out.Error.Status)
		assert.Contains(t, out.Error.Message, "high demand", "upstream's own words")
		w.sim.FailNext(1, faults.Unavailable503)
		w.do("POST", "/v1beta/models/"+flash+":generateContent", hello).failed(http.StatusServiceUnavailable)
	})
}

// Upstream's OpenAI-compatible endpoint sends errors as a list, which no client
// of OpenAI's understands.
func TestListedErrorsAreUnpacked(t *testing.T) {
	_, s := stubbed(func(h heard) *http.Response {
		return respond(http.StatusBadRequest, `[{"error":{"code":400,"message":"Unknown name \"x\".","status":"INVALID_ARGUMENT"}}]`)
	})
	w := newWorld(t, s)
	a := w.do("POST", "/openai/v1/chat/completions", chat)
	require.Equal(t, http.StatusBadRequest, a.Code)
	assert.JSONEq(t, `{"error":{"message":"Unknown name \"x\".","type":"invalid_request_error","param":null,"code":null,"status":"INVALID_ARGUMENT"}}`, a.Body.String())
}
