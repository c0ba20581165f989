//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/batch"
)

const operatorToken = "token-of-an-administrator"

// A deployment answers by the path, and keeps what it was asked.
type deployment struct {
	url string

	mu    sync.Mutex
	asked []string
	heads []http.Header
}

func deploy(t *testing.T, answers map[string]string) *deployment {
	t.Helper()
	d := &deployment{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		d.asked = append(d.asked, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+string(body)))
		d.heads = append(d.heads, r.Header)
		d.mu.Unlock()
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"error":{"code":404,"message":"Nothing is here.","status":"NOT_FOUND"}}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

func (d *deployment) seen() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

func (d *deployment) headers() []http.Header {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.heads)
}

// operate runs a command against a deployment.
func operate(t *testing.T, url string, args ...string) (exit int, out, stderr string) {
	t.Helper()
	exit, out, stderr = run(t, []string{"FLUXGATE_URL=" + url, "FLUXGATE_TOKEN=" + operatorToken}, args...)
	assert.NotContains(t, out+stderr, operatorToken)
	assert.NotContains(t, out+stderr, "\x1b", "no terminal is here")
	return exit, out, stderr
}

func statusFixture(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../internal/remote/testdata/status.json")
	require.NoError(t, err)
	return string(data)
}

func TestStatusCommand(t *testing.T) {
	t.Parallel()
	d := deploy(t, map[string]string{"/status": statusFixture(t)})
	exit, out, stderr := operate(t, d.url+"/", "status", "--events", "1", "--history", "2")
	require.Zero(t, exit, stderr)
	assert.Empty(t, stderr)
	assert.Equal(t, []string{"GET /status"}, d.seen())
	assert.Equal(t, operatorToken, d.headers()[0].Get("X-Fluxgate-Token"))
	for _, row := range []string{
		`(?m)^` + d.url + ` at `, `(?m)^mode +both \(run time\)$`, `(?m)^  2  invalid +team-a +5e6f7a8b .* API_KEY_INVALID$`,
		`(?m)^team-a +gemini-2.5-flash +10/10 +250k/250k +44/250 +12 +38s +38s +38s +4m38s +429/minute 38s, probing$`,
		`(?m)^gemini-2.5-pro +RPM +4 +learned +1d02h +team-a$`, `(?m)^alice +1,204 +3,456,789  RPM 0 of 5, dollars per day \$1\.2500 of \$5\.0000$`, `(?m)^2026-11-23 +gemini-2.5-pro +7 +70$`,
		`(?m)^1h11m ago +root +key 4 disabled$`,
	} {
		assert.Regexp(t, row, out)
	}
	assert.NotContains(t, out, "mode both; this one", "one event was asked for")

	exit, out, stderr = operate(t, d.url, "status", "--json")
	assert.Zero(t, exit, stderr)
	assert.Equal(t, statusFixture(t), out, "as it came")
}

func TestStatusFitsColumns(t *testing.T) {
	t.Parallel()
	d := deploy(t, map[string]string{"/status": statusFixture(t)})
	_, out, _ := run(t, []string{"FLUXGATE_URL=" + d.url, "COLUMNS=80"}, "status")
	assert.Contains(t, out, "translation-stagin…")
	for line := range strings.SplitSeq(out, "\n") {
		assert.LessOrEqual(t, len([]rune(line)), 80, line)
	}
}

func TestStatusWatch(t *testing.T) {
	if testing.Short() {
		t.Skip("waits in real time, which -short leaves out")
	}
	t.Parallel()
	d := deploy(t, map[string]string{"/status": statusFixture(t)})
	p := launch(t, []string{"FLUXGATE_URL=" + d.url}, "status", "--watch", "--every", "1s", "--json")
	require.Eventually(t, func() bool { return strings.Count(p.out.String(), "\n") >= 2 }, patience, 20*time.Millisecond)
	exit, took := p.signal(os.Interrupt)
	assert.Zero(t, exit, p.stderr.String())
	assert.Less(t, took, 5*time.Second)
	assert.Equal(t, statusFixture(t), p.out.String()[:len(statusFixture(t))])

	exit, _, stderr := operate(t, d.url, "status", "--watch", "--every", "1ms")
	assert.Equal(t, 2, exit)
	assert.Contains(t, stderr, "--every 1ms")
}

