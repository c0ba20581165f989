package acceptance

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genai"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/wait"
	"fluxgate.dev/fluxgate/storage"
)

const (
	perMinute = 10               // what the pool of these tests takes
	restartAt = 65 * time.Second // when an instance that was killed is there again
)

// A restarting function is one whose instance can be killed.
type restarting struct{ instance atomic.Pointer[app.App] }

func (f *restarting) RoundTrip(r *http.Request) (*http.Response, error) {
	a := f.instance.Load()
	if a == nil {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	return direct{a}.RoundTrip(r)
}

// A smallPool is one project of a simulated Gemini, and the store of whoever uses it.
type smallPool struct {
	sim       *geminisim.Server
	store     storage.Store
	perMinute int
}

func newSmallPool(perMinute int) *smallPool {
	return &smallPool{perMinute: perMinute, store: storage.NewMemory(time.Now), sim: geminisim.New(geminisim.Config{
		Limits: map[string]geminisim.Limits{model: {RPM: int64(perMinute), TPM: 10_000_000, RPD: 10_000}},
		Keys:   []geminisim.Key{{Value: "end-to-end-key-1", Project: "p"}}, Latency: 100 * time.Millisecond,
	})}
}

// start starts an instance, which lasts as long as the test.
func (p *smallPool) start(t *testing.T) *app.App {
	t.Helper()
	cfg, err := config.Load(t.Context(), []string{
		"GEMINI_KEY_1=end-to-end-key-1", "GEMINI_PROJECT_1=p", "FLUXGATE_CHAIN=" + model, "FLUXGATE_TOKENS=app:end-to-end-token-1",
		fmt.Sprintf(`FLUXGATE_LIMITS={%q:{"rpm":%d}}`, model, p.perMinute), "GOOGLE_GEMINI_BASE_URL=https://gemini.test",
	})
	require.NoError(t, err)
	a, err := app.Start(t.Context(), cfg, app.Options{Logger: slog.New(slog.DiscardHandler), Store: p.store, Transport: p.sim.Transport()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, a.Close(context.Background())) })
	return a
}

// throughWait returns Google's SDK for Go, whose requests reach a function through wait.
func throughWait(t *testing.T, function http.RoundTripper) *genai.Client {
	t.Helper()
	proxy, err := wait.New(wait.Options{Access: remote.Access{URL: "https://function.test", Token: "end-to-end-token-1"}, Transport: function})
	require.NoError(t, err)
	client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: "placeholder", Backend: genai.BackendGeminiAPI, HTTPClient: &http.Client{Transport: direct{proxy}},
		HTTPOptions: genai.HTTPOptions{BaseURL: "http://127.0.0.1:8081"},
	})
	require.NoError(t, err)
	return client
}

// Google's SDK for Go fails its program at the first 429. With wait before the function
// it is answered thirty times by a pool that takes ten a minute, as soon as that can be,
// streaming or not, and also where the function's instance is killed in the middle.
func TestWaitForUnmodifiedClients(t *testing.T) {
	for name, c := range map[string]struct{ stream, kill bool }{
		"plain": {}, "streaming": {stream: true}, "killed and restarted": {kill: true}, "streaming, killed and restarted": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newSmallPool(perMinute)
				f := &restarting{}
				start := func() { f.instance.Store(p.start(t)) }
				start()
				client := throughWait(t, f)
				if c.kill {
					time.AfterFunc(30*time.Second, func() { f.instance.Store(nil) })
					time.AfterFunc(restartAt, start) // some returned meanwhile
				}
				began := time.Now()
				var all sync.WaitGroup
				for i := range 3 * perMinute {
					all.Go(func() {
						prompt := genai.Text(fmt.Sprintf("Prompt %d", i))
						if c.stream {
							for answer, err := range client.Models.GenerateContentStream(t.Context(), model, prompt, nil) {
								if assert.NoError(t, err) {
									assert.NotEmpty(t, answer.Text())
								}
							}
							return
						}
						answer, err := client.Models.GenerateContent(t.Context(), model, prompt, nil)
						if assert.NoError(t, err) {
							assert.NotEmpty(t, answer.Text())
						}
					})
				}
				all.Wait()
				elapsed := time.Since(began)
				stats := p.sim.Stats()
				assert.EqualValues(t, 3*perMinute, stats.Accepted)
				assert.Zero(t, stats.RefusedRPM+stats.RefusedTPM+stats.RefusedRPD)
				// The last ten go when the second ten are a minute old, and these when the first ten
				// are, or the instance is there again.
				const window = time.Minute + 500*time.Millisecond
				second := window
				if c.kill {
					second = restartAt
				}
				possible := second + window + 100*time.Millisecond
				t.Logf("elapsed %v, where %v was possible", elapsed, possible)
				assert.Less(t, elapsed, possible*102/100, "and not 105: whole seconds are a hundredth of it")
			})
		})
	}
}
