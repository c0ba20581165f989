package endtoend

import (
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
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

var realTime = flag.Bool("realtime", false, "wait in real time, where there is a choice")

// returns notes how late those come back who were told when to.
type returns struct {
	next http.RoundTripper
	mu   sync.Mutex
	due  map[string]time.Time // by ticket
	late []time.Duration
}

// RoundTrip implements http.RoundTripper.
func (x *returns) RoundTrip(r *http.Request) (*http.Response, error) {
	x.mu.Lock()
	if due, ok := x.due[r.Header.Get("X-Fluxgate-Ticket")]; ok {
		x.late = append(x.late, time.Since(due))
	}
	x.mu.Unlock()
	resp, err := x.next.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		if ms, err := strconv.Atoi(resp.Header.Get("X-Fluxgate-Retry-Ms")); err == nil {
			x.mu.Lock()
			x.due[resp.Header.Get("X-Fluxgate-Ticket")] = time.Now().Add(time.Duration(ms) * time.Millisecond)
			x.mu.Unlock()
		}
	}
	return resp, err
}

// Two hundred requests at once, of a pool that takes half of them a minute, are all answered
// through wait, which comes back on time for each. In real time, which takes a minute:
//
//	go test ./internal/endtoend -run TestTwoHundredAtOnce -realtime -v
func TestTwoHundredAtOnce(t *testing.T) {
	crowd := func(t *testing.T) {
		const all, aMinute = 200, 100
		sim := geminisim.New(geminisim.Config{
			Limits: map[string]geminisim.Limits{model: {RPM: aMinute, TPM: 10_000_000, RPD: 10_000}},
			Keys:   []geminisim.Key{{Value: "end-to-end-key-1", Project: "p"}}, Latency: 100 * time.Millisecond,
		})
		cfg, err := config.Load(t.Context(), []string{
			"GEMINI_KEY_1=end-to-end-key-1", "GEMINI_PROJECT_1=p", "FLUXGATE_CHAIN=" + model, "FLUXGATE_TOKENS=app:end-to-end-token-1",
			fmt.Sprintf(`FLUXGATE_LIMITS={%q:{"rpm":%d}}`, model, aMinute), "GOOGLE_GEMINI_BASE_URL=https://gemini.test",
		})
		require.NoError(t, err)
		a, err := app.Start(t.Context(), cfg, app.Options{Logger: slog.New(slog.DiscardHandler), Store: storage.NewMemory(time.Now), Transport: sim.Transport()})
		require.NoError(t, err)
		defer func() { assert.NoError(t, a.Close(t.Context())) }()
		seen := &returns{next: direct{a}, due: make(map[string]time.Time)}
		proxy, err := wait.New(wait.Options{Access: remote.Access{URL: "https://function.test", Token: "end-to-end-token-1"}, Transport: seen})
		require.NoError(t, err)
		client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
			APIKey: "placeholder", Backend: genai.BackendGeminiAPI, HTTPClient: &http.Client{Transport: direct{proxy}},
			HTTPOptions: genai.HTTPOptions{BaseURL: "http://127.0.0.1:8081"},
		})
		require.NoError(t, err)
		began := time.Now()
		var asking sync.WaitGroup
		for i := range all {
			asking.Go(func() {
				answer, err := client.Models.GenerateContent(t.Context(), model, genai.Text(fmt.Sprintf("Prompt %d", i)), nil)
				if assert.NoError(t, err) {
					assert.NotEmpty(t, answer.Text())
				}
			})
		}
		asking.Wait()
		stats := sim.Stats()
		assert.EqualValues(t, all, stats.Accepted)
		assert.Zero(t, stats.RefusedRPM+stats.RefusedTPM+stats.RefusedRPD)
		require.GreaterOrEqual(t, len(seen.late), all-aMinute)
		slices.Sort(seen.late)
		median := seen.late[len(seen.late)/2]
		t.Logf("elapsed %v; %d returns, half of them at most %v late, the last %v", time.Since(began), len(seen.late), median, seen.late[len(seen.late)-1])
		assert.Less(t, median, 20*time.Millisecond)
	}
	if *realTime {
		crowd(t)
		return
	}
	synctest.Test(t, crowd)
}
