//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package emulatortest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator"
)

// The test binary also plays the test processes of a run, with the run in this variable as JSON: it joins, prints the
// address and stays until its standard input is closed. With an empty run it is a parent, which only stays.
const userEnv = "FLUXGATE_EMULATOR_TEST_USER"

func TestMain(m *testing.M) {
	job, ok := os.LookupEnv(userEnv)
	if !ok {
		os.Exit(m.Run())
	}
	if job != "" {
		var r run
		err := json.Unmarshal([]byte(job), &r)
		if err == nil {
			var host string
			host, shared.users, err = r.join(context.Background())
			fmt.Println(host)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

const patience = 60 * time.Second

// player is a process that plays a part.
type player struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

func play(t *testing.T, job string) *player {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), userEnv+"="+job)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &player{cmd: cmd, stdin: stdin, out: bufio.NewReader(out)}
	t.Cleanup(p.kill)
	return p
}

func user(t *testing.T, r run) *player {
	t.Helper()
	job, err := json.Marshal(r)
	require.NoError(t, err)
	return play(t, string(job))
}

// host waits until the user has joined.
func (p *player) host(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

// leave ends the process as a test process ends, kill as an impatient person does.
func (p *player) leave() {
	_ = p.stdin.Close()
	_ = p.cmd.Wait()
}

func (p *player) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// testRun is a run of its own with a parent that is taken for `go test` and ends with the test.
func testRun(t *testing.T) (r run, parent *player) {
	t.Helper()
	SkipShort(t)
	Require(t, emulator.Missing())
	parent = play(t, "")
	p := identify(parent.cmd.Process.Pid)
	p.GoTest = true
	r = run{Dir: filepath.Join(t.TempDir(), "run"), Parent: p, Cold: true}
	t.Cleanup(func() {
		parent.kill()
		assert.Eventually(t, func() bool { return !exists(r.Dir) }, patience, lockInterval,
			"the run must leave nothing behind")
	})
	return r, parent
}

func current(t *testing.T, r run) state {
	t.Helper()
	st, live, err := readState(filepath.Join(r.Dir, stateFile))
	require.NoError(t, err)
	require.True(t, live)
	return st
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// running reports whether the process exists and isn't a zombie, which only its parent can remove.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	out, err := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

func requireGone(t *testing.T, st state) {
	t.Helper()
	for _, pid := range []int{st.Emulator, st.Supervisor} {
		require.NotZero(t, pid)
		require.Eventually(t, func() bool { return !running(pid) }, patience, lockInterval)
	}
	require.Error(t, emulator.Check(t.Context(), st.Host))
}

// A whole run: packages at the same time, a gap between two packages, and the end of go test.
func TestOneEmulatorForTheWholeRun(t *testing.T) {
	t.Parallel()
	r, parent := testRun(t)
	first, second := user(t, r), user(t, r)
	host := first.host(t)
	assert.Equal(t, host, second.host(t), "two processes that start at once")
	require.NoError(t, emulator.Check(t.Context(), host))
	st := current(t, r)

	first.leave()
	second.kill() // a test that times out doesn't leave, it is killed
	require.Never(t, func() bool { return !running(st.Emulator) }, 5*watchInterval, watchInterval,
		"the next package may still be compiling")
	third := user(t, r)
	assert.Equal(t, host, third.host(t), "a process that starts later")

	parent.kill()
	require.Never(t, func() bool { return !running(st.Emulator) }, 5*watchInterval, watchInterval,
		"a test process may outlive go test")
	third.leave()
	requireGone(t, st)
}

// Ctrl-C reaches the whole foreground group, and nobody gets to clean up.
func TestEverythingKilledAtOnce(t *testing.T) {
	t.Parallel()
	r, parent := testRun(t)
	u := user(t, r)
	u.host(t)
	st := current(t, r)
	group, err := syscall.Getpgid(st.Supervisor)
	require.NoError(t, err)
	assert.Equal(t, st.Supervisor, group, "a group of its own is what keeps Ctrl-C from it")
	u.kill()
	parent.kill()
	requireGone(t, st)
}

// A test binary run by hand has a shell or a debugger as its parent, which says nothing about there being more.
func TestLingersWithoutGoTest(t *testing.T) {
	t.Parallel()
	r, _ := testRun(t)
	r.Parent.GoTest = false
	r.Linger = 5 * time.Second // enough to start a process in on a busy machine
	u := user(t, r)
	host := u.host(t)
	st := current(t, r)
	u.leave()
	again := user(t, r)
	assert.Equal(t, host, again.host(t), "within the time")
	again.leave()
	requireGone(t, st)
}

// What a crash leaves behind is a state that looks like any other, except that nobody holds it.
func TestCrashedSupervisor(t *testing.T) {
	t.Parallel()
	r, _ := testRun(t)
	user(t, r).host(t)
	crashed := current(t, r)
	require.NoError(t, syscall.Kill(crashed.Supervisor, syscall.SIGKILL))
	if runtime.GOOS == "linux" {
		requireGone(t, crashed)
	} else {
		_ = syscall.Kill(crashed.Emulator, syscall.SIGKILL)
	}

	host := user(t, r).host(t)
	st := current(t, r)
	assert.Equal(t, st.Host, host)
	assert.NotEqual(t, crashed.Supervisor, st.Supervisor)
	assert.NotEqual(t, crashed.Emulator, st.Emulator, "another one, be it at the port that has become free")
	require.NoError(t, emulator.Check(t.Context(), st.Host))
}

// A starter that is killed leaves a supervisor that is halfway: the next one must wait for it, not start another.
func TestCrashedStarter(t *testing.T) {
	t.Parallel()
	r, _ := testRun(t)
	starter := user(t, r)
	require.Eventually(t, func() bool {
		_, live, err := readState(filepath.Join(r.Dir, stateFile))
		return err == nil && live
	}, patience, time.Millisecond)
	starter.kill()
	next := user(t, r)
	require.NoError(t, emulator.Check(t.Context(), next.host(t)))
}

func TestEmulatorThatEndsByItself(t *testing.T) {
	t.Parallel()
	r, _ := testRun(t)
	u := user(t, r)
	u.host(t)
	st := current(t, r)
	require.NoError(t, syscall.Kill(st.Emulator, syscall.SIGKILL))
	require.Eventually(t, func() bool { return current(t, r).Error != "" }, patience, lockInterval)

	// Another one would be empty, and hide why the tests that were running failed.
	_, _, err := r.join(t.Context())
	require.ErrorContains(t, err, "ended by itself")
}

// A start may take a minute to fail, and would in every package.
func TestFailedStartIsNotRepeated(t *testing.T) {
	sdk, home := t.TempDir(), t.TempDir()
	jar := filepath.Join(sdk, "platform", "cloud-firestore-emulator", "cloud-firestore-emulator.jar")
	require.NoError(t, os.MkdirAll(filepath.Dir(jar), 0o700))
	require.NoError(t, os.WriteFile(jar, nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(home, "bin"), 0o700))
	starts := filepath.Join(home, "starts")
	require.NoError(t, os.WriteFile(filepath.Join(home, "bin", "java"),
		[]byte("#!/bin/sh\necho start >> '"+starts+"'\necho 'no such class' >&2\nexit 1\n"), 0o700))
	t.Setenv("CLOUDSDK_ROOT_DIR", sdk)
	t.Setenv("JAVA_HOME", home)

	r, _ := testRun(t)
	for range 2 {
		_, _, err := r.join(t.Context())
		require.ErrorContains(t, err, "no such class")
	}
	text, err := os.ReadFile(starts)
	require.NoError(t, err)
	assert.Equal(t, "start\n", string(text))
}

// Anybody can make a name in the directory of temporary files.
func TestForeignDirectory(t *testing.T) {
	elsewhere := t.TempDir()
	r := run{Dir: filepath.Join(t.TempDir(), "run")}
	require.NoError(t, os.Symlink(elsewhere, r.Dir))
	_, _, err := r.join(t.Context())
	require.ErrorContains(t, err, "not a directory of this user")
	assert.False(t, exists(filepath.Join(elsewhere, usersFile)))
}

func TestLockWaitsAsLongAsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "file")
	held, err := lock(t.Context(), path, syscall.LOCK_EX)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockInterval)
	defer cancel()
	_, err = lock(ctx, path, syscall.LOCK_SH)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, held.Close())
	_, err = lock(t.Context(), path, syscall.LOCK_SH)
	require.NoError(t, err)
}

// The supervisor that ends removes the file and the directory while somebody waits for the lock.
func TestLockOfARemovedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "file")
	held, err := lock(t.Context(), path, syscall.LOCK_EX)
	require.NoError(t, err)
	locked := make(chan *os.File)
	go func() {
		f, err := lock(t.Context(), path, syscall.LOCK_SH)
		assert.NoError(t, err)
		locked <- f
	}()
	// Renaming takes it away at one instant; the goroutine may be making it anew.
	require.NoError(t, os.Rename(filepath.Dir(path), filepath.Dir(path)+"-removed"))
	require.NoError(t, held.Close())
	assert.True(t, isAt(<-locked, path), "a lock on a file that nobody else can find protects nothing")
}

func TestIdentify(t *testing.T) {
	p := play(t, "")
	id := identify(p.cmd.Process.Pid)
	assert.False(t, id.GoTest)
	assert.True(t, id.alive())
	other := id
	other.Start += "1"
	assert.Equal(t, runtime.GOOS != "linux", other.alive(), "the same ID, another process")
	p.kill()
	assert.False(t, id.alive())
}