// Every command, the request that it makes, and the end of what it says.
func TestOperatorCommands(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "request.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"prompt":"Hello","mode":"flash_only"}`), 0o600))
	d := deploy(t, map[string]string{
		"/plan": `{"tokens":450000,"counted":false,"now":"2026-11-25T22:11:26.000Z",` +
			`"best":{"project":"team-b","model":"gemini-2.5-pro","start":"2026-11-25T22:12:04.000Z","wait_ms":38000,"cause":"tpm","limits":{"rpm":5,"tpm":250000,"rpd":100}},` +
			`"candidates":[{"project":"team-b","model":"gemini-2.5-pro","start":"2026-11-25T22:12:04.000Z","wait_ms":38000,"cause":"tpm","limits":{"rpm":5,"tpm":250000,"rpd":100}}]}`,
		"/usage": `{"window":"30d","from":"2026-10-27T07:00:00Z","to":"2026-11-25T22:11:26Z","by":["caller"],` +
			`"rows":[{"caller":"alice","requests":1204,"refused":3,"failed":1,"input_tokens":3456789,"output_tokens":1000,"thought_tokens":500,"dollars":1.5,"wait_p95":12.3,"answer_p95":4.5}],` +
			`"total":{"requests":1204,"input_tokens":3456789,"dollars":1.5,"unpriced":2}}`,
		"/config":         `{"status":"ok","mode":"flash_only","model_chain":["gemini-2.5-flash"],"limits":{"gemini-2.5-flash":{"rpm":150}}}`,
		"/validate":       `{"at":"2026-11-25T22:11:26.000Z","running":false,"keys":[{"key_index":1,"project":"team-a","status":"invalid","reason":"API_KEY_INVALID"},{"key_index":2,"project":"team-a","status":"healthy","reason":""}]}`,
		"/refresh-policy": `{"at":"2026-11-25T22:11:26.000Z","models":{"gemini-2.5-pro":{"rpm":5,"tpm":250000,"rpd":100}},"refused":[],"error":""}`,
		"/reset":          `{"status":"ok"}`,
	})
	for _, c := range []struct {
		args       []string
		asks, says string
	}{
		{[]string{"usage", "--window", "30d", "--by", "caller"}, `GET /usage`, "The price of 2 answers isn't known; FLUXGATE_PRICES can name it.\n"},
		{[]string{"plan", "450k"}, `POST /plan {"tokens":450000}`, "team-b   gemini-2.5-pro     38s  tokens/minute    5  250k  100\n"},
		{[]string{"plan", "45k", "--model", "openai/gpt-5.5"}, `POST /plan {"tokens":45000,"model":"openai/gpt-5.5"}`, "100\n"},
		{[]string{"plan", "--file", file}, `POST /plan {"prompt":"Hello","mode":"flash_only"}`, "100\n"},
		{[]string{"mode", "flash_only"}, `POST /config {"mode":"flash_only"}`, "limits     gemini-2.5-flash: RPM 150\n"},
		{[]string{"mode", "--default"}, `POST /config {"mode":null}`, "RPM 150\n"},
		{[]string{"prefer", "paid"}, `POST /config {"prefer":"paid"}`, "RPM 150\n"},
		{[]string{"prefer", "--default"}, `POST /config {"prefer":null}`, "RPM 150\n"},
		{[]string{"disable", "3"}, `POST /config {"disable_key":3}`, "key        3 disabled\nmode       flash_only\nchain      gemini-2.5-flash\nlimits     gemini-2.5-flash: RPM 150\n"},
		{[]string{"enable", "3"}, `POST /config {"enable_key":3}`, "key        3 enabled\nmode       flash_only\nchain      gemini-2.5-flash\nlimits     gemini-2.5-flash: RPM 150\n"},
		{[]string{"chain", "gemini-2.5-pro, gemini-2.5-flash"}, `POST /config {"chain":["gemini-2.5-pro","gemini-2.5-flash"]}`, "RPM 150\n"},
		{[]string{"chain", "--default"}, `POST /config {"chain":[]}`, "RPM 150\n"},
		{[]string{"limits", `{"gemini-2.5-pro": {"rpm": 150}}`}, `POST /config {"limits":{"gemini-2.5-pro":{"rpm":150}}}`, "RPM 150\n"},
		{[]string{"limits", "--default"}, `POST /config {"limits":{}}`, "RPM 150\n"},
		{[]string{"limits", "--default", "--json"}, `POST /config {"limits":{}}`, `{"rpm":150}}}` + "\n"},
		{[]string{"reset", "3"}, `POST /reset {"key":3}`, "that the key was invalid, if it was\n"},
		{[]string{"validate"}, `POST /validate`, "  2  healthy  team-a\n"},
		{[]string{"refresh-policy"}, `POST /refresh-policy`, "gemini-2.5-pro    5  250k  100\n"},
	} {
		exit, out, stderr := operate(t, d.url, c.args...)
		assert.Zero(t, exit, stderr)
		asked := d.seen()
		assert.Equal(t, c.asks, asked[len(asked)-1])
		assert.True(t, strings.HasSuffix(out, c.says), "%v says:\n%s", c.args, out)
	}
}

