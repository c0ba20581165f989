package functiontest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/testbuffer"
)

const keyValue = "a-key-of-the-function-test"

// The programs that serve the function, each built once, for the first test that
// needs it.
var (
	buildFunction = builder("../../cmd/function")
	buildSettable = builder("./testdata/settable") // takes changes of its environment
)

// programs is the directory of all of them.
var programs = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "fluxgate-function-") })

// builder returns a function that returns the program of a source, or skips the
// test with -short.
func builder(source string) func(*testing.T) string {
	build := sync.OnceValues(func() (string, error) {
		dir, err := programs()
		if err != nil {
			return "", err
		}
		program := filepath.Join(dir, filepath.Base(source))
		// What a debugger would need takes the linker a third of its time.
		out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, source).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		return program, nil
	})
	return func(t *testing.T) string {
		t.Helper()
		if testing.Short() {
			t.Skip("builds and starts programs, which -short leaves out")
		}
		program, err := build()
		require.NoError(t, err)
		return program
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := programs(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// A function is a process that serves it.
type function struct {
	t       *testing.T
	url     string
	in      io.Writer
	out     *bufio.Reader
	stderr  *testbuffer.Buffer
	process *os.Process
}

// freePort returns a port for a process that can't be handed a listener. It is
// none of those that the system gives to whoever asks for any: tests that run
// beside this one do so, and would be given it before the process has taken it.
func freePort(t *testing.T) string {
	t.Helper()
	const lowest, highest = 15_000, 32_000
	for range 100 {
		port := strconv.Itoa(lowest + rand.IntN(highest-lowest))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// start serves the function with these settings and no others.
func start(t *testing.T, env ...string) *function {
	t.Helper()
	program := buildFunction(t)
	return startProgram(t, program, env...)
}

// startProgram is start for another program. No file of the repository is there
// at run time.
func startProgram(t *testing.T, program string, env ...string) *function {
	t.Helper()
	return startIn(t, t.TempDir(), program, append([]string{"FUNCTION_TARGET=Fluxgate"}, env...)...)
}

// startIn starts a program in a directory.
func startIn(t *testing.T, dir, program string, env ...string) *function {
	t.Helper()
	port := freePort(t)
	f := &function{t: t, url: "http://127.0.0.1:" + port, stderr: new(testbuffer.Buffer)}
	cmd := exec.Command(program)
	cmd.Dir = dir
	cmd.Env = append([]string{"PORT=" + port}, env...)
	cmd.Stderr = f.stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	f.in, f.out = in, bufio.NewReader(out)
	require.NoError(t, cmd.Start())
	f.process = cmd.Process
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 20*time.Second, 20*time.Millisecond, "it doesn't listen: %s", f.stderr)
	return f
}

// set changes the environment of the process, which has to be a settable one.
func (f *function) set(name, value string) {
	f.t.Helper()
	_, err := io.WriteString(f.in, name+"="+value+"\n")
	require.NoError(f.t, err)
	for { // the framework writes empty lines between
		line, err := f.out.ReadString('\n')
		require.NoError(f.t, err)
		if strings.TrimSpace(line) == "set" {
			return
		}
	}
}

func (f *function) ask(method, path, body string) (*http.Response, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	require.NoError(f.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(f.t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	return resp, string(text)
}

// gemini serves a simulated Gemini that knows the test's key.
func gemini(t *testing.T) (url string, sim *geminisim.Server) {
	sim = geminisim.New(geminisim.Config{Keys: []geminisim.Key{{Value: keyValue}}})
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return server.URL, sim
}

// The function is registered under its target, and whole.
func TestServes(t *testing.T) {
	t.Parallel()
	url, sim := gemini(t)
	f := start(t, "FLUXGATE_STORE=memory", "GEMINI_KEY_1="+keyValue, "GOOGLE_GEMINI_BASE_URL="+url)
	resp, body := f.ask("GET", "/health", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.Empty(t, sim.RequestLog())
	before := resp.Header.Get("Content-Type") + body
	resp, body = f.ask("POST", "/generate", `{"prompt":"hello"}`)
	assert.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.EqualValues(t, 1, sim.Stats().Accepted)
	resp, body = f.ask("POST", "/generate", `{"prompt":"hello"`)
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
	assert.NotContains(t, f.stderr.String(), keyValue)
	resp, body = f.ask("GET", "/health", "")
	assert.Equal(t, before, resp.Header.Get("Content-Type")+body, "nobody can tell that nothing was there yet")
}

// The command of README.md, with its settings where README.md says that they may
// be.
func TestReadsDotEnv(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), "$ FUNCTION_TARGET=Fluxgate go run ./cmd/function\n")
	program := buildFunction(t)
	url, sim := gemini(t)
	dir := t.TempDir()
	settings := "FLUXGATE_STORE=memory\nGEMINI_KEY_1=" + keyValue + "\nGOOGLE_GEMINI_BASE_URL=" + url + "\nPORT=1\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte(settings), 0o600))
	f := startIn(t, dir, program) // its own port wins over that of the file
	resp, body := f.ask("POST", "/generate", `{"prompt":"hello"}`)
	assert.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.EqualValues(t, 1, sim.Stats().Accepted)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PORT=0"}
	require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, ".env"), []byte("no setting\n"), 0o600))
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "line 1 isn't NAME=value")
}

