package server_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/storage"
)

// Neither a key nor a prompt may turn up anywhere but where it belongs: not in
// the log at its most talkative, not in /status, not in an error, not in a
// ticket, however a request fails.
func TestNoKeyAndNoPromptLeaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const prompt = "confidential-words"
		store := &faulty{Store: storage.NewMemory(nil)}
		watched := watch(t)
		w := newWorld(t, setup{
			keys: projects("alpha", "beta"), store: store, env: []string{"FLUXGATE_COUNT=exact"}, telemetry: watched.Recorder,
		})
		var seen strings.Builder
		keep := func(a answer) answer {
			fmt.Fprintln(&seen, a.Header(), a.Body.String())
			return a
		}
		fails := func(status int, members string, header ...string) {
			t.Helper()
			assert.Equal(t, status, keep(w.generate(prompt, members, header...)).Code)
		}

		w.generate(prompt, "").ok() // not kept: its answer is made of the prompt
		fails(http.StatusBadRequest, `"mode":"`+prompt+`"`)
		fails(http.StatusBadRequest, `"model":"`+prompt+` "`)
		fails(http.StatusBadRequest, `"images":["`+prompt+`%"]`)
		fails(http.StatusBadRequest, `"max_tokens":"`+prompt+`"`)
		fails(http.StatusBadRequest, `"`+prompt+` and more":1`)
		fails(http.StatusBadRequest, `"model":"gemini-2.5-flash-preview-tts"`)
		fails(http.StatusNotFound, `"model":"gemini-9"`)
		keep(w.do("POST", "/generate", `{"prompt":"`+prompt+`"`))
		keep(w.do("POST", "/generate", `["`+prompt+`"]`))
		keep(w.do("POST", "/config", `{"mode":"`+prompt+`"}`))
		for _, f := range []faults.Failure{faults.Unavailable503, faults.Internal500, faults.ConnectionReset, faults.Retired404} {
			w.sim.FailNext(-1, f)
			keep(w.generate(prompt, `"model":"gemini-2.5-flash-lite"`))
		}
		w.sim.FailNext(-1, faults.Hang)
		fails(http.StatusGatewayTimeout, `"timeout":1`)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		keep(askContext(ctx, t, w.Server, "POST", "/generate", body(prompt, "")))
		w.sim.FailNext(-1, faults.Bare429)
		fails(http.StatusTooManyRequests, `"model":"gemini-2.5-flash"`, "X-Fluxgate-Book", "true")
		fails(http.StatusTooManyRequests, `"model":"gemini-2.5-flash"`)
		w.sim.FailNext(0, 0)
		synctestSleep(5 * time.Minute)
		store.setDown(true)
		fails(http.StatusServiceUnavailable, "")
		store.setDown(false)
		// The body for a suspended key repeats the whole key.
		w.sim.SetKeyState(key(1, "").Value, credentials.Suspended)
		w.generate(prompt, `"preferred_key":1,"timeout":60`).ok() // by the other key
		w.sim.SetKeyState(key(2, "").Value, credentials.Leaked)
		fails(http.StatusServiceUnavailable, "")
		keep(w.do("GET", "/status", ""))

		logs := w.logs.String()
		require.Contains(t, logs, "CONSUMER_SUSPENDED")
		require.Contains(t, logs, "upstream failed")
		spans, metrics := watched.everything(), keep(w.do("GET", "/metrics", "")).Body.String()
		require.Contains(t, spans, "key_invalid")
		require.Contains(t, metrics, "key_invalid")
		for where, text := range map[string]string{
			"the log": logs, "an answer": seen.String(), "a span": spans, "a metric": metrics,
		} {
			for n := 1; n <= 2; n++ {
				assert.NotContains(t, text, key(n, "").Value, where)
			}
			assert.NotContains(t, text, prompt, where)
			assert.NotContains(t, text, "Authorization", where)
		}
	})
}

