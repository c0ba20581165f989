package server_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/faults"
)

var requestID = regexp.MustCompile(`^[a-z0-9]{16}$`)

// alike returns what an answer consists of but for the ID of its request.
func (a answer) alike() (body string, header http.Header) {
	id := a.Header().Get("X-Fluxgate-Request-Id")
	header = a.Header()
	header.Del("X-Fluxgate-Request-Id")
	return strings.ReplaceAll(a.Body.String(), id, "ID"), header
}

// Every answer names its request, whatever became of it; what a caller calls its request is
// neither taken nor repeated. An error of our own says it in its body too, in every format.
func TestEveryAnswerNamesItsRequest(t *testing.T) {
	w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro, `FLUXGATE_LIMITS={"pro":{"rpm":2}}`}})
	const native, chat, turns = "/v1beta/models/" + pro + ":generateContent", "/openai/v1/chat/completions", "/v1beta/interactions"
	const text = `{"contents":[{"parts":[{"text":"hello"}]}]}`
	const message = `{"model":"` + pro + `","messages":[{"role":"user","content":"hello"}]}`
	const turn = `{"model":"` + pro + `","input":"hello"}`
	seen := make(map[string]bool)
	for i, c := range []struct {
		method, path, body string
		status             int
		own                bool // an error of our own
	}{
		{"GET", "/", "", 200, false},
		{"GET", "/health", "", 200, false},
		{"GET", "/status", "", 200, false},
		{"GET", "/nowhere", "", 404, true},
		{"PUT", "/generate", "", 405, true},
		{"GET", "/v1beta/openai/nowhere", "", 404, true},
		{"POST", native, text, 200, false},
		{"POST", strings.Replace(native, "generate", "streamGenerate", 1) + "?alt=sse", text, 200, false},
		{"POST", native, text, 429, true},
		{"POST", chat, message, 429, true},
		{"POST", turns, turn, 429, true},
		{"POST", "/generate", `{"prompt":"hello"}`, 429, true},
		{"POST", "/generate", `{`, 400, true},
	} {
		a := w.do(c.method, c.path, c.body, "X-Fluxgate-Request-Id", "mine", "X-Request-Id", "mine-too")
		require.Equal(t, c.status, a.Code, "%d %s: %s", i, c.path, a.Body)
		id := a.Header().Get("X-Fluxgate-Request-Id")
		assert.Regexp(t, requestID, id, c.path)
		assert.False(t, seen[id], "twice the same")
		seen[id] = true
		assert.Equal(t, strings.Contains(c.path, "openai"), a.Header().Get("X-Request-Id") == id, "where OpenAI's clients look: %s", c.path)
		const info = `{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"`
		assert.Equal(t, c.own, strings.Contains(a.Body.String(), info+id), "%s: %s", c.path, a.Body)
		if c.status != http.StatusOK {
			assert.Contains(t, w.logs.String(), "id="+id)
		}
	}
	assert.NotContains(t, w.logs.String(), "mine")
}

// What upstream said passes as it said it: the header alone names the request.
func TestUpstreamsErrorsStayAsTheyAre(t *testing.T) {
	w := newWorld(t, setup{env: []string{"FLUXGATE_CHAIN=" + pro}})
	w.sim.FailNext(-1, faults.Unavailable503)
	a := w.do("POST", "/v1beta/models/"+pro+":generateContent", `{"contents":[{"parts":[{"text":"hello"}]}]}`)
	require.Equal(t, http.StatusServiceUnavailable, a.Code)
	assert.Regexp(t, requestID, a.Header().Get("X-Fluxgate-Request-Id"))
	assert.NotContains(t, a.Body.String(), "RequestInfo")
}

// The trace of a request has the ID of its answer.
func TestTraceNamesItsRequest(t *testing.T) {
	watched := watch(t)
	w := newWorld(t, setup{telemetry: watched.Recorder})
	a := w.generate("hello", "")
	a.ok()
	span := watched.ended()["POST /generate"]
	assert.Equal(t, a.Header().Get("X-Fluxgate-Request-Id"), attributesOf(span.Attributes())["fluxgate.request_id"])
}
