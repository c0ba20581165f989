package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/storage"
)

// jobsWorld is a world whose callers have budgets, and whose simulator's clock can be put forward.
func jobsWorld(t *testing.T) (w *world, forward func(time.Duration)) {
	ahead := time.Duration(0)
	w = newWorld(t, setup{
		keys: projects("alpha", "beta"), store: storage.NewMemory(nil),
		sim: func(c *geminisim.Config) {
			c.UploadGranularity = 1
			c.Now = func() time.Time { return time.Now().Add(ahead) }
		},
		env: []string{
			"FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken, "FLUXGATE_ADMIN_TOKENS=root:" + adminToken,
			`FLUXGATE_CALLERS={"alice":{"tokens_per_day":20000,"dollars_per_month":100}}`,
		},
	})
	return w, func(d time.Duration) { ahead += d }
}

// used is what a caller used so far, over all instances.
func (w *world) usedBy(token string) (out usage.Report) {
	w.t.Helper()
	w.do("GET", "/usage?window=1h&by=model,caller", "", as(token)...).decode(&out)
	return out
}

// leftOf is what is left of a caller's tokens of the day.
func (w *world) leftOf(token string) float64 {
	w.t.Helper()
	var out struct {
		Budgets []struct {
			Name string
			Left float64
		}
	}
	w.do("GET", "/usage", "", as(token)...).decode(&out)
	for _, b := range out.Budgets {
		if b.Name == "tokens_per_day" {
			return b.Left
		}
	}
	w.t.Fatal("no budget")
	return 0
}

// batchOf is a batch of so many requests, each of which thinks so many tokens.
func batchOf(n, thoughts int) string {
	one := fmt.Sprintf(`{"request":{"contents":[{"parts":[{"text":"think %d tokens"}]}]}}`, thoughts)
	return `{"batch":{"inputConfig":{"requests":{"requests":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}}}}`
}

// What a batch used counts when its results are read, for whoever made it though an administrator
// reads them, at half of the price, and once. A budget that it has used up refuses the next batch
// until its reset, and other callers go on.
func TestABatchCountsForWhoMadeIt(t *testing.T) {
	w, forward := jobsWorld(t)
	const path = "/v1beta/models/" + flash + ":batchGenerateContent"
	name := w.do("POST", path, batchOf(3, 7000), as(aliceToken)...).field("name")
	assert.Zero(t, w.usedBy(aliceToken).Total.Requests, "nobody knows yet what it comes to")
	w.do("GET", "/v1beta/"+name, "", as(aliceToken)...).field("name")
	forward(time.Minute)
	for range 2 {
		assert.Contains(t, w.do("GET", "/v1beta/"+name, "", as(adminToken)...).field("metadata.state"), "SUCCEEDED")
		got := w.usedBy(aliceToken).Total
		assert.EqualValues(t, 3, got.Requests)
		assert.EqualValues(t, 21000, got.Thoughts)
		assert.InDelta(t, (float64(got.Input)*0.30+float64(got.Output+got.Thoughts)*2.50)/2e6, got.Dollars, 1e-9)
		w.served = w.instance()
	}
	assert.Zero(t, w.usedBy(bobToken).Total.Requests)
	assert.Zero(t, w.leftOf(aliceToken))

	made := len(w.sent.paths())
	refused := w.do("POST", path, batchOf(1, 1), as(aliceToken)...)
	require.Equal(t, http.StatusTooManyRequests, refused.Code, refused.Body.String())
	assert.Contains(t, refused.Body.String(), "TokensPerDayPerCaller")
	assert.NotEmpty(t, refused.Header().Get("Retry-After"))
	assert.Len(t, w.sent.paths(), made, "nothing was sent")
	w.do("POST", path, batchOf(1, 1), as(bobToken)...).field("name")
}