// What is kept of a deployment holds no key, no token and nothing of what was asked, uploaded
// or answered, but for the key that signs tickets.
func TestNothingSecretIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const prompt, made = "confidential-words", "confidential-content"
		store := &named{Store: storage.NewMemory(nil)}
		w := shared(t, store, `FLUXGATE_CALLERS={"alice":{"rpm":100,"tokens_per_day":1000000}}`, "FLUXGATE_COUNT=exact")
		w.generate(prompt, "", as(aliceToken)...).ok()
		w.do("POST", streamPath+"&key="+aliceToken, strings.Replace(hello, "hello", prompt, 1))
		file := w.uploadTo("/upload/v1beta/files", `{"file":{"displayName":"`+prompt+`"}}`, made, aliceToken).field("file.name")
		w.sendTo(aliceToken, `{"file":{"displayName":"`+prompt+`"}}`, `{"request":{"contents":[{"parts":[{"text":"`+prompt, `"}]}]}}`+"\n")
		w.begin(prompt, as(aliceToken)...) // an upload that is under way
		cache := w.do("POST", "/v1beta/cachedContents", `{"model":"models/gemini-2.5-flash","displayName":"`+prompt+`","contents":[{"parts":[{"text":"`+strings.Repeat(prompt+" ", 2000)+`"}]}]}`, as(aliceToken)...)
		require.Equal(t, http.StatusOK, cache.Code, cache.Body)
		id := w.do("POST", interactionsPath, `{"model":"gemini-2.5-flash","input":"`+prompt+`"}`, as(aliceToken)...).interaction().ID
		w.do("POST", unaryPath, mention(file), as(bobToken)...).failed(http.StatusNotFound)
		w.do("POST", "/generate", body(prompt, ""), as("nobody-"+aliceToken)...).failed(http.StatusUnauthorized)
		w.sim.FailNext(-1, faults.Bare429)
		w.generate(prompt, "", append(as(aliceToken), "X-Fluxgate-Book", "true")...).wait()
		w.sim.FailNext(0, 0)
		w.sim.SetKeyState(key(1, "").Value, credentials.Suspended)
		w.sim.SetKeyState(key(2, "").Value, credentials.Leaked)
		synctestSleep(5 * time.Minute)
		assert.Equal(t, http.StatusServiceUnavailable, w.generate(prompt, "", as(aliceToken)...).Code)
		w.do("POST", "/config", `{"mode":"flash_only"}`, as(adminToken)...)
		w.served.FlushUsage(t.Context())
		synctestSleep(25 * time.Hour) // a day is over, and is written down
		w.generate(prompt, "", as(aliceToken)...)
		synctest.Wait()

		kept := store.everything(t, "alpha", "beta", "caller=alice")
		for _, known := range []string{"alice", file, id, "flash_only", "alpha"} {
			require.Contains(t, kept, known, "what is looked through has what is kept")
		}
		for _, secret := range []string{aliceToken, bobToken, adminToken, key(1, "").Value, key(2, "").Value, prompt, made} {
			for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))[:len(secret)], hex.EncodeToString([]byte(secret))} {
				assert.NotContains(t, kept, form)
			}
		}
	})
}

// A named store remembers the names of its records.
type named struct {
	storage.Store
	mu      sync.Mutex
	records map[string]bool
}

func (n *named) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	n.mu.Lock()
	if n.records == nil {
		n.records = make(map[string]bool)
	}
	n.records[name] = true
	n.mu.Unlock()
	return n.Store.UpdateRecord(ctx, name, change)
}

// everything returns all that is kept: the settings, the records, and those documents.
func (n *named) everything(t *testing.T, documents ...string) string {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	var all strings.Builder
	control, err := n.Control(t.Context())
	require.NoError(t, err)
	states, err := n.View(t.Context(), documents)
	require.NoError(t, err)
	for _, v := range []any{control, states} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		all.Write(text)
	}
	for name := range n.records {
		text, err := n.Record(t.Context(), name)
		require.NoError(t, err)
		fmt.Fprintf(&all, "\n%s %s", name, text)
	}
	return all.String()
}

// One line for the request, one for the selection or the wait, one for the
// response: and all of a request bear its number.
func TestLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute())
		before := len(w.logs.String())
		first, second := w.generate("first", ""), w.generate("second", "")
		first.ok()
		second.wait()
		one, other := first.Header().Get("X-Fluxgate-Request-Id"), second.Header().Get("X-Fluxgate-Request-Id")
		var lines []string
		for line := range strings.Lines(w.logs.String()[before:]) {
			if strings.Contains(line, " id=") {
				_, rest, _ := strings.Cut(line, "msg=")
				words := strings.Fields(rest)
				lines = append(lines, words[0]+" "+words[1])
			}
		}
		assert.Equal(t, []string{"request id=" + one, "selected id=" + one, "response id=" + one, "request id=" + other, "wait id=" + other}, lines)
	})
}
