package bench

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A request that there is room for soon comes back, and one that has to wait for another day
// is left: nobody sits that out.
func TestWaitsForAnotherDayAreLeft(t *testing.T) {
	waits := []string{"5", "10", "7200000"}
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Fluxgate-Retry-Ms", waits[asked])
		w.WriteHeader(http.StatusTooManyRequests)
		asked++
	}))
	defer server.Close()
	f := &freeRun{client: server.Client(), idle: make(chan *child, 1), report: new(FreeReport)}
	f.idle <- &child{url: server.URL}
	require.NoError(t, f.request(t.Context(), true))
	assert.Equal(t, 3, asked)
	assert.EqualValues(t, 1, f.report.Left)
	assert.EqualValues(t, 3, f.report.Told)
	assert.Zero(t, f.report.Answered)
	var said strings.Builder
	require.NoError(t, f.report.Print(&said))
	assert.Regexp(t, `left for another day +1\n`, said.String())
}
