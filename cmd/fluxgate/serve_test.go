//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator"
	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
)

// The first thing that anybody does: no key, no setting but a store that takes
// no time to start.
func TestServeWithoutConfiguration(t *testing.T) {
	t.Parallel()
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			p := launch(t, []string{"FLUXGATE_STORE=memory", "PORT=0"}, "serve")
			url := p.address()
			report := p.out.String()
			assert.Contains(t, report, "NO KEY IS CONFIGURED: answers come from a SIMULATED Gemini with 8 keys")
			assert.Contains(t, report, "store: memory (as configured)")
			assert.Contains(t, report, "keys: 12 healthy")
			assert.Contains(t, report, "chain: gemini-2.5-pro > gemini-2.5-flash > ")
			assert.Contains(t, report, "gemini-2.5-flash-lite            15 requests/minute (built in), 250000 tokens/minute (built in), 1000 requests/day (built in)")
			assert.Contains(t, report, url+"/generate", "what to try first")

			status, body := post(t, url+"/generate", `{"prompt":"Hello"}`)
			assert.Equal(t, http.StatusOK, status, body)
			assert.Contains(t, body, `"response":"Hillu"`)
			for _, line := range []string{"msg=request", "msg=selected", "msg=response"} {
				assert.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), line) }, patience, 10*time.Millisecond, line)
			}

			// The bounds on headers are in force; TestSlowHeader has the others.
			huge, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/health", nil)
			require.NoError(t, err)
			huge.Header.Set("X-Huge", strings.Repeat("x", 2*maxHeader))
			resp, err := http.DefaultClient.Do(huge)
			require.NoError(t, err)
			_ = resp.Body.Close()
			assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)

			exit, took := p.signal(s)
			assert.Zero(t, exit, p.stderr.String())
			assert.Less(t, took, 5*time.Second)
			assert.Contains(t, p.out.String(), "stopping")
			_, err = net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			assert.ErrorIs(t, err, syscall.ECONNREFUSED)
		})
	}
}

// What is under way is finished; whoever is in a hurry asks twice.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T, latency time.Duration) *process {
		simulator := launch(t, nil, "simulator", "--port", "0", "--latency", latency.String(), "--jitter", "0s")
		return launch(t, []string{"FLUXGATE_STORE=memory", "FLUXGATE_POLICY=off", "PORT=0", "GEMINI_KEY_1=simulated-key-1", "GOOGLE_GEMINI_BASE_URL=" + simulator.address()}, "serve")
	}
	send := func(t *testing.T, p *process) chan int {
		url := p.address()
		done := make(chan int, 1)
		go func() {
			resp, err := http.Post(url+"/generate", "application/json", strings.NewReader(`{"prompt":"Hello"}`))
			if err != nil {
				done <- 0
				return
			}
			_ = resp.Body.Close()
			done <- resp.StatusCode
		}()
		require.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), "msg=selected") }, patience, 10*time.Millisecond)
		return done
	}

	t.Run("what is under way is finished", func(t *testing.T) {
		t.Parallel()
		p := begin(t, 2*time.Second)
		answer := send(t, p)
		exit, _ := p.signal(syscall.SIGTERM)
		assert.Zero(t, exit)
		assert.Equal(t, http.StatusOK, <-answer)
	})
	t.Run("whoever is in a hurry asks twice", func(t *testing.T) {
		t.Parallel()
		p := begin(t, 10*time.Minute) // nobody waits for that
		answer := send(t, p)
		require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
		require.Eventually(t, func() bool { return strings.Contains(p.out.String(), "stopping") }, patience, 10*time.Millisecond)
		exit, _ := p.signal(os.Interrupt)
		assert.Equal(t, 128+int(syscall.SIGINT), exit, "killed")
		assert.Zero(t, <-answer)
	})
}