// A file with results counts however it is read: in parts it isn't to be had before it is counted,
// and who leaves before its end has what came before that counted, and the rest with the next
// reading.
func TestAFileOfResultsCountsOnce(t *testing.T) {
	t.Parallel()
	w, forward := jobsWorld(t)
	line := `{"request":{"contents":[{"parts":[{"text":"think 5 tokens"}]}]}}` + "\n"
	const lines = 2500
	file := w.uploadTo("/upload/v1beta/files", "{}", strings.Repeat(line, lines), aliceToken).field("file.name")
	name := w.do("POST", "/v1beta/models/"+flash+":batchGenerateContent", `{"batch":{"inputConfig":{"fileName":"`+file+`"}}}`, as(aliceToken)...).field("name")
	forward(time.Minute)
	results := w.do("GET", "/v1beta/"+name, "", as(aliceToken)...).field("response.responsesFile")
	path := "/v1beta/" + results + ":download?alt=media"
	assert.Zero(t, w.usedBy(aliceToken).Total.Requests)

	part := append(as(aliceToken), "Range", "bytes=1-5")
	ctx, leave := context.WithCancel(t.Context())
	leaves := httptest.NewRequestWithContext(ctx, "GET", path, nil)
	leaves.Header.Set("X-Goog-Api-Key", aliceToken)
	func() {
		defer func() { _ = recover() }() // the connection is broken off
		w.ServeHTTP(&leaver{after: 200 << 10, leave: leave}, leaves)
	}()
	some := w.usedBy(aliceToken).Total.Requests
	assert.Positive(t, some)
	assert.Less(t, some, int64(lines))
	w.served.FlushUsage(t.Context())
	w.served = w.instance()
	whole := w.do("GET", path, "", part...)
	assert.Equal(t, http.StatusOK, whole.Code, "all of it is read")
	assert.Equal(t, lines, strings.Count(whole.Body.String(), "\n"))
	assert.EqualValues(t, lines, w.usedBy(aliceToken).Total.Requests)
	assert.EqualValues(t, lines*5, w.usedBy(aliceToken).Total.Thoughts)
	assert.Equal(t, http.StatusPartialContent, w.do("GET", path, "", part...).Code)
	assert.EqualValues(t, lines, w.usedBy(aliceToken).Total.Requests)
	w.do("GET", "/v1beta/"+name, "", as(aliceToken)...).field("response.responsesFile")
	w.do("GET", path, "", as(aliceToken)...)
	assert.EqualValues(t, lines, w.usedBy(aliceToken).Total.Requests)
}

// What runs in the background is reckoned with when it begins, and counts with what it really used
// when that is told.
func TestTheBackgroundCounts(t *testing.T) {
	w, forward := jobsWorld(t)
	id := w.do("POST", "/v1beta/interactions", `{"model":"`+flash+`","background":true,"input":"think 15000 tokens"}`, as(aliceToken)...).field("id")
	begun := w.usedBy(aliceToken).Total
	assert.EqualValues(t, 1, begun.Requests)
	assert.EqualValues(t, 1, begun.Unmetered)
	assert.Less(t, w.leftOf(aliceToken), 20000.-8192)
	w.do("GET", "/v1beta/interactions/"+id, "", as(aliceToken)...).field("id")
	forward(time.Minute)
	for range 2 {
		w.do("GET", "/v1beta/interactions/"+id, "", as(aliceToken)...).field("id")
		got := w.usedBy(aliceToken).Total
		assert.EqualValues(t, 1, got.Requests)
		assert.Zero(t, got.Unmetered)
		assert.EqualValues(t, 15000, got.Thoughts)
		bill := w.sim.Bills()
		var input int64
		for _, b := range bill {
			input += b.Input
		}
		assert.Equal(t, input, got.Input)
		assert.InDelta(t, 20000-15000-float64(got.Input+got.Output), w.leftOf(aliceToken), 100)
		w.served.FlushUsage(t.Context())
		w.served = w.instance()
	}
}

// A leaver is a caller that takes so many bytes, and hangs up.
type leaver struct {
	header http.Header
	after  int
	leave  context.CancelFunc
}