// Without an argument, mode, prefer, chain and limits show what is in force and where it comes from, and change nothing.
func TestInForce(t *testing.T) {
	t.Parallel()
	d := deploy(t, map[string]string{"/status": `{"mode":"flash_only","mode_source":"run_time","prefer":"free","prefer_source":"configured","model_chain":["m2","m1"],"chain_source":"discovered",` +
		`"now":"2026-11-25T22:11:26.000Z","projects":[{"project":"a","models":[` +
		`{"model":"m1","rpm":{"limit":5,"source":"default"},"tpm":{"limit":250000,"source":"operator"},"rpd":{"limit":-1,"source":"learned"}},` +
		`{"model":"m2","rpm":{"limit":7,"source":"reported"},"tpm":{"limit":250000,"source":"default"},"rpd":{"limit":100,"source":"default"}}]}]}`})
	for command, says := range map[string][]string{
		"mode":   {"flash_only (run time)\n"},
		"prefer": {"free (configured)\n"},
		"chain":  {"m2 > m1 (discovered)", "flash_only (run time)"},
		"limits": {"m2     7 (reported)   250k (default)  100 (default)", "m1      5 (default)  250k (operator)"},
	} {
		exit, out, stderr := operate(t, d.url, command)
		require.Zero(t, exit, stderr)
		for _, want := range says {
			assert.Contains(t, out, want, command)
		}
	}
	assert.Equal(t, []string{"GET /status", "GET /status", "GET /status", "GET /status"}, d.seen())
}

// What can be seen to be wrong isn't sent.
func TestOperatorArguments(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	list := filepath.Join(t.TempDir(), "list.json")
	require.NoError(t, os.WriteFile(list, []byte(`[]`), 0o600))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"plan"}, "either a number of tokens or --file"},
		{[]string{"plan", "5", "--file", list}, "either a number of tokens or --file"},
		{[]string{"plan", "--model", "m", "--file", list}, "want it in the request of --file"},
		{[]string{"plan", "many"}, "want a number of tokens"},
		{[]string{"plan", "--", "-5"}, "want a number of tokens"},
		{[]string{"plan", "1.5"}, "want a number of tokens"},
		{[]string{"plan", "NaN"}, "want a number of tokens"},
		{[]string{"plan", "9e99"}, "want a number of tokens"},
		{[]string{"plan", "--file", list}, "want a JSON object"},
		{[]string{"plan", "--file", list + ".none"}, "no such file"},
		{[]string{"mode", "turbo"}, `there is no mode "turbo": want one of both, pro_only, flash_only, flash_lite_only`},
		{[]string{"mode", "flsh_only"}, "Did you mean flash_only?"},
		{[]string{"prefer", "pay"}, `there is no preference "pay": want one of free, paid, any`},
		{[]string{"stauts"}, "Did you mean this?\n\tstatus"},
		{[]string{"status", "--wach"}, "unknown flag: --wach"},
		{[]string{"disable", "three"}, "want the number of a key"},
		{[]string{"enable", "0"}, "want the number of a key"},
		{[]string{"reset"}, "accepts 1 arg"},
		{[]string{"chain", ""}, "want one value, --default, or neither"},
		{[]string{"chain", "m1", "--default"}, "want one value, --default, or neither"},
		{[]string{"chain", "m1,,m2"}, "with a comma between"},
		{[]string{"limits", "null"}, "want a JSON object"},
		{[]string{"limits", "rpm=5"}, "want a JSON object"},
		{[]string{"status", "--events", "-1"}, "no negative number"},
		{[]string{"status", "--url", "ftp://x"}, "want http://HOST"},
		{[]string{"status", "--url", "localhost:8080"}, "it has no scheme: did you mean http://localhost:8080?"},
		{[]string{"status", "--url", "fluxgate.example/base"}, "it has no scheme: did you mean https://fluxgate.example/base?"},
		{[]string{"status", "--url", "http://10.0.0.7:8080"}, "unencrypted"},
		{[]string{"status", "--token-file", list + ".none"}, "token file"},
		{[]string{"batch", list, "--url", "http://10.0.0.7:8080"}, "unencrypted"},
	} {
		exit, out, stderr := operate(t, d.url, c.args...)
		assert.Equal(t, 2, exit, c.args)
		assert.Empty(t, out, c.args)
		assert.Contains(t, stderr, c.want, c.args)
	}
	assert.Empty(t, d.seen())
}

func TestOperatorRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code        int
		after, body string
		want        []string
	}{
		{401, "", `{"error":{"code":401,"message":"Send a token.","status":"UNAUTHENTICATED"}}`,
			[]string{"401 UNAUTHENTICATED: Send a token.", "FLUXGATE_TOKEN", "--identity"}},
		{403, "", `{"error":{"code":403,"message":"Only an administrator may change this, not ` + operatorToken + `.","status":"PERMISSION_DENIED"}}`,
			[]string{"403 PERMISSION_DENIED: Only an administrator may change this, not REDACTED."}},
		{403, "", "<html>Your client does not have permission</html>", []string{"403 Forbidden", "--identity"}},
		{404, "", `{"error":{"code":404,"message":"There is no key 9.","status":"NOT_FOUND"}}`, []string{"404 NOT_FOUND: There is no key 9."}},
		{429, "17", `{"error":{"code":429,"message":"Your own limit.","status":"RESOURCE_EXHAUSTED"}}`,
			[]string{"429 RESOURCE_EXHAUSTED: Your own limit.", "try again in 17s"}},
		{503, "5", `{"error":{"code":503,"message":"The quota store can't be reached.","status":"UNAVAILABLE"}}`,
			[]string{"503 UNAVAILABLE: The quota store can't be reached.", "try again in 5s"}},
		{200, "", "<html>hello</html>", []string{"is the URL right?"}},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.WriteHeader(c.code)
			_, _ = io.WriteString(w, c.body)
		}))
		for _, args := range [][]string{{"disable", "9"}, {"status", "--watch"}, {"plan", "5", "--json"}} {
			exit, out, stderr := operate(t, server.URL, args...)
			want := 3
			if c.code == 200 {
				want = 1 // it isn't a Fluxgate that has said no
			}
			assert.Equal(t, want, exit, args)
			assert.Empty(t, out)
			for _, want := range c.want {
				assert.Contains(t, stderr, want)
			}
			assert.NotContains(t, stderr, "Usage")
		}
		server.Close()
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	exit, _, stderr := operate(t, "http://"+listener.Addr().String(), "status")
	assert.Equal(t, 4, exit)
	assert.Contains(t, stderr, "can't connect to http://127.0.0.1:")
	assert.Contains(t, stderr, "fluxgate serve")
}

// The exit codes that a script relies on.
func TestOperatorExitCodes(t *testing.T) {
	t.Parallel()
	d := deploy(t, map[string]string{
		"/validate":       `{"at":"2026-11-25T22:11:26.000Z","running":true,"keys":[{"key_index":1,"project":"team-a","status":"invalid","reason":"leaked"}]}`,
		"/refresh-policy": `{"at":"2026-11-25T22:11:26.000Z","models":{},"refused":[{"model":"m","limit":"rpm","value":999,"most":10}],"error":"the answer was no JSON"}`,
	})
	exit, out, stderr := operate(t, d.url, "validate")
	assert.Equal(t, 1, exit)
	assert.Contains(t, out, "leaked")
	assert.Contains(t, out, "Another instance is at it.")
	assert.Equal(t, "fluxgate: no key is healthy: the table says why of each, and fluxgate status until when\n", stderr)

	exit, out, stderr = operate(t, d.url, "refresh-policy")
	assert.Equal(t, 1, exit)
	assert.Contains(t, out, "refused: m RPM 999, at most 10 is believed\n")
	assert.Contains(t, stderr, "the limits stay as they were: the answer was no JSON")

	// A batch of one is stopped as one of many is.
	prompts := filepath.Join(t.TempDir(), "prompts.jsonl")
	require.NoError(t, os.WriteFile(prompts, []byte(`{"prompt":"Hello"}`), 0o600))
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer locked.Close()
	exit, _, stderr = operate(t, locked.URL, "batch", prompts)
	assert.Equal(t, 3, exit, stderr)
	assert.Contains(t, stderr, "is the token right?")
	for _, args := range [][]string{{"no.srt"}, {filepath.Dir(prompts)}, {prompts, "--output", prompts}, {prompts, "--output", prompts + "/no/out"}, {prompts, "--instructions", "x"}} {
		exit, _, stderr = operate(t, locked.URL, append([]string{"batch"}, args...)...)
		assert.Equal(t, 2, exit, "of the command line: %s", stderr)
	}
	exit, _, stderr = operate(t, locked.URL, "batch", prompts, "--model", "m")
	assert.Equal(t, 2, exit, "what is kept is of another job: %s", stderr)
	assert.Contains(t, stderr, "--restart")
	err := explain(fmt.Errorf("batch: %w", &batch.StoppedError{Message: "dial tcp: refused"}))
	assert.Equal(t, 4, codeOf(err))
	assert.ErrorContains(t, err, "is it running?")
}

