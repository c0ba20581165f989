package acceptance

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/app"
	"fluxgate.dev/fluxgate/internal/batch"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/standstill"
	"fluxgate.dev/fluxgate/storage"
)

// corpus writes at least 3 MB of real source and its comments, from the Go
// distribution, to a file.
func corpus(t *testing.T) string {
	t.Helper()
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

// The dubbing app's job: 3 MB through batch, Fluxgate and the simulator, of which
// the limits let less than half go in the first minute. In virtual time, where
// nothing but the limits takes any.
func TestBatchOfRealTextInVirtualTime(t *testing.T) {
	race.Skip(t) // which watches the one below
	text, output := corpus(t), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newSimulation(geminisim.Limits{RPM: 60, TPM: 60_000, RPD: 100_000})
		w.env = append(w.env, "GOOGLE_GEMINI_BASE_URL=https://gemini.test") // which is never looked up
		cfg, err := config.Load(t.Context(), w.env)
		require.NoError(t, err)
		a, err := app.Start(t.Context(), cfg, app.Options{
			Logger: slog.New(slog.DiscardHandler), Store: storage.NewMemory(time.Now), Transport: w.sim.Transport(),
		})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, a.Close(context.Background())) })
		w.batch(t, text, output, "http://localhost", &http.Client{Transport: direct{a}})
	})
}

// The same over HTTP, on the emulator, and with as much time as that takes. Its
// limits are such that nothing has to wait for a third minute.
func TestBatchOfRealText(t *testing.T) {
	t.Parallel()
	client := emulatortest.Client(t)
	turn(15 * time.Second)
	w := newWorld(t, geminisim.Limits{RPM: 90, TPM: 90_000, RPD: 100_000})
	w.batch(t, corpus(t), t.TempDir(), w.instance(t, client), httpClient(t))
}

// batch runs the job. Every chunk is answered, upstream never says 429, and the
// time is near what the limits allow.
func (w *world) batch(t *testing.T, text, output, url string, client *http.Client) {
	t.Helper()
	var stderr bytes.Buffer
	watch := standstill.Begin()
	summary, err := batch.Run(t.Context(), batch.Options{
		Inputs: []string{text}, URL: url, Concurrency: 400, ChunkTokens: 2500,
		Instructions: "Translate:", Output: filepath.Join(output, "out.jsonl"),
		Client: client, Progress: batch.ProgressNone, Stderr: &stderr,
	})
	seen := watch.End()
	require.NoError(t, err, stderr.String())
	require.Zero(t, summary.Failed)
	require.Equal(t, summary.Total, summary.Requests)
	w.requireWithinLimits(t)
	require.EqualValues(t, summary.Total, w.sim.Stats().Accepted, "no chunk is sent twice")
	require.Positive(t, summary.Waits, "without waits this shows nothing")

	// In steady state sum(tokens) takes sum*60/(TPM*N). From a standing start the
	// first minute's quota is there at once, so no schedule can do better than
	// that minus 60 s.
	pool := float64(w.limits.TPM) * projects
	steady := time.Duration(float64(summary.Tokens) / pool * float64(time.Minute))
	t.Logf("%d chunks, %d tokens, %d waits: elapsed %s, of which nothing ran for %s; bound %s in steady state, %s from a standing start",
		summary.Total, summary.Tokens, summary.Waits, summary.Elapsed.Round(time.Second), seen.Total.Round(time.Second),
		steady.Round(time.Second), (steady - time.Minute).Round(time.Second))
	require.Less(t, summary.Elapsed-seen.Total, steady)
}

// direct carries requests to a handler past any network, so that it works in a
// synctest bubble.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "memory"
	d.ServeHTTP(rec, in)
	return rec.Result(), r.Context().Err()
}
