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
)

// lenientBodies are bodies that Google takes though they aren't JSON of the standard:
// but for the last in the shapes of its own REST samples, which also have single values
// where the API has lists.
var lenientBodies = []string{
	`{"contents":{"role":"user","parts":{"text":"hello there"}},"system_instruction":{"parts":{"text":"be brief"}}}`,
	"\n      {\n      'contents': {\n        'parts': [\n          {'text': 'hello\n there'},\n        ]\n      }, \"tools\": {\"function_declarations\": [], },\n}\n",
	"{\"contents\":[{\"parts\":[{\"text\": \"hello\"},]}], \"generation_config\": {\"temperature\": 0.9, \"stopSequences\": [ \"x\", ], }, \n}",
	`{"contents":[{"parts":[{"text":"hello there"}]},]}`,
	"{\"contents\":[{\"parts\":[{\"text\":\"hello\nthere\"}]}]}",
	`{'contents':[{'parts':[{'text':'hello there'}]}]}`,
	`{contents:[{"parts":[{"text":"it\'s"}]}],}`,
}

// What Google takes passes, byte for byte, however it is sent and sized.
func TestLenientBodiesPass(t *testing.T) {
	for _, count := range []string{"auto", "exact", "estimate"} {
		for _, body := range lenientBodies {
			for method, model := range map[string]string{"generateContent": "auto", "streamGenerateContent": pro, "countTokens": pro} {
				up, s := stubbed(nil)
				s.env = []string{"FLUXGATE_COUNT=" + count}
				w := newWorld(t, s)
				a := w.do("POST", "/v1beta/models/"+model+":"+method, body)
				require.Equal(t, http.StatusOK, a.Code, "%s: %s", body, a.Body.String())
				sent := up.requests(":" + method)
				require.NotEmpty(t, sent)
				assert.Equal(t, body, string(sent[len(sent)-1].body))
				if method == "generateContent" && count == "exact" {
					assert.EqualValues(t, w.sim.Log()[0].Tokens, w.logs.number(t, "selected", "tokens"), "counted as what it means")
				}
			}
		}
	}
}

// An embedding is sized and counted in whatever Google takes.
func TestLenientEmbeddingsPass(t *testing.T) {
	up, s := stubbed(nil)
	w := newWorld(t, s)
	const batch = `{'requests':[{'model':'models/gemini-embedding-001','content':{'parts':[{'text':'a'}]}},{'model':'models/gemini-embedding-001','content':{'parts':[{'text':'b'}]}},]}`
	a := w.do("POST", "/v1beta/models/"+embedder+":batchEmbedContents", batch)
	require.Equal(t, http.StatusOK, a.Code, a.Body.String())
	assert.Equal(t, batch, string(up.only(t, ":batchEmbedContents").body))
	assert.EqualValues(t, 2, w.used("alpha", embedder))
	// How many texts there are in these nobody knows: they count as the most that there may be.
	before := w.used("alpha", embedder)
	for body, most := range map[string]int64{`{"requests":[{},{},{}]`: 3, `{"requests":[]}`: 1, `hello`: 1} {
		w.do("POST", "/v1beta/models/"+embedder+":batchEmbedContents", body).failed(http.StatusBadRequest)
		before += most
		assert.EqualValues(t, before, w.used("alpha", embedder), body)
	}
	assert.Len(t, up.requests(":batchEmbedContents"), 4)
}

// On OpenAI's routes nothing but the model's name changes, however it is spelt; where
// it can't be found for sure nothing is sent.
func TestLenientChatsPass(t *testing.T) {
	for body, want := range map[string]string{
		`{"model":"auto","messages":[{"role":"user","content":"hi"},],}`: `{"model":"gemini-2.5-pro","messages":[{"role":"user","content":"hi"},],}`,
		"{'model':'auto','messages':[{'role':'user','content':'a\nb'}]}": "{'model':\"gemini-2.5-pro\",'messages':[{'role':'user','content':'a\nb'}]}",
		`{model:'gemini-2.5-pro',messages:[{role:"user",content:"hi"}]}`: `{model:'gemini-2.5-pro',messages:[{role:"user",content:"hi"}]}`,
	} {
		up, s := stubbed(nil)
		w := newWorld(t, s)
		a := w.do("POST", "/openai/v1/chat/completions", body)
		require.Equal(t, http.StatusOK, a.Code, a.Body.String())
		assert.Equal(t, want, string(up.only(t, "/chat/completions").body))
	}
	w := newWorld(t, setup{})
	for _, body := range []string{
		`{"model":"auto","messages":[{"role":"user","content":"hi"}]`, `{/*"model":"gemini-2.5-flash"*/"model":"auto","messages":[{}]}`,
		`{"model":"auto","\U006dodel":"gemini-2.5-flash","messages":[{}]}`,
	} {
		a := w.do("POST", "/openai/v1/chat/completions", body)
		assert.Equal(t, http.StatusBadRequest, a.Code, a.Body.String())
		assert.Contains(t, a.Body.String(), "body: ")
	}
	w.untouched()
}