// The token of a file goes before that of the environment, and an identity beside it.
func TestOperatorCredentials(t *testing.T) {
	t.Parallel()
	d := deploy(t, map[string]string{"/status": statusFixture(t)})
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	user := write("user.json", `{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}`, 0o600)
	file := write("token", "token-of-the-file\n", 0o600)
	write("gcloud", "#!/bin/sh\necho aGVhZA.e30.c2ln\n", 0o700)
	env := []string{"PATH=" + dir + ":/usr/bin:/bin", "GOOGLE_APPLICATION_CREDENTIALS=" + user, "FLUXGATE_TOKEN=" + operatorToken}

	exit, out, stderr := run(t, env, "status", "--url", d.url, "--token-file", file, "--identity")
	require.Zero(t, exit, stderr)
	require.Len(t, d.headers(), 1)
	assert.Equal(t, "token-of-the-file", d.headers()[0].Get("X-Fluxgate-Token"))
	assert.Equal(t, "Bearer aGVhZA.e30.c2ln", d.headers()[0].Get("X-Serverless-Authorization"))
	assert.NotContains(t, out+stderr, "token-of-the-file")

	// batch takes the same flags, and tells before it writes anything that it can't prove who it is.
	write("gcloud", "#!/bin/sh\necho 'ERROR: no active account' >&2\nexit 1\n", 0o700)
	prompts := write("prompts.jsonl", `{"prompt":"Hello"}`, 0o600)
	exit, _, stderr = run(t, env, "batch", prompts, "--url", d.url, "--identity")
	assert.Equal(t, 1, exit)
	assert.Contains(t, stderr, "no active account")
	assert.NoFileExists(t, prompts+".results.jsonl.journal")
	assert.Len(t, d.seen(), 1)
}

// Where no terminal is, one status follows another.
func TestStatusWatchInAFile(t *testing.T) {
	if testing.Short() {
		t.Skip("waits in real time, which -short leaves out")
	}
	t.Parallel()
	d := deploy(t, map[string]string{"/status": statusFixture(t)})
	p := launch(t, []string{"FLUXGATE_URL=" + d.url}, "status", "--watch", "--every", "1s")
	require.Eventually(t, func() bool { return strings.Count(p.out.String(), "Last events") >= 2 }, patience, 20*time.Millisecond)
	exit, _ := p.signal(syscall.SIGTERM)
	assert.Zero(t, exit, p.stderr.String())
	assert.NotContains(t, p.out.String(), "\x1b")
}

func TestOperatorHelp(t *testing.T) {
	t.Parallel()
	for command, words := range map[string][]string{
		"status": {"--watch", "--every", "--events", "--history"}, "plan": {"450000", "--file", "--model"}, "mode": {"flash_lite_only"},
		"enable": {"enable 3"}, "disable": {"disable 3"}, "reset": {"reset 3"}, "chain": {"--default"}, "limits": {"--default", "rpm"},
		"validate": {"exit code is 0"}, "refresh-policy": {"7 days"},
	} {
		exit, out, stderr := run(t, []string{"FLUXGATE_TOKEN=" + operatorToken}, command, "--help")
		assert.Zero(t, exit, stderr)
		for _, word := range append(words, "Examples:", "--json", "--url", "FLUXGATE_URL", "FLUXGATE_TOKEN", "--token-file", "--identity", "--audience") {
			assert.Contains(t, out, word, command)
		}
		assert.NotContains(t, out, operatorToken)
	}
}

func TestParseTokens(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "450000": 450_000, "450,000": 450_000, "450_000": 450_000, "450k": 450_000, "1.5M": 1_500_000, "0.5K": 500, "2m": 2_000_000,
	} {
		got, err := parseTokens(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "k", "0", "-1", "1.5", "1e99", "Inf", "0x", "1kk", "2.0001k"} {
		_, err := parseTokens(text)
		assert.Error(t, err, fmt.Sprintf("%q", text))
	}
}
