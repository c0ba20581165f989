package telemetry

import (
	"context"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"fluxgate.dev/fluxgate/internal/race"
)

// measure measures sizes around all bounds, in some series and in more than there may be, of
// which further ones are counted together, and one that was there before by itself.
func measure(ctx context.Context, r *Recorder) {
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			k := requestKey{"GET", "http", "/" + strconv.Itoa(n%2), 200 + n}
			for _, bound := range httpBuckets {
				for _, v := range []float64{bound / 2, bound, bound * 1.5, bound * 1000} {
					r.m.duration.add(ctx, k, v)
				}
			}
		})
	}
	all.Wait()
	for n := range maxSeries + 5 {
		r.m.waited.add(ctx, waitTimeKey{model: "m" + strconv.Itoa(n)}, float64(n))
	}
	r.m.waited.add(ctx, waitTimeKey{model: "m7"}, 0)
	r.m.wait.add(ctx, waitTimeKey{"m", "rpm"}, 1<<30)
	r.m.upstream.add(ctx, sendKey{"generate_content", "", "", "m", "server"}, .25)
	r.m.store.add(ctx, storeKey{"apply", "conflict"}, .02)
	r.m.tokens.add(ctx, usageKey{"generate_content", "openai", "p", "m", "input"}, 1<<40)
	r.m.tokens.add(ctx, usageKey{"generate_content", "openai", "p", "m", "input"}, 1)
}

// scraped returns the lines of histograms that who scrapes gets.
func scraped(t *testing.T, r *Recorder) []string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Metrics().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		for _, family := range []string{"http_server_request_duration", "fluxgate_admission_wait", "gen_ai_client", "fluxgate_store_operation"} {
			if strings.Contains(line, family) {
				lines = append(lines, line)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// Who scrapes gets the same from our own histograms as from the SDK's, to the byte: names, texts,
// units, series, buckets and sums; of nothing that wasn't measured anything.
func TestOwnHistogramsAreTheSDKs(t *testing.T) {
	race.Skip(t)
	own, sdk := recorder(t, Options{}), recorder(t, Options{MetricReader: sdkmetric.NewManualReader()})
	require.Nil(t, own.m.duration.record)
	require.NotNil(t, sdk.m.duration.record)
	assert.Empty(t, scraped(t, own))
	assert.Empty(t, scraped(t, sdk))
	for range 2 {
		measure(t.Context(), own)
		measure(t.Context(), sdk)
		want := scraped(t, sdk)
		assert.Greater(t, len(want), maxSeries)
		assert.Equal(t, want, scraped(t, own))
	}
}