// What is named in a body ties it to the project that owns it, in whatever notation:
// Google would read it there with the project's key.
func TestLenientBodiesGoWhereTheirFilesAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stickyWorld(t, "alpha", "beta", "gamma", "delta")
		f := w.upload("one")
		owner := w.ownerOf(f.Name)
		id := strings.TrimPrefix(f.Name, "files/")
		for i, spelling := range []string{
			`{'contents':[{'parts':[{'fileData':{'fileUri':'files/ID'}},{'text':'N'}]}]}`,
			`{contents:[{parts:[{"file_data":{"file_uri":"fi\les\/ID",}},{text:"N"}]}]}`,
			`{"contents":[{"parts":[{"fileData":{"fileUri":"files/ID","fileUri":"files/ID"}},{"text":"N"},]}],}`,
		} {
			for n, path := range []string{unaryPath, streamPath, "/v1beta/models/gemini-2.5-pro:countTokens"} {
				synctestSleep(2 * time.Minute) // there is only one project to go to
				body := strings.NewReplacer("ID", id, "N", fmt.Sprint(i, n)).Replace(spelling)
				a := w.do("POST", path, body)
				require.Equal(t, http.StatusOK, a.Code, "%s: %s", body, a.Body.String())
				log := w.sim.RequestLog()
				assert.Equal(t, owner, log[len(log)-1].Project)
			}
		}
		// A name in a place where Google doesn't look is one too many: that can't be told
		// apart here.
		w.do("POST", unaryPath, `{"contents":[{"parts":[{"text":"files/none"}]}],}`).failed(http.StatusNotFound)
		require.Equal(t, http.StatusOK, w.do("POST", unaryPath, `{"contents":[{"parts":[{"text":"files/none"}]}]}`).Code)
	})
}

// Nonsense is Google's to refuse, in its own words, where the path names the model: it counts as a
// request like any other, and nothing is learned by it. Where the body should name the model it
// can't be sent.
func TestNonsenseIsGooglesToRefuse(t *testing.T) {
	for body, words := range map[string]string{
		`{"contents":[}`: "Invalid JSON payload received", `{"contents":[{"parts":[{"text":"hi"}]}`: "Invalid JSON payload received",
		`{"contents":[{"parts":[{"text":"hi"}]}]} // done`: "Invalid JSON payload received", `{`: "Invalid JSON payload received",
		`hello`: "Invalid JSON payload received", `["x"]`: "Root element must be a message", `null`: "contents is not specified", `7`: "Root element must be a message", ``: "contents is not specified",
	} {
		up, s := stubbed(nil)
		w := newWorld(t, s)
		f := w.do("POST", unaryPath, body).failed(http.StatusBadRequest)
		assert.Contains(t, f.Message, words, body)
		assert.Equal(t, body, string(up.only(t, ":generateContent").body))
		assert.EqualValues(t, 1, w.used("alpha", pro), body)
		w.do("POST", "/v1beta/models/gemini-2.5-pro:countTokens", body).failed(http.StatusBadRequest)
		assert.Equal(t, body, string(up.only(t, ":countTokens").body))
		require.Equal(t, http.StatusOK, w.do("POST", unaryPath, hello).Code)
		before := len(up.requests(""))
		for _, path := range []string{"/openai/v1/chat/completions", "/openai/v1/embeddings", interactionsPath, "/generate"} {
			assert.Equal(t, http.StatusBadRequest, w.do("POST", path, body).Code, path)
		}
		assert.Len(t, up.requests(""), before)
	}
}

// Fluxgate's own routes take JSON of the standard.
func TestOwnRoutesStayStrict(t *testing.T) {
	w := newWorld(t, setup{})
	for _, path := range []string{"/generate", "/plan", "/config", "/reset"} {
		for _, body := range []string{`{"prompt":"x",}`, `{'prompt':'x'}`, "{\"prompt\":\"a\nb\"}"} {
			w.do("POST", path, body).failed(http.StatusBadRequest)
		}
	}
	w.untouched()
}

// Whatever type a caller gives to its JSON, upstream gets the one that Google wants.
// curl's own is that of forms.
func TestJSONGoesUpstreamAsJSON(t *testing.T) {
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-16", "application/x-protobuf", ""} {
		up, s := stubbed(nil)
		w := newWorld(t, s)
		var header []string
		if kind != "" {
			header = []string{"Content-Type", kind}
		}
		for _, c := range []struct{ method, path, body string }{
			{"POST", "/v1beta/models/auto:generateContent", hello},
			{"POST", "/v1beta/models/auto:generateContent", lenientBodies[2]},
			{"POST", "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", hello},
			{"POST", "/v1beta/models/gemini-2.5-flash:countTokens", hello},
			{"POST", "/v1beta/models/" + embedder + ":embedContent", `{"content":{"parts":[{"text":"x"}]}}`},
			{"POST", "/openai/v1/chat/completions", chat},
			{"POST", "/v1beta/cachedContents", `{"model":"models/gemini-2.5-flash","contents":[{"parts":[{"text":"` + strings.Repeat("word ", 5000) + `"}]}]}`},
		} {
			a := w.do(c.method, c.path, c.body, header...)
			require.Equal(t, http.StatusOK, a.Code, "%s %s: %s", kind, c.path, a.Body.String())
		}
		for _, h := range up.requests("") {
			assert.Equal(t, "application/json", h.header.Get("Content-Type"), h.path)
		}
	}
}
