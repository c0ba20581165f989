//go:build unix

package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The test binary also plays two other parts, chosen by partEnv: the java that Start runs, so that processes that
// misbehave can be tried on any machine, and a program that starts an emulator and is then killed.
const partEnv = "FLUXGATE_EMULATOR_TEST_PART"

// The part "unlucky" finds its port taken so many times, and notes each in a file.
const (
	failuresEnv = "FLUXGATE_EMULATOR_TEST_FAILURES"
	triedEnv    = "FLUXGATE_EMULATOR_TEST_TRIED"
)

func TestMain(m *testing.M) {
	switch part := os.Getenv(partEnv); part {
	case "":
		os.Exit(m.Run())
	case "owner":
		if err := playOwner(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		playJava(part)
	}
}

// playOwner starts an emulator, prints its process ID and waits to be killed.
func playOwner() error {
	if err := os.Setenv(partEnv, "good"); err != nil {
		return err
	}
	e, err := Start(context.Background(), Options{})
	if err != nil {
		return err
	}
	fmt.Println(e.PID())
	<-e.done
	return errors.New("the emulator ended first")
}

// playJava is an emulator as seen from outside: it takes the arguments, prints the address and answers.
func playJava(part string) {
	var host, port string
	for _, arg := range os.Args[1:] {
		if v, ok := strings.CutPrefix(arg, "--host="); ok {
			host = v
		}
		if v, ok := strings.CutPrefix(arg, "--port="); ok {
			port = v
		}
		if v, ok := strings.CutPrefix(arg, "--host-port="); ok {
			host, port, _ = strings.Cut(v, ":")
		}
	}
	switch part {
	case "broken":
		fmt.Fprintln(os.Stderr, "UnsupportedClassVersionError: too old a Java")
		os.Exit(1)
	case "unlucky":
		if unlucky(port) {
			fmt.Fprintln(os.Stderr, "java.net.BindException: Address already in use")
			os.Exit(1)
		}
	case "silent":
		time.Sleep(time.Minute)
		os.Exit(1)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	}
	fmt.Println("API endpoint: http://" + host + ":" + port)
	err := http.ListenAndServe(host+":"+port, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "Ok\n")
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// unlucky notes a start, and reports whether it is one of those that fail.
func unlucky(port string) bool {
	tried, err := os.ReadFile(os.Getenv(triedEnv))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.WriteFile(os.Getenv(triedEnv), append(tried, port+"\n"...), 0o600)
	}
	failures, wrong := strconv.Atoi(os.Getenv(failuresEnv))
	if err = errors.Join(err, wrong); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return true
	}
	return len(strings.Fields(string(tried))) < failures
}

// installFake makes Find see an SDK and a Java of which the latter is this test binary playing part.
func installFake(t *testing.T, part string) {
	t.Helper()
	sdk, home := t.TempDir(), t.TempDir()
	component := filepath.Join(sdk, "platform", componentDir)
	require.NoError(t, os.MkdirAll(component, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(component, jarName), nil, 0o600))
	installJava(t, home)
	t.Setenv("CLOUDSDK_ROOT_DIR", sdk)
	t.Setenv("JAVA_HOME", home)
	t.Setenv(partEnv, part)
}

func installJava(t *testing.T, home string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(home, "bin"), 0o700))
	if err := os.Symlink(self, filepath.Join(home, "bin", "java")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

// requireGone waits until no process has the ID any more; a zombie counts as gone, because reaping it is the business
// of whoever inherited it.
func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return true
		}
		out, err := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
		return err == nil && strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
	}, 20*time.Second, 20*time.Millisecond, "process %d is still there", pid)
}
