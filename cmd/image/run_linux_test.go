package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

// containVariable has the test program be what a container runtime is, instead
// of testing: it holds the directory of the image.
const containVariable = "FLUXGATE_IMAGE_TEST_ROOT"

// noContain is how it exits that may not do that here.
const noContain = 77

func TestMain(m *testing.M) {
	if root := os.Getenv(containVariable); root != "" {
		err := contain(root, os.Args[1:])
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, os.ErrPermission) {
			os.Exit(noContain)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// contain runs a program in a root of its own that can't be written to. The
// process has a mount namespace to itself.
func contain(root string, args []string) error {
	const recursive = syscall.MS_PRIVATE | syscall.MS_REC
	for _, m := range []struct {
		source, target string
		flags          uintptr
	}{
		{"", "/", recursive}, // nothing of what follows is seen outside
		{root, root, syscall.MS_BIND},
		{"", root, syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY},
	} {
		if err := syscall.Mount(m.source, m.target, "", m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	if err := syscall.Chroot(root); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := errors.Join(os.Chdir("/"), syscall.Setgroups(nil), syscall.Setgid(65532), syscall.Setuid(65532)); err != nil {
		return err
	}
	// It is read-only indeed, and whoever runs it may write nothing.
	if err := os.WriteFile("/probe", nil, 0o600); !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("the root isn't read-only: %v", err)
	}
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, containVariable) {
			env = append(env, entry)
		}
	}
	return fmt.Errorf("run %s: %w", args[0], syscall.Exec(args[0], args, env))
}

// The image serves as it is configured to: as a user without rights, on a file
// system that can't be written to.
func TestRuns(t *testing.T) {
	race.Skip(t)
	if os.Geteuid() != 0 {
		t.Skip("a root of its own for the image needs root")
	}
	archive := built(t)
	u := unpack(t, archive)
	root := t.TempDir()
	extract(t, u.layer, root)
	require.NoError(t, os.Chmod(filepath.Dir(root), 0o755))
	require.NoError(t, os.Chmod(root, 0o755))

	self, err := os.Executable()
	require.NoError(t, err)
	// Tests listen on loopback addresses only, so the address is another one.
	args := append(u.config.Config.Entrypoint, "--host", "127.0.0.1", "--port", "0")
	cmd := exec.Command(self, args...)
	cmd.Env = append(u.config.Config.Env, containVariable+"="+root, "FLUXGATE_DEMO=true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	if err := cmd.Start(); errors.Is(err, os.ErrPermission) {
		t.Skipf("no mount namespace may be made here: %v", err)
	} else {
		require.NoError(t, err)
	}
	url := ""
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for url == "" && lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if rest, ok := strings.CutPrefix(lines.Text(), "serving on "); ok {
			url, _, _ = strings.Cut(rest, " ")
		}
	}
	if url == "" {
		_, _ = io.Copy(io.Discard, out)
		err := cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == noContain {
			t.Skipf("a root of its own may not be made here: %s", &stderr)
		}
		t.Fatalf("%v: %s%s", err, &said, &stderr)
	}
	ended := make(chan error, 1)
	go func() {
		_, _ = io.Copy(io.Discard, out)
		ended <- cmd.Wait()
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	assert.Contains(t, said.String(), "store: memory")

	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^Uid:\s+65532\s+65532\s+65532\s+65532$`, string(status))
	assert.Regexp(t, `(?m)^CapEff:\s+0+$`, string(status))

	resp, err := http.Get(url + "/health")
	require.NoError(t, err)
	_ = resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	resp, err = http.Post(url+"/generate", "application/json", strings.NewReader(`{"prompt":"Hello"}`))
	require.NoError(t, err)
	var body struct{ Response string }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&body))
	_ = resp.Body.Close()
	assert.Equal(t, "Hillu", body.Response)

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM), "as docker stop does")
	select {
	case err := <-ended:
		assert.NoError(t, err, stderr.String())
	case <-time.After(20 * time.Second):
		t.Error("it doesn't stop")
	}
}

// extract writes a layer to a directory, with the modes that it says.
func extract(t *testing.T, layer []byte, to string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(layer))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		path := filepath.Join(to, h.Name)
		if h.Typeflag == tar.TypeDir {
			require.NoError(t, os.Mkdir(path, h.FileInfo().Mode()))
			continue
		}
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, h.FileInfo().Mode()))
	}
}