func (l *leaver) Header() http.Header {
	if l.header == nil {
		l.header = make(http.Header)
	}
	return l.header
}

func (l *leaver) WriteHeader(int) {}

func (l *leaver) Write(p []byte) (int, error) {
	if l.after -= len(p); l.after < 0 {
		l.leave()
		return 0, http.ErrHandlerTimeout
	}
	return len(p), nil
}

// What a batch used that was made by Google's endpoint for OpenAI's clients stands in OpenAI's format
// in a file of Gemini's, which is read as any is (documented).
func TestABatchOfAnOpenAIClientCounts(t *testing.T) {
	const line = `{"id":"r1","custom_id":"1","response":{"status_code":200,"body":{"model":"gemini-2.5-flash","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":12}}},"error":null}`
	_, s := stubbed(func(h heard) *http.Response {
		switch {
		case strings.HasSuffix(h.path, "openai/batches"):
			return respond(http.StatusOK, `{"id":"batches/one","status":"validating"}`)
		case strings.HasSuffix(h.path, "openai/batches/one"):
			return respond(http.StatusOK, `{"id":"batches/one","status":"completed","error_file_id":"files/failed","output_file_id":"files/batch-one"}`)
		case strings.HasSuffix(h.path, "files/batch-one:download"):
			return respond(http.StatusOK, line+"\n"+line+"\n")
		}
		return nil
	})
	s.env = []string{"FLUXGATE_TOKENS=alice:" + aliceToken}
	w := newWorld(t, s)
	w.do("POST", "/openai/v1/batches", `{"input_file_id":"","endpoint":"/v1/chat/completions","completion_window":"24h"}`, as(aliceToken)...).field("id")
	for range 2 {
		w.do("GET", "/openai/v1/batches/one", "", as(aliceToken)...).field("id")
		require.Equal(t, http.StatusOK, w.do("GET", "/v1beta/files/batch-one:download?alt=media", "", as(aliceToken)...).Code)
		got := w.usedBy(aliceToken).Total
		assert.EqualValues(t, []int64{2, 6, 8, 10}, []int64{got.Requests, got.Input, got.Output, got.Thoughts})
		assert.InDelta(t, (6*0.30+18*2.50)/2e6, got.Dollars, 1e-12)
	}
}

// In which form an answer is wanted, and which part of it, waits until it is counted.
func TestResultsInAnotherFormCount(t *testing.T) {
	const path, binary = "/v1beta/batches/one", "\x0a\x03one"
	_, s := stubbed(func(h heard) *http.Response {
		switch {
		case strings.HasSuffix(h.path, ":batchGenerateContent"):
			return respond(http.StatusOK, `{"name":"batches/one"}`)
		case strings.HasSuffix(h.path, path) && h.r.URL.RawQuery != "":
			return respond(http.StatusOK, binary)
		case strings.HasSuffix(h.path, path):
			return respond(http.StatusOK, `{"name":"batches/one","done":true,"response":{"inlinedResponses":{"inlinedResponses":[
				{"response":{"usageMetadata":{"promptTokenCount":3},"modelVersion":"gemini-2.5-flash"}}]}}}`)
		}
		return nil
	})
	s.env = []string{"FLUXGATE_TOKENS=alice:" + aliceToken}
	for _, query := range []string{"?$alt=proto", "?fields=response"} {
		w := newWorld(t, s)
		w.do("POST", "/v1beta/models/"+flash+":batchGenerateContent", `{"batch":{"inputConfig":{"requests":{"requests":[]}}}}`, as(aliceToken)...).field("name")
		assert.Equal(t, "batches/one", w.do("GET", path+query, "", as(aliceToken)...).field("name"))
		assert.EqualValues(t, 3, w.usedBy(aliceToken).Total.Input)
		assert.Equal(t, binary, w.do("GET", path+query, "", as(aliceToken)...).Body.String(), "it is counted")
	}
}
