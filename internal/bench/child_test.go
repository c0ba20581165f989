//go:build unix

package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// playVariable has the test program play a party instead of testing.
const playVariable = "FLUXGATE_BENCH_TEST_PLAYS"

func TestMain(m *testing.M) {
	role := os.Getenv(playVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	s := ProcessOptions{In: os.Stdin, Out: os.Stdout, Profile: os.Getenv("PROFILE")}
	s.Serve = func(ctx context.Context) error {
		switch role {
		case "simulator":
			return ServeSimulator(ctx, os.Stdout)
		case "proxy":
			fmt.Println("a line for people")
			return ServeProxy(ctx, os.Stdout, os.Getenv("UPSTREAM"))
		}
		return fmt.Errorf("no part named %q", role)
	}
	if err := RunProcess(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func play(t *testing.T, role string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(env, playVariable+"="+role)
	return cmd
}

// The proxy in front of the simulator answers as the simulator does, and what
// it uses is its own.
func TestChildren(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "proxy")
	a := &processGroup{launch: func(p Process) *exec.Cmd {
		return play(t, string(p.Role), "UPSTREAM="+p.Upstream, "PROFILE="+p.Profile)
	}}
	simulator, err := a.add(t.Context(), "simulator", Process{Role: Simulator})
	require.NoError(t, err)
	proxy, err := a.add(t.Context(), "proxy", Process{Role: Proxy, Upstream: simulator.url, Profile: profile})
	require.NoError(t, err)

	before, err := proxy.usage(t.Context())
	require.NoError(t, err)
	target := &target{url: proxy.url + "/v1beta/models/" + model + ":generateContent", key: keyValue(1), body: nativeBody, client: newClient(4)}
	_, err = target.load(t.Context(), 200, 4)
	require.NoError(t, err)
	assert.EqualValues(t, 200, target.sent.Load())
	after, err := proxy.usage(t.Context())
	require.NoError(t, err)
	assert.Greater(t, after.CPU, before.CPU)
	assert.GreaterOrEqual(t, after.PeakBytes, before.PeakBytes)
	assert.Greater(t, before.PeakBytes, int64(1<<20))

	// A refusal must not pass for a cheap answer.
	target.key = "unknown"
	_, err = target.load(t.Context(), 1, 1)
	assert.ErrorContains(t, err, "400 Bad Request")

	require.NoError(t, a.stop())
	// What the child said of itself is what the system says to its parent.
	total := proxy.cmd.ProcessState.UserTime() + proxy.cmd.ProcessState.SystemTime()
	assert.GreaterOrEqual(t, total, after.CPU)
	assert.Less(t, total, after.CPU+10*time.Second)
	_, err = http.Get(simulator.url)
	assert.Error(t, err, "it is still there")
	for _, name := range []string{profile + ".cpu.pprof", profile + ".allocs.pprof"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, "\x1f\x8b", string(text[:2]), "a profile is gzipped")
	}
}

// Who can't play says why.
func TestChildThatFails(t *testing.T) {
	a := &processGroup{launch: func(Process) *exec.Cmd { return play(t, "clown") }}
	_, err := a.add(t.Context(), "clown", Process{})
	assert.ErrorContains(t, err, `no part named "clown"`)
	assert.NoError(t, a.stop(), "it has been stopped already")

	a.launch = func(Process) *exec.Cmd { return exec.Command(filepath.Join(t.TempDir(), "missing")) }
	_, err = a.add(t.Context(), "missing", Process{})
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// When nobody waits any more a child that is starting is stopped too.
func TestChildGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &processGroup{launch: func(Process) *exec.Cmd { return play(t, "simulator") }}
	_, err := a.add(ctx, "simulator", Process{})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestOwnUsage(t *testing.T) {
	before, err := selfUsage()
	require.NoError(t, err)
	for begin := time.Now(); time.Since(begin) < 20*time.Millisecond; { // burn
	}
	// The peak is what the stream benchmark judges by: it must see memory that is
	// given back again.
	const size = 128 << 20
	for block := make([]byte, size); len(block) > 0; block = block[min(len(block), 4<<10):] {
		block[0] = 1
	}
	debug.FreeOSMemory()
	after, err := selfUsage()
	require.NoError(t, err)
	assert.Greater(t, after.CPU, before.CPU)
	assert.Greater(t, after.PeakBytes, int64(size))
	assert.Less(t, after.ResidentBytes, after.PeakBytes, "it was given back")
}

func TestParseUsage(t *testing.T) {
	u, err := parseUsage("usage 1500 4096 2048")
	require.NoError(t, err)
	assert.Equal(t, Usage{1500, 4096, 2048}, u)
	for _, line := range []string{"", "usage 1", "usage 1 x 2", "usage x 1 2", "usage 1 2 x", "usage 1 2", "usage 1 2 3 4", "other 1 2 3"} {
		_, err := parseUsage(line)
		assert.Error(t, err, line)
	}
}

func TestMemory(t *testing.T) {
	const status = "Name:\tfluxgate\nVmPeak:\t 1000 kB\nVmHWM:\t   30208 kB\nVmRSS:\t 20000 kB\n"
	n, err := memory(status, highWater)
	require.NoError(t, err)
	assert.EqualValues(t, 30208<<10, n)
	n, err = memory(status, resident)
	require.NoError(t, err)
	assert.EqualValues(t, 20000<<10, n)
	for _, status := range []string{"", "VmRSS:\t1 kB\n", "VmHWM:\tx kB\n", "VmHWM:\t1 MB\n", "VmHWM:\n"} {
		_, err := memory(status, highWater)
		assert.Error(t, err, status)
	}
}
