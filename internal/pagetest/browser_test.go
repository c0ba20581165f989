package pagetest

import (
	"encoding/json"
	"flag"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/nodetest"
)

// suiteTimeout is what a suite may take, on a machine that is busy with others.
const suiteTimeout = 7 * time.Minute

var (
	update   = flag.Bool("update", false, "make the pictures of the readme anew")
	pictures = flag.String("pictures", "", "leave a picture of every scenario in this directory")
)

// TestScenarios looks at every made-up pool, in both themes and at both widths.
func TestScenarios(t *testing.T) {
	needsBrowser(t)
	t.Parallel()
	run(t, "scenarios", serveScenarios(t), "PAGE_PICTURES="+*pictures)
}

// TestBehaviour uses the page with made-up pools.
func TestBehaviour(t *testing.T) {
	needsBrowser(t)
	t.Parallel()
	run(t, "behaviour", serveScenarios(t))
}

// needsBrowser skips a test with -short.
func needsBrowser(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("drives a browser, which -short leaves out")
	}
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

// run has node run one suite, with the browser that it drives.
func run(t *testing.T, suite string, env ...string) {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if chromium, err := exec.LookPath(name); err == nil {
			nodetest.Run(t, suite, suiteTimeout, append(env, "PAGE_CHROMIUM="+chromium)...)
			return
		}
	}
	nodetest.Missing(t, "chromium is not installed")
}
