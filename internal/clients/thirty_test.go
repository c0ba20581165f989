package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/nodetest"
	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/wait"
	"fluxgate.dev/fluxgate/storage"
)

// A function is an instance of Fluxgate that can be killed, in front of a pool of one project.
type function struct {
	sim      *geminisim.Server
	store    storage.Store
	env      []string
	instance atomic.Pointer[httptest.Server] // nil: it was killed
}

// newFunction starts one whose pool takes so many requests a minute, and wait before it,
// whose URL it returns.
func newFunction(t *testing.T, perMinute int64) (f *function, url string) {
	t.Helper()
	f = &function{store: storage.NewMemory(time.Now), sim: geminisim.New(geminisim.Config{
		Limits: map[string]geminisim.Limits{roomy: {RPM: perMinute, TPM: 10_000_000, RPD: 10_000}},
		Keys:   []geminisim.Key{{Value: "clients-key-1", Project: "p"}},
	})}
	upstream := httptest.NewServer(f.sim)
	t.Cleanup(upstream.Close)
	f.env = []string{
		"GEMINI_KEY_1=clients-key-1", "GEMINI_PROJECT_1=p", "FLUXGATE_CHAIN=" + roomy, "FLUXGATE_TOKENS=clients:" + token,
		fmt.Sprintf(`FLUXGATE_LIMITS={%q:{"rpm":%d}}`, roomy, perMinute), "GOOGLE_GEMINI_BASE_URL=" + upstream.URL,
	}
	f.start(t)
	proxy, err := wait.New(wait.Options{
		Access: remote.Access{URL: "http://127.0.0.1:8080", Token: token}, Transport: &http.Transport{DialContext: f.dial, DisableCompression: true},
	})
	require.NoError(t, err)
	waiting := httptest.NewServer(proxy)
	t.Cleanup(waiting.Close)
	return f, waiting.URL
}

// dial connects to the instance. Each listens on a port of its own, for that of one that was
// killed may be another's by now.
func (f *function) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	instance := f.instance.Load()
	if instance == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return new(net.Dialer).DialContext(ctx, network, instance.Listener.Addr().String())
}

// start starts an instance, which knows no more than the store does.
func (f *function) start(t *testing.T) {
	cfg, err := config.Load(t.Context(), f.env)
	if !assert.NoError(t, err) {
		return
	}
	a, err := app.Start(t.Context(), cfg, app.Options{Logger: slog.New(slog.DiscardHandler), Store: f.store})
	if !assert.NoError(t, err) {
		return
	}
	t.Cleanup(func() { assert.NoError(t, a.Close(context.Background())) })
	instance := httptest.NewServer(a)
	t.Cleanup(instance.Close)
	f.instance.Store(instance)
}

// kill ends the instance with all its connections.
func (f *function) kill() {
	instance := f.instance.Swap(nil)
	_ = instance.Config.Close()
}

// Google's SDK for JavaScript, in real time: thirty requests of a pool that takes ten a minute
// are answered through wait, whole or streamed, and where the instance is killed after half a
// minute and is there again after 65 seconds. TestWaitForUnmodifiedClients of package acceptance
// holds the same of the SDK for Go to 2%, in virtual time.
func TestThirtyThroughWait(t *testing.T) {
	if testing.Short() {
		t.Skip("the SDK waits in real time, which -short leaves out")
	}
	t.Parallel()
	nodetest.Install(t)
	type way struct {
		Name   string `json:"name"`
		URL    string `json:"url"`
		Stream bool   `json:"stream"`
		// Possible is when the last can be answered, in milliseconds after the first was sent.
		Possible int64 `json:"possible"`
	}
	const perMinute, again = 10, 65 * time.Second
	var ways []way
	var functions []*function
	for _, w := range []way{
		{Name: "plain", Possible: 2 * window.Milliseconds()},
		{Name: "streamed", Stream: true, Possible: 2 * window.Milliseconds()},
		{Name: "streamed, killed and restarted", Stream: true, Possible: (again + window).Milliseconds()},
	} {
		f, url := newFunction(t, perMinute)
		w.URL = url
		ways, functions = append(ways, w), append(functions, f)
		if w.Possible == 2*window.Milliseconds() {
			continue
		}
		kill := time.AfterFunc(again/2, f.kill)
		restart := time.AfterFunc(again, func() { f.start(t) })
		t.Cleanup(func() { kill.Stop(); restart.Stop() })
	}
	text, err := json.Marshal(ways)
	require.NoError(t, err)
	nodetest.Run(t, "thirty", suiteTimeout, "CLIENTS_WAYS="+string(text), "CLIENTS_MODEL_ROOMY="+roomy)
	for i, f := range functions {
		s := f.sim.Stats()
		assert.EqualValues(t, 3*perMinute, s.Accepted, ways[i].Name)
		assert.Zero(t, s.RefusedRPM+s.RefusedTPM+s.RefusedRPD, "upstream 429s, %s: %+v", ways[i].Name, s)
	}
}
