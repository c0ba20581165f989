package acceptance

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/geminisim"
)

// httpClient has a connection for every caller.
func httpClient(t *testing.T) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 1024}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// Several instances on one emulator under load, each request of a caller to
// another one: no upstream 429, no slot used twice, every booking honoured that
// is returned to in time. Twenty minutes of the same in virtual time are in
// package storage; here two in five callers wait for the second minute, and a
// third of them with a booking.
func TestInstances(t *testing.T) {
	t.Parallel()
	emulatortest.Host(t)
	turn(35 * time.Second)
	w := newWorld(t, geminisim.Limits{RPM: 16, TPM: 250_000, RPD: 100_000})
	var urls []string
	for range 3 {
		// Clients of their own: nothing but the database is shared.
		urls = append(urls, w.instance(t, emulatortest.Client(t)))
	}
	client := httpClient(t)
	deadline := time.Now().Add(150 * time.Second)
	var mu sync.Mutex
	total := caller{}
	used := map[string]bool{}
	answered := 0
	jobs := make([]func(), 220)
	for i := range jobs {
		c := &caller{
			urls: urls, body: prompt(t, i), ticket: i%2 == 0, book: i%3 == 0,
			turn: func(int) int { return rand.IntN(len(urls)) },
		}
		jobs[i] = func() {
			ok := c.run(t, client, deadline)
			mu.Lock()
			defer mu.Unlock()
			if ok {
				answered++
			}
			total.waits += c.waits
			total.booked += c.booked
			total.turnedAway += c.turnedAway
			total.late += c.late
			total.claimed += c.claimed
			total.outages += c.outages
			for _, ticket := range c.tickets {
				require.False(t, used[ticket], "a ticket was given out twice")
				used[ticket] = true
			}
		}
	}
	together(len(jobs), jobs)
	t.Logf("3 instances, %d callers: %d answered, %d waits, %d bookings, %d claimed, %d late, %d turned away, %d outages",
		len(jobs), answered, total.waits, total.booked, total.claimed, total.late, total.turnedAway, total.outages)
	w.requireWithinLimits(t)
	require.Equal(t, len(jobs), answered)
	require.EqualValues(t, len(jobs), w.sim.Stats().Accepted)
	require.Positive(t, total.booked)
	require.Positive(t, total.claimed, "without bookings this shows nothing")
	require.Zero(t, total.turnedAway, "a booking was not honoured")
}

// What is asked of Firestore, counted at the client. Of one instance: at most 1.05
// writes per admitted request where there is room, 2.1 under saturation, and
// 0.1 reads in both. Of ten that write to the same documents, which each of them has
// to read before: 1.85 writes and 4.6 reads; package storage has the same in virtual
// time, and under saturation.
func TestFirestoreOperations(t *testing.T) {
	t.Parallel()
	emulatortest.Host(t)
	turn(0)
	for _, test := range []struct {
		name          string
		instances     int
		rpm           int64
		at            int // callers at a time
		writes, reads float64
	}{
		{"room", 1, 1000, 4, 1.05, 0.1},
		{"room on ten instances", 10, 1000, 4, 1.85, 4.6},
		// Half of them go at once, and the others in the second minute.
		{"saturated", 1, 65, 600, 2.1, 0.1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const n = 1000
			w := newWorld(t, geminisim.Limits{RPM: test.rpm, TPM: 10_000_000, RPD: 100_000})
			var ops operations
			var urls []string
			for range test.instances {
				urls = append(urls, w.instance(t, ops.client(t)))
			}
			client := httpClient(t)
			deadline := time.Now().Add(3 * time.Minute)
			jobs := make([]func(), n)
			waits := make([]int, n)
			for i := range jobs {
				c := &caller{urls: urls, body: prompt(t, i), turn: func(int) int { return rand.IntN(len(urls)) }}
				// Callers and simulator share this process, so hundreds of first
				// requests at one instant would arrive later than any network's would.
				begin := time.Duration(i) * 25 * time.Millisecond
				jobs[i] = func() {
					if i < test.at {
						time.Sleep(begin)
					}
					c.run(t, client, deadline)
					waits[i] = c.waits
				}
			}
			together(test.at, jobs)
			admitted := w.sim.Stats().Accepted
			require.EqualValues(t, n, admitted)
			w.requireWithinLimits(t)
			waited := 0
			for _, k := range waits {
				waited += k
			}
			writes, reads := float64(ops.writes.Load())/n, float64(ops.reads.Load())/n
			t.Logf("%d admitted, %d waits: %.3f writes and %.3f reads per admission", admitted, waited, writes, reads)
			require.LessOrEqual(t, writes, test.writes)
			require.LessOrEqual(t, reads, test.reads)
			if test.rpm < 100 {
				require.Positive(t, waited, "without waits this shows nothing")
			}
		})
	}
}
