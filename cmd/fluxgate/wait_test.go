//go:build unix

package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// waiting waits until the process says where it waits, and returns its URL.
func (p *process) waiting() string {
	p.t.Helper()
	says := regexp.MustCompile(`(?m)^waiting on (http://\S+)`)
	var found []string
	require.Eventually(p.t, func() bool {
		found = says.FindStringSubmatch(p.out.String())
		return found != nil
	}, 2*patience, 20*time.Millisecond, "it waits nowhere: %s%s", &p.out, &p.stderr)
	return found[1]
}

// The second address of serve serves what the first does, with the caller's own token.
func TestServeWait(t *testing.T) {
	t.Parallel()
	const token = "a-token-of-the-caller"
	p := launch(t, []string{"FLUXGATE_STORE=memory", "FLUXGATE_POLICY=off", "PORT=0", "FLUXGATE_TOKENS=me:" + token}, "serve", "--wait", "--wait-port", "0")
	url := p.waiting() + "/v1beta/models/gemini-2.5-flash:generateContent?key="
	const body = `{"contents":[{"parts":[{"text":"Hello"}]}]}`
	status, answer := post(t, url+token, body)
	assert.Equal(t, http.StatusOK, status, answer)
	assert.Contains(t, answer, "Hillu")
	status, _ = post(t, url+"another", body)
	assert.Equal(t, http.StatusUnauthorized, status)
	exit, took := p.signal(syscall.SIGTERM)
	assert.Zero(t, exit, p.stderr.String())
	assert.Less(t, took, patience)
}

// The command finds the proxy in its environment; its exit code and what it prints are its own.
func TestWaitRunsACommand(t *testing.T) {
	t.Parallel()
	const token = "a-token-of-the-caller"
	server := launch(t, []string{"FLUXGATE_STORE=memory", "FLUXGATE_POLICY=off", "PORT=0", "FLUXGATE_TOKENS=me:" + token}, "serve")
	env := []string{"FLUXGATE_URL=" + server.address(), "FLUXGATE_TOKEN=" + token}
	asks, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("needs curl")
	}
	p := launch(t, env, "wait", "--", "/bin/sh", "-c",
		asks+` -s "$GOOGLE_GEMINI_BASE_URL/v1beta/models/gemini-2.5-flash:generateContent" -H "x-goog-api-key: $GEMINI_API_KEY" -d '{"contents":[{"parts":[{"text":"Hello"}]}]}'; exit 3`)
	assert.Equal(t, 3, p.wait(), p.stderr.String())
	assert.Contains(t, p.out.String(), "Hillu")
	assert.NotContains(t, p.stderr.String(), "ended with", "the exit code says it")

	started := filepath.Join(t.TempDir(), "started")
	p = launch(t, env, "wait", "--", "/bin/sh", "-c", `trap 'exit 5' INT; : >'`+started+`'; while :; do sleep 0.1; done`)
	require.Eventually(t, func() bool { _, err := os.Stat(started); return err == nil }, patience, 10*time.Millisecond)
	exit, _ := p.signal(os.Interrupt)
	assert.Equal(t, 5, exit)

	// As of a shell, env or xargs.
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o600))
	for command, code := range map[string]int{"no-such-command": 127, plain + "-not": 127, plain: 126} {
		p = launch(t, env, "wait", "--", command)
		assert.Equal(t, code, p.wait(), command)
		assert.Contains(t, p.stderr.String(), "start the command: ")
	}

	p = launch(t, env, "wait", "--", "/bin/sh", "-c", "sleep 60 >/dev/null 2>&1 </dev/null & exit 0")
	begin := time.Now()
	assert.Zero(t, p.wait())
	assert.Less(t, time.Since(begin), patience)
}

func TestWaitRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--to", "http://function.example"}, "unencrypted"},
		{[]string{"--listen", "0.0.0.0:0"}, "isn't this machine's loopback"},
		{[]string{"python", "app.py"}, "write -- before the command"},
		{[]string{"--longest", "-1s"}, "can't be negative"},
	} {
		p := launch(t, nil, append([]string{"wait"}, c.args...)...)
		assert.Equal(t, 2, p.wait())
		assert.Contains(t, p.stderr.String(), c.says, strings.Join(c.args, " "))
	}
}
