package pagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	oldestNode = 20
	// A suite takes seconds, and an installation what the network takes.
	suiteTimeout   = 8 * time.Minute
	installTimeout = 5 * time.Minute
)

var (
	// required says that a missing browser is a failure, not a reason to skip.
	required = os.Getenv("FLUXGATE_REQUIRE_CLIENTS") == "1"
	update   = flag.Bool("update", false, "make the pictures of the readme anew")
	pictures = flag.String("pictures", "", "leave a picture of every scenario in this directory")
)

// TestScenarios looks at every made-up pool, in both themes and at both widths.
func TestScenarios(t *testing.T) {
	t.Parallel()
	run(t, "scenarios", serveScenarios(t), "PAGE_PICTURES="+*pictures)
}

// TestBehaviour uses the page with made-up pools.
func TestBehaviour(t *testing.T) {
	t.Parallel()
	run(t, "behaviour", serveScenarios(t))
}

// serveScenarios serves all of them, and says where.
func serveScenarios(t *testing.T) string {
	t.Helper()
	urls := map[string]string{}
	for name, s := range scenarios {
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		urls[name] = server.URL
	}
	list, err := json.Marshal(urls)
	require.NoError(t, err)
	return "PAGE_SCENARIOS=" + string(list)
}

// run has node run one suite.
func run(t *testing.T, suite string, env ...string) {
	t.Helper()
	node, chromium := install(t)
	ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "--test", "--test-timeout=420000", "--test-reporter=spec", suite+".test.mjs")
	cmd.Dir = "js"
	// Nothing else of the environment: proxies of the developer's would change
	// where the browser goes, and another zone what it shows.
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "NO_COLOR=1", "PAGE_CHROMIUM=" + chromium,
	}, env...)
	cmd.WaitDelay = 5 * time.Second // for grandchildren that hold the pipes
	out, err := cmd.CombinedOutput()
	t.Logf("%s", bytes.TrimSpace(out))
	require.NoError(t, err, "node --test %s.test.mjs", suite)
}

// install returns the paths of node and Chromium, once the libraries are there.
// Without one of them it skips the test.
func install(t *testing.T) (node, chromium string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed (Node.js %d or later, with npm)", oldestNode)
	}
	version, err := exec.CommandContext(t.Context(), node, "--version").Output()
	require.NoError(t, err)
	major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		missing(t, "%s is node %s, want %d or later", node, bytes.TrimSpace(version), oldestNode)
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if chromium, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		missing(t, "chromium is not installed")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		missing(t, "npm is not installed")
	}
	installed.Do(func() { installOutput, installError = installLibraries(npm) })
	if installError != nil {
		missing(t, "npm ci: %v\n%s", installError, installOutput)
	}
	return node, chromium
}

var (
	installed     sync.Once
	installOutput []byte
	installError  error
)

func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if required {
		t.Fatalf(format, args...)
	}
	t.Skipf(format+"; FLUXGATE_REQUIRE_CLIENTS=1 makes this a failure", args...)
}

// installLibraries has npm install what the lock file says, unless it is there:
// npm leaves a copy of the lock file beside what it has installed.
func installLibraries(npm string) (output []byte, err error) {
	lock, err := os.Stat(filepath.Join("js", "package-lock.json"))
	if err != nil {
		return nil, err
	}
	copied, err := os.Stat(filepath.Join("js", "node_modules", ".package-lock.json"))
	if err == nil && !copied.ModTime().Before(lock.ModTime()) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--prefer-offline", "--no-audit", "--no-fund")
	cmd.Dir = "js"
	return cmd.CombinedOutput()
}
