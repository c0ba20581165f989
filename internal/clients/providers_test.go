package clients

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/nodetest"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
)

// What the SDKs of other providers ask for: of the busy models there is one request a minute
// for each organisation.
const (
	busyChat     = "openai/gpt-5.5-mini"
	busyMessages = "anthropic/claude-haiku-4-5"
)

// others is a world of two organisations of OpenAI's and two of Anthropic's, and no key of
// Gemini's.
type others struct {
	*world
	openai    *openaisim.Server
	anthropic *anthropicsim.Server
}

func newOthers(t *testing.T) *others {
	t.Helper()
	w := &others{world: &world{clock: &clock{began: time.Now()}}}
	one := []simquota.Limit{simquota.PerMinute(simquota.Requests, 1)}
	many := []simquota.Limit{simquota.PerMinute(simquota.Requests, 1000)}
	w.openai = openaisim.New(openaisim.Config{
		Keys: []openaisim.Key{{Value: "sk-clients-0001", Project: "org-a"}, {Value: "sk-clients-0002", Project: "org-b"}},
		Now:  w.clock.now, Limits: map[string][]simquota.Limit{"": many, "gpt-5.5-mini": one},
	})
	w.anthropic = anthropicsim.New(anthropicsim.Config{
		Keys: []anthropicsim.Key{{Value: "sk-ant-clients-0001", Project: "org-c"}, {Value: "sk-ant-clients-0002", Project: "org-d"}},
		Now:  w.clock.now, Limits: map[string][]simquota.Limit{"": many, "claude-haiku-4-5": one},
	})
	openai, anthropic := httptest.NewServer(w.openai), httptest.NewServer(w.anthropic)
	t.Cleanup(openai.Close)
	t.Cleanup(anthropic.Close)
	w.front = w.fluxgate(t, []string{
		"FLUXGATE_TOKENS=clients:" + token, "FLUXGATE_POLICY=off",
		"OPENAI_KEY_1=sk-clients-0001", "OPENAI_PROJECT_1=org-a", "OPENAI_KEY_2=sk-clients-0002", "OPENAI_PROJECT_2=org-b",
		"ANTHROPIC_KEY_1=sk-ant-clients-0001", "ANTHROPIC_PROJECT_1=org-c", "ANTHROPIC_KEY_2=sk-ant-clients-0002", "ANTHROPIC_PROJECT_2=org-d",
		"OPENAI_BASE_URL=" + openai.URL + "/v1", "ANTHROPIC_BASE_URL=" + anthropic.URL,
		fmt.Sprintf(`FLUXGATE_LIMITS={"openai/gpt-5.5":{"rpm":1000},"anthropic/claude-sonnet-5":{"rpm":1000},%q:{"rpm":1},%q:{"rpm":1}}`, busyChat, busyMessages),
	})
	front := httptest.NewServer(w.answers.record(w.busyWhenArmed(t)))
	t.Cleanup(front.Close)
	w.url = front.URL
	return w
}

// faults is how a suite has the providers fail.
func (w *others) faults(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /overload", func(http.ResponseWriter, *http.Request) {
		w.anthropic.FailNext(2, anthropicsim.Overloaded) // both organisations, once
	})
	mux.HandleFunc("POST /revoke", func(http.ResponseWriter, *http.Request) {
		w.openai.SetKey(openaisim.Key{Value: "sk-clients-0001", Project: "org-a", State: openaisim.Revoked})
		w.anthropic.SetKey(anthropicsim.Key{Value: "sk-ant-clients-0001", Project: "org-c", State: anthropicsim.Revoked})
	})
	mux.HandleFunc("POST /later", func(http.ResponseWriter, *http.Request) { w.clock.forward(time.Minute) }) // batches are done
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// OpenAI's and Anthropic's own SDKs, unmodified, in front of their own providers.
func TestOtherProviders(t *testing.T) {
	t.Parallel()
	nodetest.Install(t)
	w := newOthers(t)
	nodetest.Run(t, "providers", suiteTimeout, append(w.environment(t),
		"CLIENTS_FAULTS_URL="+w.faults(t), "CLIENTS_BUSY_CHAT="+busyChat, "CLIENTS_BUSY_MESSAGES="+busyMessages)...)
	assert.Subset(t, w.answers.routes(), []string{
		"/openai/v1/chat/completions", "/openai/v1/responses", "/openai/v1/embeddings", "/openai/v1/models",
		"/anthropic/v1/messages", "/anthropic/v1/messages/count_tokens", "/anthropic/v1/models",
		"/openai/v1/files", "/openai/v1/batches", "/openai/v1/images/edits", "/openai/v1/audio/speech", "/anthropic/v1/files", "/anthropic/v1/messages/batches",
	})
	assert.Zero(t, w.openai.Ledger().Total().Refused)
	assert.Zero(t, w.anthropic.Ledger().Total().Refused)
}

// Anthropic's own SDK for Go, unmodified. It is a module of its own, in the folder go, so that the
// product has none of what it needs.
func TestAnthropicForGo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a library of the module proxy's, which -short leaves out")
	}
	binary := filepath.Join(t.TempDir(), "suite")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, ".")
	build.Dir = "go"
	// Without -race: what runs in there is the library's.
	build.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		nodetest.Missing(t, "Anthropic's SDK for Go: %v\n%s", err, out)
	}
	w := newOthers(t)
	suite := exec.CommandContext(t.Context(), binary, "-test.v", "-test.timeout="+suiteTimeout.String())
	// Nothing else of the environment, as for node: the SDK reads keys and URLs there.
	suite.Env = append(w.environment(t), "HOME="+t.TempDir(), "CLIENTS_FAULTS_URL="+w.faults(t), "CLIENTS_BUSY_MESSAGES="+busyMessages)
	out, err := suite.CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
	assert.NotContains(t, string(out), "--- SKIP")
	assert.Subset(t, w.answers.routes(), []string{
		"/anthropic/v1/messages", "/anthropic/v1/messages/count_tokens", "/anthropic/v1/models", "/anthropic/v1/files", "/anthropic/v1/messages/batches",
	})
	assert.Zero(t, w.anthropic.Ledger().Total().Refused)
}
