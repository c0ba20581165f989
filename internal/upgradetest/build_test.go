package upgradetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lastRelease is the commit that this build has to run beside.
const lastRelease = "4bd3115f182b91b551fdc0c5632071d842247438"

// root is the module's, seen from the directory that the tests run in.
const root = "../.."

// command runs a command in a directory and returns what it prints.
func command(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	// The race detector is for what runs in the tests' own process: a service that
	// is ten times slower isn't what runs anywhere. And without cgo, as the image is.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+strings.ReplaceAll(os.Getenv("GOFLAGS"), "-race", ""))
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// buildThis builds the command of this build and returns its path.
func buildThis(t *testing.T) string {
	t.Helper()
	return build(t, filepath.FromSlash(root))
}

// buildRelease builds the command of the last release and returns its path. The
// test is skipped where the history isn't there, as in a source archive or a
// shallow clone, or fails where FLUXGATE_REQUIRE_EMULATOR is "1".
func buildRelease(t *testing.T) string {
	t.Helper()
	repository, err := filepath.Abs(root)
	require.NoError(t, err)
	if out, err := command(t, repository, "git", "cat-file", "-e", lastRelease+"^{commit}"); err != nil {
		if os.Getenv("FLUXGATE_REQUIRE_EMULATOR") == "1" {
			t.Fatalf("FLUXGATE_REQUIRE_EMULATOR is 1, but the last release, commit %s, isn't there: %v: %s", lastRelease, err, out)
		}
		t.Skipf("needs the last release, commit %s, of a clone with its history: %v: %s", lastRelease, err, out)
	}
	tree := filepath.Join(t.TempDir(), "release")
	out, err := command(t, repository, "git", "worktree", "add", "--detach", tree, lastRelease)
	require.NoError(t, err, out)
	defer func() {
		out, err := command(t, repository, "git", "worktree", "remove", "--force", tree)
		require.NoError(t, err, out)
	}()
	return build(t, tree)
}

// build builds as the image is built, so that Go finds what it has compiled for that of
// the modules that both releases use, and of either release before: the path of its tree,
// which may be another each time, isn't in it.
func build(t *testing.T, module string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fluxgate")
	out, err := command(t, module, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "./cmd/fluxgate")
	require.NoError(t, err, out)
	return path
}