// With the emulator installed, auto starts it and takes it down again.
func TestServeStartsTheEmulator(t *testing.T) {
	emulatortest.SkipShort(t)
	t.Parallel()
	emulatortest.Require(t, emulator.Missing())
	env := []string{"PORT=0"}
	for _, name := range []string{"JAVA_HOME", "CLOUDSDK_ROOT_DIR", "CLOUDSDK_ROOT"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	p := launch(t, env, "serve")
	url := p.address()
	host := regexp.MustCompile(`store: Firestore emulator on (\S+)`).FindStringSubmatch(p.out.String())
	require.NotNil(t, host, p.out.String())
	require.NoError(t, emulator.Check(t.Context(), host[1]))
	status, body := post(t, url+"/generate", `{"prompt":"Hello"}`)
	assert.Equal(t, http.StatusOK, status, body)
	exit, took := p.signal(os.Interrupt)
	assert.Zero(t, exit, p.stderr.String())
	assert.Less(t, took, 15*time.Second)
	_, err := net.Dial("tcp", host[1])
	assert.ErrorIs(t, err, syscall.ECONNREFUSED, "the emulator is still there")
}

// Without it, memory will do, and serve says so.
func TestServeWithoutTheEmulator(t *testing.T) {
	t.Parallel()
	p := launch(t, []string{"PORT=0", "PATH=" + t.TempDir()}, "serve")
	url := p.address()
	assert.Contains(t, p.out.String(), "store: memory (the Firestore emulator is not installed)")
	status, body := post(t, url+"/generate", `{"prompt":"Hello"}`)
	assert.Equal(t, http.StatusOK, status, body)
	exit, _ := p.signal(os.Interrupt)
	assert.Zero(t, exit)

	// Who insists on Firestore is told how to get it.
	exit, _, stderr := run(t, []string{"PORT=0", "FLUXGATE_STORE=firestore", "PATH=" + t.TempDir()}, "serve")
	assert.Equal(t, 1, exit)
	assert.Contains(t, stderr, "gcloud components install cloud-firestore-emulator")
}

func TestServePortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	exit, out, stderr := run(t, []string{"FLUXGATE_STORE=memory"}, "serve", "--port", port)
	assert.Equal(t, 1, exit)
	assert.Contains(t, stderr, "port "+port)
	assert.Contains(t, stderr, "address already in use")
	assert.Empty(t, out, "found out before anything was started")

	exit, _, stderr = run(t, nil, "simulator", "--port", port)
	assert.Equal(t, 1, exit)
	assert.Contains(t, stderr, "address already in use")
}

// All that is wrong is listed at once, with its names.
func TestServeBadSettings(t *testing.T) {
	t.Parallel()
	exit, out, stderr := run(t, []string{
		"PORT=no", "FLUXGATE_STORE=disk", "FLUXGATE_SKEW=1", "FLUXGATE_LIMITS={", "GEMINI_PROJECT_3=x", "GEMINI_KEY_1=bad key\x01value",
	}, "serve", "--mode", "turbo")
	assert.Equal(t, 2, exit)
	assert.Empty(t, out)
	for _, name := range []string{"PORT", "FLUXGATE_STORE", "FLUXGATE_SKEW", "FLUXGATE_LIMITS", "GEMINI_MODE", "GEMINI_PROJECT_3", "GEMINI_KEY_1"} {
		assert.Contains(t, stderr, name)
	}
	assert.NotContains(t, stderr, "value", "no part of a key")
	assert.NotContains(t, stderr, "Usage", "it is not about how the command was written")

	exit, _, stderr = run(t, nil, "serve", "--colour")
	assert.Equal(t, 2, exit)
	assert.Contains(t, stderr, "--colour")

	exit, _, stderr = run(t, nil, "serve", "--env-file", t.TempDir())
	assert.Equal(t, exitUsage, exit)
	assert.Contains(t, stderr, ".env file")

	exit, _, stderr = run(t, nil, "batch", "prompts.jsonl", "--instructions", "@nowhere.txt")
	assert.Equal(t, exitUsage, exit)
	assert.Contains(t, stderr, "instructions")
}

