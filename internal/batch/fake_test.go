package batch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// call is one exchange as the fake saw it.
type call struct {
	at     time.Time
	method string
	path   string
	prompt string
	body   string
	ticket string
	header http.Header
}

// reply is what the fake answers. A zero status means 200 and an answer made of the prompt.
type reply struct {
	status int
	header map[string]string
	body   string
	err    error
	after  time.Duration
}

// fakeServer is the /generate contract in memory: it answers every prompt by the script, which is given the prompt and how
// often that prompt was asked before.
type fakeServer struct {
	script func(prompt string, before int) reply

	mu    sync.Mutex
	calls []call
	asked map[string]int
}

func newFake(script func(prompt string, before int) reply) *fakeServer {
	if script == nil {
		script = func(string, int) reply { return reply{} }
	}
	return &fakeServer{script: script, asked: map[string]int{}}
}

func (f *fakeServer) RoundTrip(request *http.Request) (*http.Response, error) {
	c := call{
		at: time.Now(), method: request.Method, path: request.URL.EscapedPath(),
		ticket: request.Header.Get("X-Fluxgate-Ticket"), header: request.Header.Clone(),
	}
	if request.Body != nil {
		data, _ := io.ReadAll(request.Body)
		c.body = string(data)
		var fields struct{ Prompt string }
		_ = json.Unmarshal(data, &fields)
		c.prompt = fields.Prompt
	}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	before := f.asked[c.prompt]
	f.asked[c.prompt]++
	f.mu.Unlock()
	if c.method == http.MethodDelete {
		return respond(request, reply{status: http.StatusNoContent}, ""), nil
	}
	r := f.script(c.prompt, before)
	if r.after > 0 {
		select {
		case <-time.After(r.after):
		case <-request.Context().Done():
			return nil, request.Context().Err()
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return respond(request, r, c.prompt), nil
}

func respond(request *http.Request, r reply, prompt string) *http.Response {
	if r.status == 0 {
		r.status = http.StatusOK
		if r.body == "" {
			r.body = fmt.Sprintf(`{"response":%q,"key_used":1,"model_used":"m","tokens_used":7,"wait_applied":0,"retried":false}`,
				"re: "+prompt)
		}
	}
	header := http.Header{}
	for name, value := range r.header {
		header.Set(name, value)
	}
	return &http.Response{
		StatusCode: r.status, Header: header, Body: io.NopCloser(bytes.NewBufferString(r.body)), Request: request,
	}
}

// generated are the calls of POST /generate, by prompt.
func (f *fakeServer) generated() map[string][]call {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := map[string][]call{}
	for _, c := range f.calls {
		if c.method == http.MethodPost {
			calls[c.prompt] = append(calls[c.prompt], c)
		}
	}
	return calls
}

func (f *fakeServer) released() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var paths []string
	for _, c := range f.calls {
		if c.method == http.MethodDelete {
			paths = append(paths, c.path)
		}
	}
	return paths
}

// refuse is a 429 with a ticket.
func refuse(ticket string, header ...string) reply {
	r := reply{status: http.StatusTooManyRequests, header: map[string]string{
		"X-Fluxgate-Ticket": ticket, "X-Fluxgate-Booked": "true",
	}}
	for i := 0; i < len(header); i += 2 {
		r.header[header[i]] = header[i+1]
	}
	return r
}

// setup is a job in a directory of its own.
type setup struct {
	t      *testing.T
	dir    string
	input  string
	output string
	stderr *bytes.Buffer
}

// newSetup writes n prompts, p0 to p(n-1), as JSONL.
func newSetup(t *testing.T, n int) *setup {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "{\"id\":\"id%d\",\"prompt\":\"p%d\"}\n", i, i)
	}
	return newSetupWith(t, "in.jsonl", lines.String())
}

func newSetupWith(t *testing.T, name, text string) *setup {
	dir := t.TempDir()
	s := &setup{t: t, dir: dir, input: filepath.Join(dir, name), output: filepath.Join(dir, "out.jsonl"), stderr: &bytes.Buffer{}}
	require.NoError(t, os.WriteFile(s.input, []byte(text), 0o600))
	return s
}

func (s *setup) options(f *fakeServer) Options {
	return Options{
		Inputs: []string{s.input}, Output: s.output, URL: "https://fluxgate.test", Client: &http.Client{Transport: f},
		Concurrency: 4, Progress: ProgressNone, Stderr: s.stderr, Stdout: io.Discard, Stdin: strings.NewReader(""),
	}
}

func (s *setup) results() []Result {
	return s.resultsOf(s.output)
}

func (s *setup) resultsOf(path string) []Result {
	data, err := os.ReadFile(path)
	require.NoError(s.t, err)
	return s.resultsIn(data)
}

// journalled returns what the journal of a job has that was killed: a line that was being written
// has no end, and counts for nothing.
func (s *setup) journalled(path string) []Result {
	data, err := os.ReadFile(path)
	require.NoError(s.t, err)
	return s.resultsIn(data[:bytes.LastIndexByte(data, '\n')+1])
}

func (s *setup) resultsIn(data []byte) []Result {
	var results []Result
	for line := range strings.Lines(string(data)) {
		var r Result
		require.NoError(s.t, json.Unmarshal([]byte(line), &r), line)
		results = append(results, r)
	}
	return results
}

// requireAnswers checks that the output is n answers to p0 to p(n-1) in order.
func (s *setup) requireAnswers(n int) {
	s.t.Helper()
	results := s.results()
	require.Len(s.t, results, n)
	for i, r := range results {
		require.Equal(s.t, i, r.Index)
		require.Equal(s.t, fmt.Sprintf("id%d", i), r.ID)
		require.NotNil(s.t, r.Response)
		require.Equal(s.t, fmt.Sprintf("re: p%d", i), *r.Response)
	}
}
