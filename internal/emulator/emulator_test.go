//go:build unix

package emulator

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The emulator itself: everything below is tried on a stand-in process, which proves nothing about Java.
func TestRealEmulator(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the Firestore emulator, which -short leaves out")
	}
	if err := Missing(); err != nil {
		if os.Getenv("FLUXGATE_REQUIRE_EMULATOR") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	var log bytes.Buffer
	e, err := Start(t.Context(), Options{Log: &log})
	require.NoError(t, err)
	require.NoError(t, Check(t.Context(), e.Host))
	assert.True(t, strings.HasPrefix(e.Host, "127.0.0.1:"), "nobody else on the network may reach %s", e.Host)

	require.NoError(t, e.Stop())
	requireGone(t, e.PID())
	require.Error(t, Check(t.Context(), e.Host))
	assert.Contains(t, log.String(), e.Host, "what it printed belongs in the log")
}

func TestStartAndStop(t *testing.T) {
	installFake(t, "good")
	e, err := Start(t.Context(), Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Stop() })
	require.NoError(t, Check(t.Context(), e.Host))

	group, err := syscall.Getpgid(e.PID())
	require.NoError(t, err)
	assert.Equal(t, e.PID(), group, "a group of its own: Ctrl-C must reach the owner only, and Stop all of it")
	assert.NotEqual(t, syscall.Getpgrp(), group)

	require.NoError(t, e.Stop())
	requireGone(t, e.PID())
	<-e.done
	assert.NoError(t, e.Stop(), "stopping twice is what a deferred Stop after an explicit one does")
}

func TestStartOnGivenPort(t *testing.T) {
	installFake(t, "good")
	port, err := choosePort(0)
	require.NoError(t, err)
	e, err := Start(t.Context(), Options{port: port})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Stop() })
	assert.Equal(t, "127.0.0.1:"+strconv.Itoa(port), e.Host)
}

// Whoever holds the port may well answer "Ok": that must not be mistaken for our own emulator.
func TestStartPortInUse(t *testing.T) {
	installFake(t, "good")
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("Ok\n"))
	}))
	defer other.Close()
	_, err := Start(t.Context(), Options{port: other.Listener.Addr().(*net.TCPAddr).Port})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

// The same, with the port lost between choosing it and Java's binding it.
func TestAnswerOfAnotherIsNotOurs(t *testing.T) {
	installFake(t, "good")
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("Ok\n"))
	}))
	defer other.Close()
	t.Setenv(partEnv, "broken")
	found, err := find()
	require.NoError(t, err)
	e, err := launch(found, other.Listener.Addr().(*net.TCPAddr).Port, nil)
	require.NoError(t, err)
	require.ErrorContains(t, e.awaitReady(t.Context()), "ended before it answered")
}

// The port may be free again by the time that the emulator has failed for want of it.
func TestStartChoosesAnotherPort(t *testing.T) {
	for failures, starts := range []bool{true, true, true, false} {
		tried := filepath.Join(t.TempDir(), "tried")
		installFake(t, "unlucky")
		t.Setenv(triedEnv, tried)
		t.Setenv(failuresEnv, strconv.Itoa(failures))
		e, err := Start(t.Context(), Options{})
		if starts {
			require.NoError(t, err)
			require.NoError(t, Check(t.Context(), e.Host))
			require.NoError(t, e.Stop())
		} else {
			require.ErrorContains(t, err, portTaken)
		}
		text, err := os.ReadFile(tried)
		require.NoError(t, err)
		assert.Equal(t, min(failures+1, portAttempts), len(strings.Fields(string(text))))
	}

	installFake(t, "unlucky")
	t.Setenv(triedEnv, filepath.Join(t.TempDir(), "tried"))
	t.Setenv(failuresEnv, "1")
	port, err := choosePort(0)
	require.NoError(t, err)
	_, err = Start(t.Context(), Options{port: port})
	require.ErrorContains(t, err, portTaken, "one that was asked for is not exchanged")
}

