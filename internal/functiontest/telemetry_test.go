package functiontest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// The first request exports what it did, and what later ones left is exported
// when the platform stops the instance.
func TestExports(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var routes []string
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		in := new(tracepb.ExportTraceServiceRequest)
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, in) != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, span := range in.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans() {
			if strings.Contains(span.GetName(), "/") {
				routes = append(routes, span.GetName())
			}
		}
	}))
	t.Cleanup(collector.Close)
	exported := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, routes...)
	}
	url, _ := gemini(t)
	f := start(t, "K_SERVICE=fluxgate", "GOOGLE_CLOUD_PROJECT=acme", "FLUXGATE_AUTH=iam", "FLUXGATE_STORE=memory", "GEMINI_KEY_1="+keyValue,
		"GOOGLE_GEMINI_BASE_URL="+url, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
	_, _ = f.ask("POST", "/generate", `{"prompt":"hello"}`)
	assert.Equal(t, []string{"POST /generate"}, exported(), "it had been exported before it was answered")
	_, _ = f.ask("GET", "/health", "")
	assert.Equal(t, []string{"POST /generate"}, exported())

	require.NoError(t, f.process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { return len(exported()) == 2 }, 10*time.Second, 10*time.Millisecond)
	assert.Equal(t, []string{"POST /generate", "GET /health"}, exported())
}
