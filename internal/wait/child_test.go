//go:build unix

package wait

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// run runs a shell's script before a proxy, and returns its exit code.
func run(t *testing.T, script string) int {
	t.Helper()
	f := &function{script: func(http.ResponseWriter, *http.Request, int) {}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	code, err := newProxy(t, f, nil).Run(context.Background(), listener, []string{"/bin/sh", "-c", script})
	require.NoError(t, err)
	_, err = net.Dial("tcp", listener.Addr().String())
	assert.Error(t, err, "it ends with the command")
	return code
}

func TestExitCodes(t *testing.T) {
	assert.Equal(t, 0, run(t, "true"))
	assert.Equal(t, 3, run(t, "exit 3"))
	assert.Equal(t, 128+15, run(t, "kill -TERM $$"))
	assert.Equal(t, 128+9, run(t, "kill -KILL $$"))
}

// A signal to this process reaches the command, which ends as it likes.
func TestSignalsPassOn(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	go func() {
		for range 500 {
			if _, err := os.Stat(started); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		self, err := os.FindProcess(os.Getpid())
		assert.NoError(t, err)
		assert.NoError(t, self.Signal(passed[1])) // SIGTERM
	}()
	assert.Equal(t, 7, run(t, `trap 'exit 7' TERM; : >'`+started+`'; while :; do sleep 0.05; done`))
}

// What the command leaves behind isn't waited for.
func TestChildrenLeftBehind(t *testing.T) {
	left := filepath.Join(t.TempDir(), "left")
	began := time.Now()
	assert.Equal(t, 0, run(t, "sleep 60 & echo $! >'"+left+"'; exit 0"))
	assert.Less(t, time.Since(began), 60*time.Second)
	text, err := os.ReadFile(left)
	require.NoError(t, err)
	id, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	assert.NoError(t, syscall.Kill(id, syscall.SIGKILL), "it still runs")
}

func TestCommandThatIsNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, err = newProxy(t, &function{}, nil).Run(context.Background(), listener, []string{"/no/such/command"})
	assert.ErrorContains(t, err, "/no/such/command")
}

func TestEnvironment(t *testing.T) {
	const address = "http://127.0.0.1:1"
	last := func(environ []string, name string) string { return value(environ, name) }
	bare := Environment([]string{"PATH=/bin", "OPENAI_BASE_URL=https://api.openai.com/v1"}, address)
	for name, want := range map[string]string{
		"PATH": "/bin", "GOOGLE_GEMINI_BASE_URL": address, "OPENAI_BASE_URL": address + "/openai/v1",
		"OPENAI_API_BASE": address + "/openai/v1", "GEMINI_API_BASE": address,
		"GEMINI_API_KEY": placeholder, "OPENAI_API_KEY": placeholder, "GOOGLE_GENERATIVE_AI_API_KEY": placeholder,
		"ANTHROPIC_BASE_URL": address + "/anthropic", "ANTHROPIC_API_KEY": placeholder,
	} {
		assert.Equal(t, want, last(bare, name), name)
	}
	assert.False(t, slices.ContainsFunc(bare, func(pair string) bool { return strings.HasPrefix(pair, "NO_PROXY=") }))
	own := Environment([]string{"GOOGLE_API_KEY=own", "OPENAI_API_KEY=own", "ANTHROPIC_AUTH_TOKEN=own", "HTTP_PROXY=http://proxy", "NO_PROXY=internal"}, address)
	assert.Empty(t, last(own, "GEMINI_API_KEY"), "it would win over, or conflict with, the application's own")
	assert.Equal(t, "own", last(own, "OPENAI_API_KEY"))
	assert.Empty(t, last(own, "ANTHROPIC_API_KEY"), "it would be sent beside the application's own")
	assert.Equal(t, "internal,127.0.0.1,localhost", last(own, "NO_PROXY"))
	assert.Equal(t, "127.0.0.1,localhost", last(own, "no_proxy"))
}
