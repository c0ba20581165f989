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
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/storage"
)

const embedding = "gemini-embedding-001"

// listPrices are those of Google's page in dollars a million tokens: input, cached and output.
var listPrices = map[string][3]float64{pro: {1.25, 0.125, 10}, flash: {0.30, 0.03, 2.50}, embedding: {0.15, 0.15, 0}}

// A hundred requests and a thousand on every route that a model answers, batches and what runs in the background
// among them, of two callers and over two instances: what was used is what the simulator says that
// its answers cost, to the token, of every project and model, and what of that was thought, read by
// tools and cached. An image says nothing of its tokens. Sessions of the Live API have the same test
// in package live, other providers' routes in package app.
func TestUsageIsTheSimulatorsBill(t *testing.T) {
	t.Parallel()
	counts := []int{96, 1000} // of each of sixteen kinds six, or some sixty
	if testing.Short() {
		counts = counts[:1]
	}
	for _, requests := range race.First(1, counts...) {
		t.Run(fmt.Sprint(requests), func(t *testing.T) { usageIsTheSimulatorsBill(t, requests) })
	}
}

func usageIsTheSimulatorsBill(t *testing.T, requests int) {
	const image = "gemini-2.5-flash-image"
	models := []string{pro, flash, embedding, image}
	var bounds []string
	for _, model := range models {
		bounds = append(bounds, fmt.Sprintf(`%q:{"rpm":-1,"tpm":-1,"rpd":-1}`, model))
	}
	limits := "FLUXGATE_LIMITS={" + strings.Join(bounds, ",") + `,"image_output":{"rpm":-1,"rpd":-1}}`
	store := storage.NewMemory(nil)
	ahead := time.Duration(0)
	w := newWorld(t, setup{
		keys: projects("alpha", "beta"), store: store,
		env: []string{"FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken, "FLUXGATE_ADMIN_TOKENS=root:" + adminToken, limits, "FLUXGATE_LOG_LEVEL=error"},
		sim: func(c *geminisim.Config) {
			c.UploadGranularity = 1
			c.Now = func() time.Time { return time.Now().Add(ahead) }
			for _, model := range models {
				c.Limits[model] = geminisim.Limits{RPM: 1 << 30, TPM: 1 << 40, RPD: 1 << 30}
			}
		},
	})
	cache := w.makeCache(aliceToken, "600s")
	instances := []*served{w.served, w.instance()}

	send := func(i int) (path, body, token string) {
		model := []string{pro, flash}[i%2]
		text := fmt.Sprintf("request %d: think %d tokens, cache holds %d tokens, please", i, i%97, i%7)
		native := func(text string) string { return `{"contents":[{"parts":[{"text":"` + text + `"}]}]}` }
		chat := func(more string) string {
			return `{"model":"` + model + `","messages":[{"role":"user","content":"` + text + `"}]` + more + `}`
		}
		token = []string{aliceToken, bobToken}[i%3/2]
		one := `{"request":` + native(text+", tools read 3 tokens") + `}`
		switch i % 16 {
		case 0:
			return "/v1beta/models/" + model + ":generateContent", native(text + fmt.Sprintf(", tools read %d tokens", i%13)), token
		case 1:
			return "/v1beta/models/" + model + ":streamGenerateContent?alt=sse", native(text + strings.Repeat(" long", i)), token
		case 2:
			return "/v1beta/models/" + model + ":streamGenerateContent", native(text), token
		case 3:
			return "/v1beta/openai/chat/completions", chat(""), token
		case 4:
			return "/openai/v1/chat/completions", chat(`,"stream":true,"stream_options":{"include_usage":true}`), token
		case 5:
			return "/v1beta/interactions", `{"model":"` + model + `","input":"` + text + `"}`, token
		case 6:
			return "/v1beta/interactions", `{"model":"` + model + `","stream":true,"input":"` + text + `"}`, token
		case 7:
			return "/generate", `{"prompt":"` + text + `","model":"` + model + `"}`, token
		case 8:
			return "/v1beta/openai/embeddings", `{"model":"` + embedding + `","input":["` + text + `","and another"]}`, token
		case 9:
			return "/v1beta/models/" + flash + ":generateContent", `{"cachedContent":"` + cache + `","contents":[{"role":"user","parts":[{"text":"` + text + `"}]}]}`, aliceToken
		case 10:
			return "/v1beta/models/" + model + ":batchGenerateContent", `{"batch":{"inputConfig":{"requests":{"requests":[` + one + "," + one + `,{"request":{}}]}}}}`, token
		case 11:
			file := w.uploadTo("/upload/v1beta/files", "{}", one+"\n"+one+"\n"+one+"\n", token).field("file.name")
			return "/v1beta/models/" + model + ":batchGenerateContent", `{"batch":{"inputConfig":{"fileName":"` + file + `"}}}`, token
		case 12:
			return "/v1beta/models/" + embedding + ":asyncBatchEmbedContent", `{"batch":{"inputConfig":{"requests":{"requests":[{"request":{"content":{"parts":[{"text":"` + text + `"}]}}}]}}}}`, token
		case 13:
			return "/v1beta/interactions", `{"model":"` + model + `","background":true,"input":"` + text + `, tools read 2 tokens"}`, token
		case 14:
			return "/v1beta/openai/images/generations", `{"model":"` + image + `","prompt":"` + text + `"}`, token
		}
		return "/v1beta/openai/chat/completions", `{"model":"gemini-2.5-flash","messages":[{"role":"user","content":"` + text + `"}],"extra_body":{"google":{"cached_content":"` + cache + `"}}}`, aliceToken
	}
	images, later, ofBatches := 0, make(map[string]string), int64(0) // tokens of callers by what they have to look at later
	for i := range requests {
		path, body, token := send(i)
		a := ask(t, instances[i%2].Server, "POST", path, body, as(token)...)
		require.Equal(t, http.StatusOK, a.Code, "%s: %s", path, a.Body)
		switch {
		case strings.HasSuffix(path, "images/generations"):
			images++
		case strings.Contains(path, "atch") && !strings.Contains(path, "batchEmbed"):
			later[a.field("name")] = token
			ofBatches--
		case strings.Contains(body, `"background":true`):
			later["interactions/"+a.field("id")] = token
		}
		if len(later) == 90 || i == requests-1 { // a project has a hundred batches under way at most
			ahead += time.Minute
			for name, token := range later {
				for n := range 4 { // by each instance twice: it is counted once
					a := ask(t, instances[n%2].Server, "GET", "/v1beta/"+name, "", as(token)...)
					require.Equal(t, http.StatusOK, a.Code, "%s: %s", name, a.Body)
					if file := resultsIn(a); file != "" {
						a = ask(t, instances[n/2].Server, "GET", "/v1beta/"+file+":download?alt=media", "", as(token)...)
						require.Equal(t, http.StatusOK, a.Code, "%s: %s", file, a.Body)
					}
				}
				ask(t, w.served.Server, "DELETE", "/v1beta/"+name, "", as(token)...)
			}
			clear(later)
		}
	}
	for _, instance := range instances {
		instance.FlushUsage(t.Context())
	}

	read := func(token, query string) (out usage.Report) {
		a := ask(t, w.instance(), "GET", "/usage?window=1h&by="+query, "", as(token)...)
		require.Equal(t, http.StatusOK, a.Code, a.Body.String())
		require.NoError(t, json.Unmarshal(a.Body.Bytes(), &out))
		return out
	}
	var dollars float64
	type sums struct{ answers, input, cached, tools, output, thoughts int64 }
	billed := make(map[journal.BillKey]sums)
	for k, b := range w.sim.Bills() {
		p, share := listPrices[k.Model], 1.0
		if k.Batch {
			share = 0.5
			ofBatches += b.Answers
		}
		k.Batch = false
		was := billed[k]
		billed[k] = sums{was.answers + b.Answers, was.input + b.Input + b.Tools, was.cached + b.Cached, was.tools + b.Tools, was.output + b.Output, was.thoughts + b.Thoughts}
		dollars += (float64(b.Input+b.Tools-b.Cached)*p[0]*share + float64(b.Cached)*p[1] + float64(b.Output+b.Thoughts)*p[2]*share) / 1e6
	}
	told := make(map[journal.BillKey]sums)
	report := read(adminToken, "project,model")
	for _, r := range report.Rows {
		if r.Model == image {
			continue
		}
		told[journal.BillKey{Project: r.Project, Model: r.Model}] = sums{r.Requests, r.Input, r.Cached, r.Tools, r.Output, r.Thoughts}
	}
	assert.Equal(t, billed, told)
	assert.InDelta(t, dollars, report.Total.Dollars, 1e-9)
	assert.Positive(t, ofBatches)
	assert.EqualValues(t, int64(requests)+ofBatches, report.Total.Requests)
	assert.EqualValues(t, images, report.Total.Unmetered)
	assert.EqualValues(t, images, report.Total.Unpriced)
	assert.Positive(t, report.Total.Thoughts)
	assert.Positive(t, report.Total.Cached)
	assert.Positive(t, report.Total.Tools)

	all := read(adminToken, "caller")
	require.Len(t, all.Rows, 2)
	alice := read(aliceToken, "caller")
	require.Len(t, alice.Rows, 1, "a caller sees its own")
	bob := read(bobToken, "caller")
	assert.EqualValues(t, int64(requests)+ofBatches, alice.Total.Requests+bob.Total.Requests)
	assert.Equal(t, report.Total.Output, alice.Total.Output+bob.Total.Output)
	t.Logf("%d requests: input %d, output %d, thoughts %d, cached %d, tools %d, $%.6f, as the simulator has it",
		report.Total.Requests, report.Total.Input, report.Total.Output, report.Total.Thoughts, report.Total.Cached, report.Total.Tools, report.Total.Dollars)
}

// An answer that says nothing of its tokens is counted with what was reckoned with, and
// said to be: a chat whose stream wasn't asked for its usage, and embeddings in Google's format.
func TestUnmeteredAnswersAreCounted(t *testing.T) {
	w := newWorld(t, setup{env: []string{"FLUXGATE_COUNT=exact"}})
	a := w.do("POST", "/openai/v1/chat/completions", `{"model":"`+pro+`","stream":true,"messages":[{"role":"user","content":"hello there"}]}`)
	require.Equal(t, http.StatusOK, a.Code)
	var out usage.Report
	w.do("GET", "/usage", "").decode(&out)
	require.Len(t, out.Rows, 1)
	assert.EqualValues(t, 1, out.Rows[0].Unmetered)
	assert.Positive(t, out.Rows[0].Input)
	assert.Zero(t, out.Rows[0].Output)
}

// Refusals and failures count by cause, model and caller.
func TestRefusalsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which all of it is at one instant: none is told for which a millisecond decides
		s := oneAMinute("FLUXGATE_TOKENS=alice:"+aliceToken+",bob:"+bobToken, "FLUXGATE_ADMIN_TOKENS=root:"+adminToken, `FLUXGATE_CALLERS={"bob":{"rpm":1}}`)
		s.keys = projects("alpha", "beta")
		w := newWorld(t, s)
		w.generate("1", "", as(aliceToken)...).ok()
		w.generate("2", "", as(bobToken)...).ok()
		w.generate("3", "", as(aliceToken)...).wait()
		w.generate("4", "", as(bobToken)...).wait()
		w.generate("5", `"model":"gemini-2.5-lost"`, as(aliceToken)...).failed(http.StatusNotFound)
		var out usage.Report
		w.do("GET", "/usage?by=caller,model", "", as(adminToken)...).decode(&out)
		found := make(map[string]*usage.Row)
		for _, r := range out.Rows {
			found[r.Caller+" "+r.Model] = r
		}
		assert.Equal(t, map[string]int64{"rpm": 1}, found["alice "+pro].Causes)
		assert.Equal(t, map[string]int64{"own_rpm": 1}, found["bob "+pro].Causes)
		assert.EqualValues(t, 1, found["alice gemini-2.5-lost"].Failed, "%v", found)

		// The last of them are told with what it takes to find them again, to administrators.
		refused := w.generate("6", "", as(bobToken)...)
		refused.wait()
		var status struct{ Troubles []usage.Trouble }
		w.do("GET", "/status", "", as(adminToken)...).decode(&status)
		require.Len(t, status.Troubles, 4)
		last := status.Troubles[0]
		assert.Equal(t, refused.Header().Get("X-Fluxgate-Request-Id"), last.ID)
		assert.Equal(t, []string{"/generate", "bob", pro, "own_rpm"}, []string{last.Route, last.Caller, last.Model, last.Cause})
		assert.Positive(t, last.Wait)
		assert.NotContains(t, w.do("GET", "/status", "", as(aliceToken)...).Body.String(), "troubles")
	})
}

// resultsIn returns the file that a job's answer names; "": none.
func resultsIn(a answer) string {
	var job struct {
		Response struct{ ResponsesFile string }
	}
	_ = json.Unmarshal(a.Body.Bytes(), &job) // then it is no job
	return job.Response.ResponsesFile
}
