//go:build unix

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/standstill"
	"fluxgate.dev/fluxgate/internal/testbuffer"
)

// The point of these tests is the process: they build the command once and run it as a user
// does. With -short this very binary is the command, so nothing is built and linked besides.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fluxgate-cmd-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, programName)
	if testing.Short() {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		return path, os.Symlink(self, path)
	}
	// What a debugger would need takes the linker a third of its time.
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// programName is what the command is called, which the tests' own binary isn't.
const programName = "fluxgate"

// programDir is where the program is, once a test has needed it.
var programDir string

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == programName {
		main()
		return
	}
	// Most wait for their processes, so more of them run than there are processors.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	if programDir != "" {
		_ = os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// patience is what a busy machine may need for what takes a moment.
const patience = 30 * time.Second

// A process is a running command.
type process struct {
	t           *testing.T
	cmd         *exec.Cmd
	out, stderr testbuffer.Buffer
	ended       chan error
}

// launch runs the command in an empty directory, with PATH, HOME, GORACE and these
// settings for an environment. Nobody is at a terminal, so the demo is asked for.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	p := &process{t: t, cmd: exec.Command(path, args...), ended: make(chan error, 1)}
	p.cmd.Dir = t.TempDir()
	// Without GORACE a command that is watched by the race detector lasts a second longer.
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GORACE=" + os.Getenv("GORACE"), "FLUXGATE_DEMO=true"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.stderr
	require.NoError(t, p.cmd.Start())
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// address waits until the process says what it serves, and returns its URL.
func (p *process) address() string {
	p.t.Helper()
	says := regexp.MustCompile(`(?m)^(?:serving|simulated Gemini) on (http://\S+)`)
	var found []string
	require.Eventually(p.t, func() bool {
		found = says.FindStringSubmatch(p.out.String())
		return found != nil
	}, 2*patience, 20*time.Millisecond, "it serves nothing: %s%s", &p.out, &p.stderr)
	return found[1]
}

// signal sends a signal and returns how the process ended, and after how long, but for what
// the machine stood still.
func (p *process) signal(s os.Signal) (exit int, took time.Duration) {
	p.t.Helper()
	watch := standstill.Begin()
	require.NoError(p.t, p.cmd.Process.Signal(s))
	exit = p.wait()
	return exit, watch.End().Ran()
}

// wait returns the exit code, 128 and more for a signal.
func (p *process) wait() int {
	p.t.Helper()
	return p.waitFor(patience)
}

func (p *process) waitFor(limit time.Duration) int {
	p.t.Helper()
	select {
	case err := <-p.ended:
		var exit *exec.ExitError
		switch {
		case err == nil:
			return 0
		case errors.As(err, &exit):
			if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
				return 128 + int(status.Signal())
			}
			return exit.ExitCode()
		}
		require.NoError(p.t, err)
	case <-time.After(limit):
		require.Fail(p.t, "it doesn't end", "%s%s", &p.out, &p.stderr)
	}
	return -1
}

// run runs a command that ends by itself.
func run(t *testing.T, env []string, args ...string) (exit int, out, stderr string) {
	t.Helper()
	p := launch(t, env, args...)
	exit = p.wait()
	return exit, p.out.String(), p.stderr.String()
}

// post sends a body and returns the status and the answer.
func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}
