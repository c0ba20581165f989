package endtoend

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/batch"
	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/geminisim"
)

// httpClient has a connection for every caller.
func httpClient(t *testing.T) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 1024}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// corpus writes at least 3 MB of real source and its comments, from the Go
// distribution, to a file.
func corpus(t *testing.T) string {
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	require.NoError(t, err)
	var text bytes.Buffer
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(root)), "src", "net"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || text.Len() > 3_200_000 {
			return err
		}
		data, err := os.ReadFile(path)
		text.Write(data)
		return err
	})
	require.NoError(t, err)
	require.Greater(t, text.Len(), 3_000_000, "the distribution's sources are smaller than expected")
	file := filepath.Join(t.TempDir(), "corpus.txt")
	require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
	return file
}

// The dubbing app's job: 3 MB through batch, serve and the simulator. Every
// chunk is answered, upstream never says 429, and the time is near what the
// limits allow.
func TestBatchOfRealText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, geminisim.Limits{RPM: 60, TPM: 60_000, RPD: 100_000})
	url := w.instance(t, emulatortest.Client(t))
	var stderr bytes.Buffer
	summary, err := batch.Run(t.Context(), batch.Options{
		Inputs: []string{corpus(t)}, URL: url, Concurrency: 400, ChunkTokens: 2500,
		Instructions: "Translate:", Output: filepath.Join(t.TempDir(), "out.jsonl"),
		Client: httpClient(t), Progress: batch.ProgressNone, Stderr: &stderr,
	})
	require.NoError(t, err, stderr.String())
	require.Zero(t, summary.Failed)
	require.Equal(t, summary.Total, summary.Requests)
	w.requireWithinLimits(t)
	require.EqualValues(t, summary.Total, w.sim.Stats().Accepted, "no chunk is sent twice")

	// In steady state sum(tokens) takes sum*60/(TPM*N). From a standing start the
	// first minute's quota is there at once, so no schedule can do better than
	// that minus 60 s.
	pool := float64(w.limits.TPM) * projects
	steady := time.Duration(float64(summary.Tokens) / pool * float64(time.Minute))
	t.Logf("%d chunks, %d tokens, %d waits: elapsed %s; bound %s in steady state, %s from a standing start",
		summary.Total, summary.Tokens, summary.Waits, summary.Elapsed.Round(time.Second),
		steady.Round(time.Second), (steady - time.Minute).Round(time.Second))
	require.Less(t, summary.Elapsed, steady+10*time.Second)
}

// Several instances on one emulator under load, each request of a caller to
// another one: no upstream 429, no slot used twice, every booking honoured that
// is returned to in time.
func TestInstances(t *testing.T) {
	// Not beside the others: hundreds of callers in the same process would make
	// holders late.
	w := newWorld(t, geminisim.Limits{RPM: 12, TPM: 250_000, RPD: 100_000})
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
			urls: urls, body: prompt(t, i), ticket: i%2 == 0,
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
			total.outages += c.outages
			for _, ticket := range c.tickets {
				require.False(t, used[ticket], "a ticket was given out twice")
				used[ticket] = true
			}
		}
	}
	together(len(jobs), jobs)
	t.Logf("3 instances, %d callers: %d answered, %d waits, %d bookings, %d turned away, %d outages",
		len(jobs), answered, total.waits, total.booked, total.turnedAway, total.outages)
	w.requireWithinLimits(t)
	require.Equal(t, len(jobs), answered)
	require.EqualValues(t, len(jobs), w.sim.Stats().Accepted)
	require.Positive(t, total.booked, "without bookings this shows nothing")
	require.Zero(t, total.turnedAway, "a booking was not honoured")
}

// What one instance asks of Firestore, counted at the client: at most 1.05
// writes per admitted request where there is room, 2.1 under saturation, and
// 0.1 reads in both.
func TestFirestoreOperations(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		rpm    int64
		at     int // callers at a time
		writes float64
	}{
		{"room", 1000, 4, 1.05},
		{"saturated", 60, 600, 2.1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const n = 1000
			w := newWorld(t, geminisim.Limits{RPM: test.rpm, TPM: 10_000_000, RPD: 100_000})
			var ops operations
			url := w.instance(t, ops.client(t))
			client := httpClient(t)
			deadline := time.Now().Add(3 * time.Minute)
			jobs := make([]func(), n)
			waits := make([]int, n)
			for i := range jobs {
				c := &caller{urls: []string{url}, body: prompt(t, i), turn: func(int) int { return 0 }}
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
			require.LessOrEqual(t, reads, 0.1)
			if test.rpm < 100 {
				require.Positive(t, waited, "without waits this shows nothing")
			}
		})
	}
}
