package live_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/standstill"
	"fluxgate.dev/fluxgate/storage"
)

const (
	model      = "gemini-3.8-live"
	aliceToken = "alice-token-of-the-tests-1"
	bobToken   = "bob-token-of-the-tests-22"
	path       = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
	// soon is how long what happens at once may take on a machine that is busy with others.
	soon = 20 * time.Second
)

// A world is instances of Fluxgate over one store, whose clock can be put forward, in front of
// one Gemini with two projects, or as many as a test says.
type world struct {
	t     *testing.T
	sim   *geminisim.Server
	up    *httptest.Server
	store storage.Store
	ahead atomic.Int64
	env   []string
	logs  *logs
}

// logs are what was logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns them.
func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newWorld(t *testing.T, env ...string) *world {
	t.Helper()
	return newWorldOf(t, 2, env...)
}

func newWorldOf(t *testing.T, projects int, env ...string) *world {
	t.Helper()
	w := &world{t: t, logs: new(logs)}
	var keys []geminisim.Key
	for n := range projects {
		project := fmt.Sprint("project-", n+1)
		keys = append(keys, geminisim.Key{Value: "key-of-" + project, Project: project})
		w.env = append(w.env, fmt.Sprintf("GEMINI_KEY_%d=key-of-%s", n+1, project), fmt.Sprintf("GEMINI_PROJECT_%d=%s", n+1, project))
	}
	w.sim = geminisim.New(geminisim.Config{Keys: keys})
	w.up = httptest.NewServer(w.sim)
	t.Cleanup(w.up.Close)
	w.store = storage.NewMemory(w.now)
	w.env = append(w.env, "GOOGLE_GEMINI_BASE_URL="+w.up.URL, "FLUXGATE_TOKENS=alice:"+aliceToken+",bob:"+bobToken)
	w.env = append(w.env, env...)
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// An instance is one of Fluxgate.
type instance struct {
	*httptest.Server
	app *app.App
}

func (w *world) instance() *instance {
	w.t.Helper()
	cfg, err := config.Load(w.t.Context(), w.env)
	require.NoError(w.t, err)
	a, err := app.Start(w.t.Context(), cfg, app.Options{Logger: slog.New(slog.NewTextHandler(w.logs, nil)), Store: w.store})
	require.NoError(w.t, err)
	s := httptest.NewServer(a)
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		assert.NoError(w.t, a.Close(ctx))
		s.Close()
	})
	return &instance{s, a}
}

// A client is a caller's end of a session.
type client struct {
	*websocket.Conn
	t *testing.T
}

// dial opens a connection, with headers that are names and values in turn.
func (w *world) dial(i *instance, header ...string) (*client, *http.Response, error) {
	w.t.Helper()
	return w.dialPath(i, path, header...)
}

func (w *world) dialPath(i *instance, path string, header ...string) (*client, *http.Response, error) {
	w.t.Helper()
	h := make(http.Header)
	for n := 0; n < len(header); n += 2 {
		h.Set(header[n], header[n+1])
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), soon)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, i.URL+path, &websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		return nil, resp, err
	}
	conn.SetReadLimit(-1)
	w.t.Cleanup(func() { conn.CloseNow() })
	return &client{conn, w.t}, resp, nil
}

// connect is dial as alice, with a setup sent.
func (w *world) connect(i *instance, setup string) *client {
	w.t.Helper()
	return w.connectAs(i, aliceToken, setup)
}

func (w *world) connectAs(i *instance, token, setup string) *client {
	w.t.Helper()
	c, _, err := w.dial(i, "X-Goog-Api-Key", token)
	require.NoError(w.t, err)
	c.say(setup)
	return c
}

// open is connect of a session that Gemini opens.
func (w *world) open(i *instance) *client {
	w.t.Helper()
	c := w.connect(i, setupOf(model))
	require.Contains(w.t, c.hear(), "setupComplete")
	return c
}

// end ends a session that Gemini has answered, and waits until its place is free: a close is
// answered before that.
func (w *world) end(c *client) {
	w.t.Helper()
	over := func() int { return len(sessionOver.FindAllString(w.logs.String(), -1)) }
	before := over()
	require.NoError(w.t, c.Close(websocket.StatusNormalClosure, ""))
	eventually(w.t, "its place is free", func() bool { return over() > before })
}

// sessionOver is what is logged when the call of a session is over that Gemini has answered.
var sessionOver = regexp.MustCompile(`msg="session over".* answered=true`)

func setupOf(model string) string { return fmt.Sprintf(`{"setup":{"model":"models/%s"}}`, model) }

func (c *client) say(text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), soon)
	defer cancel()
	require.NoError(c.t, c.Write(ctx, websocket.MessageText, []byte(text)))
}

// hear returns the next message.
func (c *client) hear() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), soon)
	defer cancel()
	_, text, err := c.Read(ctx)
	require.NoError(c.t, err)
	return string(text)
}

// turn says a text and returns what is answered, and what is said of usage.
func (c *client) turn(text string) (answer string, prompt int64) {
	c.t.Helper()
	quoted, err := json.Marshal(text)
	require.NoError(c.t, err)
	c.say(`{"clientContent":{"turns":[{"role":"user","parts":[{"text":` + string(quoted) + `}]}],"turnComplete":true}}`)
	for {
		var m struct {
			ServerContent struct {
				ModelTurn    struct{ Parts []struct{ Text string } }
				TurnComplete bool
			}
			UsageMetadata struct{ PromptTokenCount int64 }
		}
		require.NoError(c.t, json.Unmarshal([]byte(c.hear()), &m))
		for _, p := range m.ServerContent.ModelTurn.Parts {
			answer += p.Text
		}
		if m.ServerContent.TurnComplete {
			return answer, m.UsageMetadata.PromptTokenCount
		}
	}
}

// closed returns how the session is closed, after whatever is still said.
func (c *client) closed() websocket.CloseError {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), soon)
	defer cancel()
	for {
		_, _, err := c.Read(ctx)
		if err == nil {
			continue
		}
		var e websocket.CloseError
		require.ErrorAs(c.t, err, &e)
		return e
	}
}

// eventually waits for something that happens at once.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, soon, 5*time.Millisecond, what)
}

// openAt is how many sessions Gemini has open.
func (w *world) openAt() int {
	return w.sim.Live().Open("project-1", model) + w.sim.Live().Open("project-2", model)
}

// next returns the next message, or why there is none.
func (c *client) next() (string, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), soon)
	defer cancel()
	_, text, err := c.Read(ctx)
	return string(text), err
}

// expect reads until a message that holds a text.
func (c *client) expect(part string) error {
	for {
		if text, err := c.next(); err != nil || strings.Contains(text, part) {
			return err
		}
	}
}

// unhurried tries what happens in a time of real seconds. Where it came otherwise because the machine stood still for a
// good part of that time, it is tried again with twice as long.
func unhurried(t *testing.T, first time.Duration, try func(time.Duration) error) {
	t.Helper()
	for d := first; ; d *= 2 {
		watch := standstill.Begin()
		err := try(d)
		if seen := watch.End(); err != nil && seen.Longest > d/10 && d < time.Minute {
			t.Logf("the machine stood still for %v, which is much of %v", seen.Longest, d)
			continue
		}
		require.NoError(t, err)
		return
	}
}