// Without a key there is no simulator, as in the cloud: a start fails.
func TestHasNoSimulator(t *testing.T) {
	t.Parallel()
	f := start(t, "FLUXGATE_STORE=memory")
	resp, body := f.ask("POST", "/generate", `{"prompt":"hello"}`)
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, body)
	require.Eventually(t, func() bool { return strings.Contains(f.stderr.String(), "no key is configured") }, 10*time.Second, 10*time.Millisecond)
	// And whoever looks at its health sees it.
	resp, body = f.ask("GET", "/health", "")
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	assert.Contains(t, body, `"status":"no key is configured"`)
}

// A deployed function lets nobody in before an operator says who may be, and
// tells why. Probes are answered.
func TestRefusesUnguarded(t *testing.T) {
	t.Parallel()
	url, sim := gemini(t)
	f := start(t, "K_SERVICE=fluxgate", "FLUXGATE_STORE=memory", "GEMINI_KEY_1="+keyValue, "GOOGLE_GEMINI_BASE_URL="+url)
	resp, body := f.ask("POST", "/generate", `{"prompt":"hello"}`)
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	assert.Contains(t, body, "FLUXGATE_TOKENS")
	resp, body = f.ask("GET", "/health", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.Zero(t, sim.Stats().Accepted)
}

// A failed start is retried by the next request, not remembered.
func TestFailedStartIsRetried(t *testing.T) {
	t.Parallel()
	url, _ := gemini(t)
	program := buildSettable(t)
	f := startProgram(t, program, "K_SERVICE=fluxgate", "FLUXGATE_AUTH=iam", "FLUXGATE_STORE=memory", "GOOGLE_GEMINI_BASE_URL="+url, "FLUXGATE_SKEW=long", "GEMINI_MODE=fast")
	for range 2 {
		resp, body := f.ask("GET", "/status", "")
		assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		assert.Equal(t, "5", resp.Header.Get("Retry-After"))
		var out struct {
			Error struct {
				Code   int
				Status string
			}
		}
		require.NoError(t, json.Unmarshal([]byte(body), &out))
		assert.Equal(t, 503, out.Error.Code)
		assert.NotContains(t, body, "FLUXGATE_SKEW", "the cause is for the log")
	}
	// Everything that is wrong, as an error that the platform's log recognises.
	logged := records(t, f, 2)
	assert.Equal(t, "ERROR", logged[0]["severity"])
	assert.Contains(t, logged[0]["error"], "FLUXGATE_SKEW")
	assert.Contains(t, logged[0]["error"], "GEMINI_MODE")

	f.set("FLUXGATE_SKEW", "")
	f.set("GEMINI_MODE", "both")
	resp, _ := f.ask("POST", "/health", "")
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, "there is no key yet")
	f.set("GEMINI_KEY_1", keyValue)
	resp, body := f.ask("POST", "/generate", `{"prompt":"hello"}`)
	assert.Equal(t, http.StatusOK, resp.StatusCode, body)

	// Once it has started it stays as it is.
	f.set("GEMINI_MODE", "fast")
	resp, body = f.ask("POST", "/generate", `{"prompt":"hello again"}`)
	assert.Equal(t, http.StatusOK, resp.StatusCode, body)
}

func records(t *testing.T, f *function, n int) []map[string]any {
	t.Helper()
	var list []map[string]any
	// What the process wrote before it answered comes by a pipe of its own.
	require.Eventually(t, func() bool {
		text := f.stderr.String()
		list = nil
		for line := range strings.Lines(text[:strings.LastIndexByte(text, '\n')+1]) {
			if line = strings.TrimSpace(line); line != "" {
				var record map[string]any
				require.NoError(t, json.Unmarshal([]byte(line), &record), line)
				list = append(list, record)
			}
		}
		return len(list) >= n
	}, 10*time.Second, 10*time.Millisecond)
	require.Len(t, list, n)
	return list
}

// Requests that come during a start share it: a slow failure isn't lived through
// by one after another.
func TestRequestsShareAStart(t *testing.T) {
	t.Parallel()
	// Nobody answers here, so that opening the store takes as long as it may.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	f := start(t, "FIRESTORE_EMULATOR_HOST="+l.Addr().String(), "GEMINI_KEY_1="+keyValue)
	begin := time.Now()
	var wg sync.WaitGroup
	var answered atomic.Int32
	codes := make([]int, 6)
	for i := range codes {
		wg.Go(func() {
			resp, _ := f.ask("GET", "/status", "")
			answered.Add(1)
			codes[i] = resp.StatusCode
		})
	}
	// A probe is answered meanwhile: the process is up.
	resp, body := f.ask("GET", "/health", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode, body)
	resp, _ = f.ask("HEAD", "/health", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Zero(t, answered.Load(), "answered before the probes were")
	wg.Wait()
	assert.Greater(t, time.Since(begin), 2*time.Second, "they didn't wait, so this shows nothing")
	assert.Equal(t, slices.Repeat([]int{http.StatusServiceUnavailable}, len(codes)), codes)
	assert.Less(t, time.Since(begin), 30*time.Second)
	assert.Equal(t, 1, strings.Count(f.stderr.String(), "start failed"))
}