func TestStartFails(t *testing.T) {
	installFake(t, "broken")
	_, err := Start(t.Context(), Options{})
	require.ErrorContains(t, err, "exit status 1")
	assert.ErrorContains(t, err, "too old a Java", "what the emulator said is the only explanation there is")
	assert.NotErrorIs(t, err, ErrNotInstalled)
}

func TestStartGivesUp(t *testing.T) {
	installFake(t, "silent")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, Options{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestStopKillsWhatIgnoresSIGTERM(t *testing.T) {
	installFake(t, "stubborn")
	e, err := Start(t.Context(), Options{})
	require.NoError(t, err)
	e.grace = 100 * time.Millisecond
	require.NoError(t, e.Stop())
	requireGone(t, e.PID())
}

// gcloud is a wrapper around a wrapper around Java: all of them have to go, not only the one we know.
func TestStopEndsTheWholeGroup(t *testing.T) {
	if testing.Short() {
		t.Skip("waits in real time, which -short leaves out")
	}
	bare(t)
	sdk, home := t.TempDir(), t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(sdk, "platform", componentDir), 0o700))
	pidFile := filepath.Join(sdk, "pid")
	writeExecutable(t, filepath.Join(sdk, "bin", "gcloud"),
		"#!/bin/sh\n'"+self+"' \"$@\" &\necho $! > '"+pidFile+"'\nwait\n")
	installJava(t, home)
	t.Setenv("PATH", filepath.Join(sdk, "bin"))
	t.Setenv("JAVA_HOME", home)
	t.Setenv(partEnv, "stubborn")

	e, err := Start(t.Context(), Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Stop() })
	text, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	inner, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)

	e.grace = 5 * time.Second
	t.Setenv("PATH", "/usr/bin:/bin") // for ps
	require.NoError(t, e.Stop())
	requireGone(t, e.PID())
	requireGone(t, inner)
}

func TestDoneWhenItEndsByItself(t *testing.T) {
	installFake(t, "good")
	e, err := Start(t.Context(), Options{})
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(e.PID(), syscall.SIGKILL))
	<-e.done
	assert.NoError(t, e.Stop())
}

// An owner that is killed has no chance to stop anything.
func TestEndsWithItsOwner(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a parent-death signal")
	}
	installFake(t, "owner")
	self, err := os.Executable()
	require.NoError(t, err)
	owner := exec.Command(self)
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, owner.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)

	require.NoError(t, owner.Process.Kill())
	_ = owner.Wait()
	requireGone(t, pid)
}

// The parent-death signal is sent when the forking thread ends. Threads end while the process goes on: the runtime ends
// one whose goroutine returned without unlocking it. Here that happens to every thread that is free to be taken.
func TestOutlivesTheThreadThatStartedIt(t *testing.T) {
	installFake(t, "good")
	e, err := Start(t.Context(), Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Stop() })

	const threads = 64
	var locked, ended sync.WaitGroup
	locked.Add(threads)
	for range threads {
		ended.Go(func() {
			runtime.LockOSThread()
			locked.Done()
			locked.Wait()
		})
	}
	ended.Wait()
	select {
	case <-e.done:
		t.Fatal("the emulator ended with a thread")
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, Check(t.Context(), e.Host))
}

func TestCheckRefusesOtherServers(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"another page":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("It works!")) },
		"another status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(h)
			defer s.Close()
			require.ErrorContains(t, Check(t.Context(), s.Listener.Addr().String()), "no Firestore emulator")
		})
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var log bytes.Buffer
	w := &tail{next: &log}
	for range 2 * tailSize {
		_, err := w.Write([]byte("a"))
		require.NoError(t, err)
	}
	_, err := w.Write([]byte("the end"))
	require.NoError(t, err)
	assert.Len(t, w.String(), tailSize)
	assert.True(t, w.contains("the end"))
	assert.Equal(t, 2*tailSize+7, log.Len(), "the log gets everything")
}
