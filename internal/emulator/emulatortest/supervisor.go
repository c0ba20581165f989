//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package emulatortest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"cloud.google.com/go/firestore"

	"fluxgate.dev/fluxgate/internal/emulator"
)

// supervisorEnv holds the run, as JSON, in the environment of a supervisor.
const supervisorEnv = "FLUXGATE_EMULATOR_SUPERVISOR"

const (
	watchInterval = 100 * time.Millisecond

	// claimTimeout bounds the wait for the state file's lock. Readers hold it for moments.
	claimTimeout = 5 * time.Second

	// warmTimeout bounds the emulator's first write.
	warmTimeout = 60 * time.Second
)

// init makes a supervisor of a test binary that is executed as one, before anything of the tests has run.
func init() {
	job, ok := os.LookupEnv(supervisorEnv)
	if !ok {
		return
	}
	_ = os.Unsetenv(supervisorEnv)
	var r run
	err := json.Unmarshal([]byte(job), &r)
	if err == nil {
		err = r.supervise()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "supervisor:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// warm has the emulator write something. The first time takes a fresh Java seconds, on a busy machine more than a store
// waits for its database, and which test met that was chance.
func warm(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, warmTimeout)
	defer cancel()
	client, err := newClient(ctx, host, "warm")
	if err != nil {
		return err
	}
	defer client.Close()
	doc := client.Doc("fluxgate/warm")
	err = client.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		if _, err := tx.GetAll([]*firestore.DocumentRef{doc}); err != nil {
			return err
		}
		return tx.Set(doc, map[string]any{"written": firestore.ServerTimestamp})
	})
	if err != nil {
		return fmt.Errorf("first write to the emulator: %w", err)
	}
	return nil
}

// supervise starts the emulator, publishes its address, waits until it isn't needed any more, and leaves nothing behind.
func (r run) supervise() error {
	// A closed terminal is no reason to take the emulator away from tests that still run.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()

	users, err := os.OpenFile(filepath.Join(r.Dir, usersFile), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	claim, cancelClaim := context.WithTimeout(ctx, claimTimeout)
	defer cancelClaim()
	held, err := lock(claim, filepath.Join(r.Dir, stateFile), syscall.LOCK_EX)
	if err != nil {
		return err
	}
	if err := held.Truncate(0); err != nil {
		return err
	}

	// A failed start stays published too, until the run is over: the other processes of the run needn't try it again.
	st := state{Supervisor: os.Getpid()}
	var emulated process
	e, err := emulator.Start(ctx, emulator.Options{Log: os.Stderr})
	if err == nil {
		defer func() { _ = e.Stop() }()
		if !r.Cold {
			err = warm(ctx, e.Host)
		}
	}
	if err != nil {
		st.Error = err.Error()
	} else {
		emulated = identify(e.PID())
		st.Host, st.Emulator = e.Host, emulated.PID
	}
	if err := publish(held, st); err != nil {
		return err
	}

	if ended := r.watch(ctx, users, emulated); ended {
		st = state{Supervisor: st.Supervisor, Error: "the emulator ended by itself during the run\n" + r.log()}
		if err := publish(held, st); err != nil {
			return err
		}
		r.watch(ctx, users, process{})
	}
	if e != nil {
		if err := e.Stop(); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil // told to end while there are users: the directory is theirs
	}
	return r.remove()
}

// publish replaces the content of the state file, which readers find incomplete for a moment.
func publish(f *os.File, st state) error {
	text, err := json.Marshal(st)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(text, '\n'), 0)
	return err
}

// watch returns when the emulator is no longer needed, with an exclusive lock on users so that nobody can begin to need
// it; or when ctx ends. It returns true when the emulator, if there is one, ended instead.
func (r run) watch(ctx context.Context, users *os.File, emulated process) (ended bool) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var idleSince time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		if emulated.PID != 0 && !emulated.alive() {
			return true
		}
		// Before looking at the users: one that the parent starts after this keeps the parent alive.
		over := !r.Parent.alive()
		idle, err := tryLock(users, syscall.LOCK_EX)
		if err != nil || !idle {
			idleSince = time.Time{}
			continue
		}
		if idleSince.IsZero() {
			idleSince = time.Now()
		}
		if over || (!r.Parent.GoTest && time.Since(idleSince) >= r.Linger) {
			return false
		}
		_ = syscall.Flock(int(users.Fd()), syscall.LOCK_UN)
	}
}

// remove deletes the directory. "users" goes last, because whoever can lock a new one takes everything else to be free.
func (r run) remove() error {
	for _, name := range []string{stateFile, startFile, logFile, usersFile} {
		if err := os.Remove(filepath.Join(r.Dir, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	_ = os.Remove(r.Dir) // fails if the next user is there already
	return nil
}
