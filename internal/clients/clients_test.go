package clients

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	oldestNode = 20
	// A suite takes seconds, and an installation what the network takes.
	suiteTimeout   = 3 * time.Minute
	installTimeout = 5 * time.Minute
)

// required says that a missing client is a failure, not a reason to skip.
var required = os.Getenv("FLUXGATE_REQUIRE_CLIENTS") == "1"

func TestJavaScript(t *testing.T) {
	// What a suite must have had answered with success. Not every client can do
	// everything: only Google's own SDKs and gemini-cli count tokens, and neither
	// the Vercel AI SDK nor gemini-cli lists models.
	suites := map[string][]string{
		"genai": {
			"generateContent", "streamGenerateContent", "countTokens", "batchEmbedContents",
			"/v1beta/models", "/v1beta/models/" + roomy,
		},
		"openai": {
			"/v1beta/openai/chat/completions", "/openai/v1/chat/completions", "/v1beta/openai/embeddings",
			"/v1beta/openai/models",
		},
		"vercel":     {"generateContent", "streamGenerateContent", "embedContent", "batchEmbedContents"},
		"gemini-cli": {"generateContent", "streamGenerateContent", "countTokens"},
	}
	for name, routes := range suites {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := install(t)
			w := newWorld(t)
			ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
			defer cancel()
			cmd := exec.CommandContext(ctx, node, "--test", "--test-timeout=90000", "--test-reporter=spec", name+".test.mjs")
			cmd.Dir = "js"
			// Nothing else of the environment: keys and proxies of the developer's
			// would change where the clients go.
			cmd.Env = []string{
				"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "NO_COLOR=1",
				"FLUXGATE_URL=" + w.url, "FLUXGATE_TOKEN=" + token, "CLIENTS_CONTROL_URL=" + w.control(t),
				"CLIENTS_MODEL_AUTO=" + auto, "CLIENTS_MODEL_ROOMY=" + roomy, "CLIENTS_MODEL_BUSY=" + busy,
				"CLIENTS_MODEL_SPENT=" + spent, "CLIENTS_MODEL_EMBEDDING=" + embedding,
			}
			cmd.WaitDelay = 5 * time.Second // for grandchildren that hold the pipes
			out, err := cmd.CombinedOutput()
			t.Logf("%s", bytes.TrimSpace(out))
			require.NoError(t, err, "node --test %s.test.mjs", name)
			assert.Subset(t, w.answers.routes(), routes, "a suite that calls less than it should proves nothing")
			w.requireCalm(t)
		})
	}
}

// install returns the path of node, once the libraries are there. Without node
// or npm it skips the test.
func install(t *testing.T) string {
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
	npm, err := exec.LookPath("npm")
	if err != nil {
		missing(t, "npm is not installed")
	}
	installed.Do(func() { installOutput, installError = installLibraries(npm) })
	if installError != nil {
		missing(t, "npm ci: %v\n%s", installError, installOutput)
	}
	return node
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