// Keys come from .env, and GEMINI_LOG=false leaves only what can't be missed.
func TestServeReadsDotEnvAndCanBeQuiet(t *testing.T) {
	t.Parallel()
	simulator := launch(t, nil, "simulator", "--port", "0", "--keys", "2", "--latency", "0s", "--jitter", "0s")
	file := filepath.Join(t.TempDir(), "settings.env")
	require.NoError(t, os.WriteFile(file, []byte("GEMINI_KEY_7=simulated-key-2\nGEMINI_LOG=false\nGOOGLE_GEMINI_BASE_URL="+simulator.address()+"\n"), 0o600))
	p := launch(t, nil, "serve", "--env-file", file, "--port", "0", "--store", "memory")
	url := p.address()
	assert.NotContains(t, p.out.String(), "SIMULATED")
	assert.NotContains(t, p.out.String(), "healthy")
	status, body := post(t, url+"/generate", `{"prompt":"Hello"}`)
	assert.Equal(t, http.StatusOK, status, body)
	assert.Contains(t, body, `"key_used":7`)
	assert.NotContains(t, p.stderr.String(), "msg=response")
	assert.NotContains(t, p.out.String()+p.stderr.String(), "simulated-key-2")
	p.signal(os.Interrupt)
}

// serve talks to a simulator as it does to Gemini, as the help says.
func TestSimulatorPrintsASummary(t *testing.T) {
	t.Parallel()
	asking := []string{"FLUXGATE_TOKEN=0123456789abcdef"} // a shell from which a Fluxgate is asked
	simulator := launch(t, asking, "simulator", "--port", "0", "--keys", "1", "--latency", "1ms", "--jitter", "0s",
		"--limits", `{"flash":{"rpm":1,"tpm":100000}}`, "--reject-oversize", "--window", "minute")
	p := launch(t, []string{
		"FLUXGATE_STORE=memory", "FLUXGATE_POLICY=off", "PORT=0", "FLUXGATE_COUNT=exact", "GEMINI_MODE=flash_only", "FLUXGATE_CHAIN=gemini-2.5-flash",
		"GEMINI_KEY_1=simulated-key-1", "GOOGLE_GEMINI_BASE_URL=" + simulator.address(),
	}, "serve")
	url := p.address()
	status, body := post(t, url+"/generate", `{"prompt":"one"}`)
	assert.Equal(t, http.StatusOK, status, body)
	status, body = post(t, url+"/generate", `{"prompt":"two"}`) // Fluxgate believes in 10 a minute
	assert.Equal(t, http.StatusTooManyRequests, status, body)
	p.signal(os.Interrupt)
	exit, took := simulator.signal(syscall.SIGTERM)
	assert.Zero(t, exit)
	assert.Less(t, took, 5*time.Second)
	// Counted: the check of the key at the start, and each prompt.
	assert.Contains(t, simulator.out.String(), "accepted=1 refused_rpm=1 refused_tpm=0 refused_rpd=0 other_errors=0 counted=3\n")
}

func TestSimulatorRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--window", "hour"}, {"--keys", "0"}, {"--limits", "x"}, {"--latency", "-1s"}} {
		exit, _, stderr := run(t, nil, append([]string{"simulator", "--port", "0"}, args...)...)
		assert.Equal(t, exitUsage, exit, args)
		assert.NotEmpty(t, stderr)
	}
}

// --help says what matters to whoever has never seen the command.
func TestHelp(t *testing.T) {
	t.Parallel()
	for command, words := range map[string][]string{
		"":          {"serve", "simulator", "batch", "429"},
		"serve":     {"PORT", "8080", "FLUXGATE_STORE", "memory", "emulator", "GEMINI_KEY_1", ".env", "GEMINI_MODE", "simulated Gemini", "FLUXGATE_TOKENS"},
		"simulator": {"--limits", "--window", "--latency", "--keys", "--reject-oversize", "GOOGLE_GEMINI_BASE_URL", "simulated-key-1"},
		"batch":     {"--chunk-tokens", "--instructions", "--concurrency", "--output", "429", "journal"},
	} {
		args := []string{"--help"}
		if command != "" {
			args = []string{command, "--help"}
		}
		exit, out, stderr := run(t, nil, args...)
		assert.Zero(t, exit, stderr)
		for _, word := range words {
			assert.Contains(t, out, word, command)
		}
	}
}

