//go:build unix

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/standstill"
)

// A pool is a simulated Gemini with two projects, and the settings of the processes that share it.
type pool struct {
	sim *geminisim.Server
	env []string
}

// newPool returns one whose database is at an address, and whose projects take so many requests a minute each.
func newPool(t *testing.T, database string, rpm int64) *pool {
	t.Helper()
	const model = "gemini-2.5-flash"
	p := &pool{sim: geminisim.New(geminisim.Config{
		Keys:   []geminisim.Key{{Value: "database-key-1", Project: "alpha"}, {Value: "database-key-2", Project: "beta"}},
		Limits: map[string]geminisim.Limits{model: {RPM: rpm, TPM: -1, RPD: -1}},
	})}
	upstream := httptest.NewServer(p.sim)
	t.Cleanup(upstream.Close)
	p.env = []string{
		"GEMINI_KEY_1=database-key-1", "GEMINI_PROJECT_1=alpha", "GEMINI_KEY_2=database-key-2", "GEMINI_PROJECT_2=beta",
		"GOOGLE_GEMINI_BASE_URL=" + upstream.URL, "FLUXGATE_CHAIN=" + model, fmt.Sprintf(`FLUXGATE_LIMITS={%q:{"rpm":%d,"tpm":-1,"rpd":-1}}`, model, rpm),
		"FLUXGATE_STORE=firestore", "FIRESTORE_EMULATOR_HOST=" + database, "GOOGLE_CLOUD_PROJECT=" + emulatortest.Project(t),
		// Whatever runs beside this may make a request late.
		"FLUXGATE_SKEW=5s", "FLUXGATE_POLICY=off", "GEMINI_LOG=true",
	}
	return p
}

// serve starts a process of it.
func (p *pool) serve(t *testing.T) (*process, string) {
	t.Helper()
	s := launch(t, p.env, "serve", "--port", "0")
	return s, s.address()
}

// get returns the status and body of a page, whatever they are.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// The connection of a process to its database goes silent: bytes are swallowed, and nobody is
// told. Requests fail for some seconds, none hangs for longer than a store may take to give up,
// and then they are served again by the same process, by another connection.
func TestSilentConnectionOfAProcess(t *testing.T) {
	const giveUp = 10 * time.Second // the store's, by default
	between := emulatortest.NewSilencer(t, emulatortest.Host(t))
	pool := newPool(t, between.Address(), 1000)
	s, url := pool.serve(t)
	ask := func() (int, time.Duration) {
		watch := standstill.Begin()
		status, _ := post(t, url+"/generate", `{"prompt":"Hello"}`)
		return status, watch.End().Ran()
	}
	status, _ := ask()
	require.Equal(t, http.StatusOK, status)
	status, _ = get(t, url+"/health") // on the same connection: whatever the request leaves is written by then
	require.Equal(t, http.StatusOK, status)

	before := between.Accepted()
	between.Swallow(false)
	begun, watch, failed := time.Now(), standstill.Begin(), 0
	for {
		status, took := ask()
		require.Less(t, took, giveUp+3*time.Second, "a request hangs") // a busy machine's delay included
		if status == http.StatusOK {
			break
		}
		require.Equal(t, http.StatusServiceUnavailable, status)
		failed++
		require.Less(t, time.Since(begun), time.Minute, "still no answer: %s", &s.stderr)
	}
	silence := watch.End().Ran()
	t.Logf("served again after %v, %d refused meanwhile", silence, failed)
	assert.Less(t, silence, 15*time.Second) // it takes two timeouts of 3 s, and a busy machine its time
	assert.Greater(t, between.Accepted(), before, "by another connection")
	status, _ = get(t, url+"/health")
	assert.Equal(t, http.StatusOK, status)
	assert.EqualValues(t, 2, pool.sim.Stats().Accepted, "nothing was sent while the store was silent")
	exit, _ := s.signal(syscall.SIGTERM)
	assert.Zero(t, exit, &s.stderr)
}

// The database is emptied under two processes, in the middle of a minute of which half is used.
// Together they admit what was left of it and no more; it is said in the log and among the events.
func TestEmptiedDatabase(t *testing.T) {
	const rpm = 6 // of each of two projects
	pool := newPool(t, emulatortest.Host(t), rpm)
	first, one := pool.serve(t)
	second, two := pool.serve(t)
	urls := []string{one, two}
	status, text := post(t, one+"/config", `{"mode":"flash_only"}`)
	require.Equal(t, http.StatusOK, status, text)
	served := 0
	ask := func(n int) int {
		status, text := post(t, urls[n%2]+"/generate", fmt.Sprintf(`{"prompt":"Number %d"}`, n))
		switch status {
		case http.StatusOK:
			served++
		case http.StatusTooManyRequests:
		default:
			t.Errorf("status %d: %s", status, text)
		}
		return status
	}
	for n := range rpm {
		require.Equal(t, http.StatusOK, ask(n))
	}
	emulatortest.Clear(t)
	for n := range 4 * rpm {
		ask(rpm + n)
	}
	stats := pool.sim.Stats()
	assert.Zero(t, stats.Refused, "Gemini never says 429")
	for _, project := range []string{"alpha", "beta"} {
		requests, _ := pool.sim.Peak(project, "")
		assert.LessOrEqual(t, requests, int64(rpm), project)
	}
	assert.EqualValues(t, served, stats.Accepted)

	// The settings are there again, as the process knows them that made them.
	require.Eventually(t, func() bool {
		get(t, one+"/status") // which has to look
		_, text := get(t, two+"/status")
		return strings.Contains(text, `"mode":"flash_only"`)
	}, patience, 200*time.Millisecond, "the mode isn't there again")
	// Of several documents that were missing the first that is noticed is an event, and all are logged.
	event := regexp.MustCompile(`"what":"the (control document|document of project [a-z]+|record [^ ]+) was missing[^"]* written back`)
	require.Eventually(t, func() bool {
		_, text := get(t, one+"/status")
		return event.MatchString(text)
	}, patience, 200*time.Millisecond, "it isn't among the events")
	logs := first.stderr.String() + second.stderr.String() + first.out.String() + second.out.String()
	assert.Regexp(t, `level=(WARN|ERROR) .*project (alpha|beta) was missing .* written back`, logs)
}
