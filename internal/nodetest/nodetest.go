package nodetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	folder     = "js"
	oldestNode = 20
	// An installation takes what the network takes.
	installTimeout = 5 * time.Minute
	// grace is what node has after a test's own limit to say which test it was.
	grace = time.Minute
)

// required says that something missing is a failure, not a reason to skip.
var required = os.Getenv("FLUXGATE_REQUIRE_CLIENTS") == "1"

// Missing skips the test for want of something, or fails it.
func Missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if required {
		t.Fatalf(format, args...)
	}
	t.Skipf(format+"; FLUXGATE_REQUIRE_CLIENTS=1 makes this a failure", args...)
}

// Run has node run the suite in js/NAME.test.mjs, which may take so long, with these
// settings in its environment. (For node the whole file is a test too.)
func Run(t *testing.T, name string, limit time.Duration, env ...string) {
	t.Helper()
	node := Install(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit+grace)
	defer cancel()
	suite := name + ".test.mjs"
	cmd := exec.CommandContext(ctx, node, "--test", fmt.Sprintf("--test-timeout=%d", limit.Milliseconds()), "--test-reporter=spec", suite)
	cmd.Dir = folder
	// Nothing else of the environment: keys, proxies and the time zone of the
	// developer's would change what is tested.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "NO_COLOR=1"}, env...)
	cmd.WaitDelay = 5 * time.Second // for grandchildren that hold the pipes
	out, err := cmd.CombinedOutput()
	t.Logf("%s", bytes.TrimSpace(out))
	require.NoError(t, err, "node --test %s", suite)
}

// Install returns the path of node, once the libraries are there.
func Install(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs node and libraries of npm's, which -short leaves out")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		Missing(t, "node is not installed (Node.js %d or later, with npm)", oldestNode)
	}
	version, err := exec.CommandContext(t.Context(), node, "--version").Output()
	require.NoError(t, err)
	major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		Missing(t, "%s is node %s, want %d or later", node, bytes.TrimSpace(version), oldestNode)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		Missing(t, "npm is not installed")
	}
	installed.Do(func() { installOutput, installError = installLibraries(npm) })
	if installError != nil {
		Missing(t, "npm ci: %v\n%s", installError, installOutput)
	}
	return node
}

// A test binary is of one package, and so of one folder.
var (
	installed     sync.Once
	installOutput []byte
	installError  error
)

// installLibraries has npm install what the lock file says, unless it is there:
// npm leaves a copy of the lock file beside what it has installed.
func installLibraries(npm string) (output []byte, err error) {
	lock, err := os.Stat(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	copied, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json"))
	if err == nil && !copied.ModTime().Before(lock.ModTime()) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--prefer-offline", "--no-audit", "--no-fund")
	cmd.Dir = folder
	return cmd.CombinedOutput()
}

var exactVersion = regexp.MustCompile(`^\d+\.\d+\.\d+$`)

// RequireLock requires that what is installed is the same everywhere: exact
// versions with their hashes, from npm's own registry and no mirror of somebody's.
func RequireLock(t *testing.T) {
	t.Helper()
	var manifest struct {
		Dependencies map[string]string
	}
	read(t, "package.json", &manifest)
	require.NotEmpty(t, manifest.Dependencies)

	var lock struct {
		Packages map[string]struct {
			Version, Integrity, Resolved string
			Link                         bool
		}
	}
	read(t, "package-lock.json", &lock)
	for name, version := range manifest.Dependencies {
		assert.Regexp(t, exactVersion, version, name)
		assert.Equal(t, version, lock.Packages["node_modules/"+name].Version, name)
	}
	for name, p := range lock.Packages {
		if name == "" {
			continue // the folder itself
		}
		assert.True(t, strings.HasPrefix(p.Integrity, "sha512-"), "%s has no hash", name)
		assert.False(t, p.Link, "%s is a folder of somebody's machine", name)
		if p.Resolved != "" {
			assert.True(t, strings.HasPrefix(p.Resolved, "https://registry.npmjs.org/"), "%s comes from %s", name, p.Resolved)
		}
	}
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}
