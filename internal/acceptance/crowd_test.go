package acceptance

import (
	"flag"
	"fmt"
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
//	go test ./internal/acceptance -run TestTwoHundredAtOnce -realtime -v
func TestTwoHundredAtOnce(t *testing.T) {
	crowd := func(t *testing.T) {
		const all, aMinute = 200, 100
		p := newSmallPool(aMinute)
		seen := &returns{next: direct{p.start(t)}, due: make(map[string]time.Time)}
		client := throughWait(t, seen)
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
		stats := p.sim.Stats()
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