// README has clients export the variable that serve reads too.
func TestServeIsNotItsOwnUpstream(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	require.NoError(t, free.Close())
	p := launch(t, []string{"FLUXGATE_STORE=memory", "PORT=" + port, "GEMINI_KEY_1=a", "GOOGLE_GEMINI_BASE_URL=http://localhost:" + port}, "serve")
	assert.Equal(t, exitUsage, p.wait())
	assert.Contains(t, p.stderr.String(), "GOOGLE_GEMINI_BASE_URL is this server's own address")
	assert.NotContains(t, p.out.String(), "serving on")
}

// Both of Google's variables are often set. Only one is used, of which nothing is to be
// said, and the other is not spoken of: it may be another service's. Case C16.
func TestServeUsesOneOfGooglesKeys(t *testing.T) {
	t.Parallel()
	simulator := launch(t, nil, "simulator", "--port", "0")
	p := launch(t, []string{"FLUXGATE_STORE=memory", "PORT=0", "GEMINI_API_KEY=simulated-key-1", "GOOGLE_API_KEY=another-service's",
		"GOOGLE_GEMINI_BASE_URL=" + simulator.address() + "/v1beta"}, "serve")
	status, body := post(t, p.address()+"/generate", `{"prompt":"Hello"}`)
	assert.Equal(t, http.StatusOK, status, body)
	all := p.out.String() + p.stderr.String()
	assert.NotContains(t, all, "GEMINI_API_KEY")
	assert.Contains(t, all, `GOOGLE_GEMINI_BASE_URL ends in \"/v1beta\", which is left out`)
	assert.NotContains(t, all, "GOOGLE_API_KEY")
	assert.Contains(t, all, "keys: 1 healthy")
}

// Where nobody looks on, nothing answers as if it were Gemini that isn't asked to: it
// says what is missing, and its health is bad.
func TestServeWithoutKeysOrTerminal(t *testing.T) {
	t.Parallel()
	_, port, err := net.SplitHostPort(freeAddress(t))
	require.NoError(t, err)
	p := launch(t, []string{"FLUXGATE_STORE=memory", "PORT=" + port, "FLUXGATE_DEMO="}, "serve")
	url := "http://127.0.0.1:" + port
	require.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), "answering 503 on "+url) }, patience, 10*time.Millisecond)
	assert.Contains(t, p.stderr.String(), "no key is configured: set GEMINI_KEY_1")
	for _, path := range []string{"/health", "/generate", "/"} {
		resp, err := http.Get(url + path)
		require.NoError(t, err)
		_ = resp.Body.Close()
		assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, path)
	}
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	assert.Error(t, <-p.ended, "it has failed, and its exit says so")
	assert.NotContains(t, p.out.String(), "SIMULATED")

	// Asked for, it says that it simulates.
	p = launch(t, []string{"FLUXGATE_STORE=memory", "PORT=0", "FLUXGATE_DEMO="}, "serve", "--demo")
	resp, err := http.Get(p.address() + "/health")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Regexp(t, `^{"status":"ok","version":"\d+\.\d+\.\d+",.*"simulated":true}$`, strings.TrimSpace(string(body)))
	for path, body := range map[string]string{
		"/openai/v1/chat/completions": `{"model":"gpt-5.5","messages":[{"role":"user","content":"Hello"}]}`,
		"/anthropic/v1/messages":      `{"model":"claude-sonnet-5","max_tokens":16,"messages":[{"role":"user","content":"Hello"}]}`,
	} {
		resp, err := http.Post(p.address()+path, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode, string(answer))
		assert.Contains(t, string(answer), "Answer to: Hello")
	}
}

// freeAddress returns one that nobody listens on, at least a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
