package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
)

const (
	startTimeout = 60 * time.Second
	pollInterval = 50 * time.Millisecond

	// stopGrace is how long the emulator may take over SIGTERM before it is killed. A Java process on a busy machine
	// needs about two seconds.
	stopGrace = 10 * time.Second

	// pipeGrace is how long the output of an ended emulator is still read where something else holds the pipe open.
	pipeGrace = time.Second

	// announceGrace is how long an emulator that answers may take to print its address; see awaitReady.
	announceGrace = 5 * time.Second

	// portAttempts bounds how often a free port is chosen anew because it was taken before the emulator had it.
	portAttempts = 3

	// portTaken is what Java says then, in English. Its exit status is that of all failures.
	portTaken = "java.net.BindException"
)

// Options of Start. The zero value is ready to use.
type Options struct {
	// Log receives what the emulator prints. Nil discards it. It is written to from one goroutine, until Stop returns;
	// its errors are ignored.
	Log io.Writer

	port int // on 127.0.0.1; zero chooses a free one
}

// Emulator is a running Firestore emulator that this process started. Its methods may be called concurrently.
type Emulator struct {
	// Host is the address, as FIRESTORE_EMULATOR_HOST wants it: "127.0.0.1:port".
	Host string

	cmd    *exec.Cmd
	output *tail
	done   chan struct{} // closed once the process has ended and its output has been read

	grace    time.Duration // between SIGTERM and SIGKILL
	stopOnce sync.Once
	stopErr  error
}

// Start runs an emulator and returns once it answers. It gives up after 60 s, or when ctx ends; ctx has no part in the
// emulator's life afterwards, which Stop ends. On Linux the emulator also ends with this process, however that ends,
// unless it had to be started through gcloud.
//
// The error matches ErrNotInstalled when there is none to run; any other one carries the last lines that the emulator printed.
func Start(ctx context.Context, o Options) (*Emulator, error) {
	found, err := find()
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	for attempt := 1; ; attempt++ {
		port, err := choosePort(o.port)
		if err != nil {
			return nil, fmt.Errorf("emulator: port %d: %w", o.port, err)
		}
		e, err := launch(found, port, o.Log)
		if err != nil {
			return nil, fmt.Errorf("emulator: running %s: %w", found.path, err)
		}
		if err = e.awaitReady(ctx); err == nil {
			return e, nil
		}
		if stopErr := e.Stop(); stopErr != nil {
			err = errors.Join(err, stopErr)
		}
		// Who took it may have been the emulator itself, for its other server, to which the system gives any port that is
		// free: that one has ended, too, by now.
		_, taken := choosePort(port)
		if (taken != nil || e.output.contains(portTaken)) && o.port == 0 && attempt < portAttempts && ctx.Err() == nil {
			continue
		}
		return nil, fmt.Errorf("emulator: starting %s on %s: %w\n%s", found.path, e.Host, err, e.output)
	}
}

// launch starts the process and the goroutine that waits for it.
func launch(c command, port int, log io.Writer) (*Emulator, error) {
	e := &Emulator{
		Host:   hostPort(port),
		output: &tail{next: log},
		done:   make(chan struct{}),
		grace:  stopGrace,
		cmd:    exec.Command(c.path, c.argsFor(port)...),
	}
	// Keys are none of an emulator's business.
	e.cmd.Env = append(config.WithoutKeys(os.Environ()), c.env...)
	e.cmd.Stdout, e.cmd.Stderr = e.output, e.output
	e.cmd.WaitDelay = pipeGrace
	setProcessGroup(e.cmd)

	started := make(chan error)
	go func() {
		// The kernel sends a parent-death signal when the thread that forked ends, not the process. This goroutine
		// keeps its thread for as long as the emulator runs, so that the two are the same.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := e.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = e.cmd.Wait() // how it ended is told by awaitReady or doesn't matter
		close(e.done)
	}()
	return e, <-started
}

// awaitReady returns nil once the emulator answers.
//
// An answer alone could come from somebody else who took the port meanwhile, in which case our own process is about to
// fail. So the emulator must also have printed its address, which every release does; one that doesn't any more is
// accepted after announceGrace.
func (e *Emulator) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var answered time.Time
	for {
		err := Check(ctx, e.Host)
		if err == nil && answered.IsZero() {
			answered = time.Now()
		}
		if err == nil && (e.output.contains(e.Host) || time.Since(answered) > announceGrace) {
			return nil
		}
		select {
		case <-e.done:
			return fmt.Errorf("it ended before it answered: %s", e.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("it didn't answer in time: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// PID is the process ID of what was started, which is also the ID of its process group.
func (e *Emulator) PID() int { return e.cmd.Process.Pid }

// Stop ends the process group that Start made, and no other process: SIGTERM, and SIGKILL for what is left after 10 s.
// It returns when the emulator has ended. Further calls do nothing and return the same result; so does the first one
// when the emulator has already ended by itself.
func (e *Emulator) Stop() error {
	e.stopOnce.Do(func() { e.stopErr = e.stop() })
	return e.stopErr
}

func (e *Emulator) stop() error {
	select {
	case <-e.done:
		return nil
	default:
	}
	if err := terminateGroup(e.cmd.Process); err != nil {
		return fmt.Errorf("emulator: stopping process %d: %w", e.PID(), err)
	}
	grace := time.NewTimer(e.grace)
	defer grace.Stop()
	select {
	case <-e.done:
	case <-grace.C:
	}
	// Also after the leader's end: a wrapper may have ended before the Java process it had started.
	if err := killGroup(e.cmd.Process); err != nil {
		return fmt.Errorf("emulator: killing process %d: %w", e.PID(), err)
	}
	<-e.done
	return nil
}
