//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package emulatortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"fluxgate.dev/fluxgate/internal/emulator"
)

// Names in the directory of a run; see the package comment.
const (
	usersFile = "users"
	startFile = "start"
	stateFile = "state"
	logFile   = "log"
)

const (
	lockInterval = 20 * time.Millisecond

	// lingerWithoutGoTest is how long an unused emulator is kept when nothing tells that there will be no other user.
	lingerWithoutGoTest = 10 * time.Second
)

// run is what the processes of one run have in common. It is handed to the supervisor as JSON.
type run struct {
	Dir    string
	Parent process
	Linger time.Duration // applies when Parent isn't go test
	Cold   bool          // nothing is written to the emulator before it is used
}

// state is the content of the state file, valid only while its supervisor holds the lock.
type state struct {
	Supervisor int    // process IDs
	Emulator   int    `json:",omitempty"`
	Host       string `json:",omitempty"`
	Error      string `json:",omitempty"` // why there is no emulator, or no longer
}

// join makes this process a user of its run's emulator for as long as it keeps users open, and returns the address.
func join(ctx context.Context) (host string, users io.Closer, err error) {
	if err := emulator.Missing(); err != nil {
		return "", nil, err
	}
	parent := identify(os.Getppid())
	r := run{
		Dir: filepath.Join(os.TempDir(),
			fmt.Sprintf("fluxgate-emulator-%d-%d-%s", os.Getuid(), parent.PID, parent.Start)),
		Parent: parent,
		Linger: lingerWithoutGoTest,
	}
	return r.join(ctx)
}

// join is the function of that name, for the processes of r.
func (r run) join(ctx context.Context) (host string, users io.Closer, err error) {
	users, err = lock(ctx, filepath.Join(r.Dir, usersFile), syscall.LOCK_SH)
	if err != nil {
		return "", nil, err
	}
	// From here on no supervisor can end for want of users.
	host, err = r.findOrStart(ctx)
	if err != nil {
		_ = users.Close()
		return "", nil, err
	}
	return host, users, nil
}

// findOrStart returns the address that a live supervisor has published, after starting one if there is none.
func (r run) findOrStart(ctx context.Context) (string, error) {
	start, err := lock(ctx, filepath.Join(r.Dir, startFile), syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer func() { _ = start.Close() }()

	// Whoever held the lock before may have been killed halfway, so a supervisor may exist that is still starting.
	var started int
	var ended <-chan error
	for {
		st, live, err := readState(filepath.Join(r.Dir, stateFile))
		switch {
		case err != nil:
			return "", err
		case live && (started == 0 || st.Supervisor == started) && st.Error != "":
			return "", errors.New(st.Error)
		case live && (started == 0 || st.Supervisor == started) && st.Host != "":
			return st.Host, nil
		case !live && started == 0:
			if started, ended, err = r.spawn(); err != nil {
				return "", err
			}
		}
		select {
		case err := <-ended:
			return "", fmt.Errorf("its supervisor ended (%v)\n%s", err, r.log())
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for its supervisor: %w\n%s", ctx.Err(), r.log())
		case <-time.After(lockInterval):
		}
	}
}

// spawn executes this binary again as the supervisor, detached from this process, its terminal and its output: `go test`
// waits for everybody who holds the latter.
func (r run) spawn() (pid int, ended <-chan error, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, nil, fmt.Errorf("starting a supervisor: %w", err)
	}
	job, err := json.Marshal(r)
	if err != nil {
		return 0, nil, fmt.Errorf("starting a supervisor: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(r.Dir, logFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, nil, fmt.Errorf("starting a supervisor: %w", err)
	}
	defer func() { _ = log.Close() }()

	cmd := exec.Command(self)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), supervisorEnv+"="+string(job))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, nil, fmt.Errorf("starting a supervisor: %w", err)
	}
	wait := make(chan error, 1)
	go func() { wait <- cmd.Wait() }()
	return cmd.Process.Pid, wait, nil
}

// log returns the end of what the emulator and the supervisor have printed.
func (r run) log() string {
	const size = 4 << 10
	text, err := os.ReadFile(filepath.Join(r.Dir, logFile))
	if err != nil {
		return ""
	}
	return string(text[max(0, len(text)-size):])
}

// readState returns the state and whether a supervisor holds it. One that has yet to write it is live with a zero state.
func readState(path string) (st state, live bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, fmt.Errorf("reading the state: %w", err)
	}
	defer func() { _ = f.Close() }()
	free, err := tryLock(f, syscall.LOCK_SH)
	if err != nil {
		return state{}, false, fmt.Errorf("reading the state: %w", err)
	}
	if free {
		return state{}, false, nil
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return state{}, true, fmt.Errorf("reading the state: %w", err)
	}
	if json.Unmarshal(text, &st) != nil {
		return state{}, true, nil // empty or half written: there will be more
	}
	return st, true, nil
}

// lock opens and locks the file, creating it and its directory, and waits for that until ctx ends. Closing the file
// releases the lock.
func lock(ctx context.Context, path string, how int) (*os.File, error) {
	for {
		f, err := openIn(path)
		if err == nil {
			var held bool
			if held, err = tryLock(f, how); held && isAt(f, path) {
				return f, nil
			}
			_ = f.Close()
		}
		// A supervisor that ends removes the directory: then it has to be made once more.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("locking %s: %w", path, ctx.Err())
		case <-time.After(lockInterval):
		}
	}
}

// openIn opens a file of a directory that must be this user's own: the directory of temporary files is everybody's.
func openIn(path string) (*os.File, error) {
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(owner.Uid) != os.Getuid() {
		return nil, fmt.Errorf("%s is not a directory of this user", dir)
	}
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}

// isAt reports whether f is still what path names, and not a file that was removed before it could be locked.
func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}

// tryLock locks f, or reports that somebody else has it. The lock belongs to the open file, so the kernel releases it
// when the process ends, and a child doesn't inherit it because Go closes the file on exec.
func tryLock(f *os.File, how int) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case errors.Is(err, syscall.EINTR):
		default:
			return false, err
		}
	}
}
