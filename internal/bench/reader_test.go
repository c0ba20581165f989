package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The simulator's long streams are read as what they are.
func TestReadFromSimulator(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- ServeSimulator(ctx, in) }()
	var url string
	_, err := fmt.Fscanf(out, servingOn+"%s\n", &url)
	require.NoError(t, err)

	from := &source{url + "/v1beta/models/" + model + ":streamGenerateContent?alt=sse", keyValue(2), newClient(1)}
	begin := time.Now()
	got, err := from.read(ctx, "stream 20 chunks of 300 bytes every 1ms", 20, true)
	require.NoError(t, err)
	assert.Greater(t, got.bytes, int64(20*300))
	assert.Len(t, got.delays, 20)
	for _, d := range got.delays {
		assert.True(t, d >= 0 && d < time.Since(begin), "%s: the instants are not of one clock", d)
	}
	assert.Positive(t, got.firstByte)
	assert.GreaterOrEqual(t, got.took, got.firstByte)

	// Lines longer than the reader's buffer.
	got, err = from.read(ctx, "stream 3 chunks of 300000 bytes", 3, false)
	require.NoError(t, err)
	assert.Greater(t, got.bytes, int64(900_000))
	assert.Empty(t, got.delays)

	_, err = from.read(ctx, "stream 3 chunks of 100 bytes", 4, false)
	assert.ErrorContains(t, err, "3 chunks came, want 4")
	from.key = "unknown"
	_, err = from.read(ctx, "stream 3 chunks of 100 bytes", 3, false)
	assert.ErrorContains(t, err, "400 Bad Request")

	cancel()
	assert.NoError(t, <-ended)
}

func chunk(number int) string {
	return fmt.Sprintf("data: {\"text\":\"chunk %010d at %019d xyz\"}\r\n\r\n", number, 1_700_000_000_000_000_000)
}

// A stream that isn't whole must not count as one.
func TestReadBrokenStreams(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		cut  bool
		want string
	}{
		"a chunk is missing":    {body: chunk(1) + chunk(3), want: "chunk 3 came instead of 2"},
		"a chunk comes twice":   {body: chunk(1) + chunk(1), want: "chunk 1 came instead of 2"},
		"it ends too early":     {body: chunk(1), want: "1 chunks came, want 2"},
		"the connection breaks": {body: chunk(1) + chunk(2), cut: true, want: "unexpected EOF"},
		"it is empty":           {want: "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, c.body)
				_ = http.NewResponseController(w).Flush()
				if c.cut {
					panic(http.ErrAbortHandler)
				}
			}))
			defer srv.Close()
			_, err := (&source{srv.URL, "key", srv.Client()}).read(t.Context(), "plan", 2, true)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestParseChunk(t *testing.T) {
	number, made, ok := parseChunk([]byte(chunk(42)))
	assert.True(t, ok)
	assert.EqualValues(t, 42, number)
	assert.Equal(t, int64(1_700_000_000), made.Unix())
	for _, line := range []string{"", "\r\n", "data: {}", "chunk 1 at 2", "chunk 00000000x1 at 0001700000000000000 ", "chunk 0000000001 by 0001700000000000000 "} {
		_, _, ok := parseChunk([]byte(line))
		assert.False(t, ok, line)
	}
}

func TestPrint(t *testing.T) {
	var b bytes.Buffer
	r := &OverheadReport{
		Options: OverheadOptions{Connections: 64, Rounds: 2, Requests: 500},
		Parties: []Party{{Name: "bare proxy", Requests: 1000, Elapsed: 2 * time.Second, CPU: 80 * time.Millisecond, Ratio: Range{1, 1, 1}}},
	}
	require.NoError(t, r.Print(&b))
	assert.Equal(t, "bare proxy 1000 500 80.0 1.00 1.00..1.00", strings.Join(strings.Fields(line(t, b.String(), "bare proxy")), " "))

	b.Reset()
	s := &StreamReport{
		Options: StreamOptions{Rounds: 1, Chunks: 2, Interval: time.Millisecond}, Chunks: 10, Received: 3e6,
		Took: 2 * time.Second, TookDirect: time.Second, IdleBytes: 20 << 20, PeakBytes: 30 << 20,
		Direct:  Delays{Chunk: []time.Duration{100_000, 200_000, 300_000}},
		Through: Delays{Chunk: []time.Duration{150_000, 250_000, 350_000}},
	}
	require.NoError(t, s.Print(&b))
	assert.Equal(t, "Long stream: 3.0 MB in 10 chunks, 1.5 MB/s through Fluxgate, 3.0 MB/s directly.", line(t, b.String(), "Long"))
	assert.Equal(t, "Fluxgate's peak resident memory: 30.0 MiB (20.0 MiB before it); the limit is 64 MiB.", line(t, b.String(), "Fluxgate's"))
	assert.Equal(t, "delay of a chunk, median 0.200 0.250 +0.050", strings.Join(strings.Fields(line(t, b.String(), "median 0.2", "delay")), " "))
}

func TestPrintColdStart(t *testing.T) {
	r := &ColdStartReport{
		Options: ColdStartOptions{Runs: 3, Store: "state in a drawer"},
		Health:  []time.Duration{20e6, 49e6, 300e6}, Answer: []time.Duration{60e6}, First: []time.Duration{300e6}, Warm: []time.Duration{2e6},
		Added: []time.Duration{251e6}, Fresh: []int64{20e6}, Idle: []int64{60e6}, Program: 41e6,
	}
	var b bytes.Buffer
	require.NoError(t, r.Print(&b))
	fields := func(word string) string { return strings.Join(strings.Fields(line(t, b.String(), word)), " ") }
	assert.Equal(t, "3 starts of the function, state in a drawer, simulator without latency, 8 keys.", fields("3 starts"))
	assert.Equal(t, "process start to first 200 of /health 49.0 ms 20.0..300.0 under 50 ms, met", fields("200 of /health"))
	assert.Equal(t, "first /generate, above a later one 251.0 ms 251.0..251.0 under 250 ms, missed", fields("above"))
	assert.Equal(t, "resident memory at idle, after 6 answers 60.0 MB 60.0..60.0 under 60 MB, missed", fields("at idle"))
	assert.Equal(t, "The program has 41.0 MB: it is this command; the function's own is without the commands.", fields("The program"))
}

// line returns the first line that holds one of the words, blanks aside.
func line(t *testing.T, text string, words ...string) string {
	t.Helper()
	for l := range strings.Lines(text) {
		for _, word := range words {
			if strings.Contains(l, word) {
				return strings.TrimSpace(l)
			}
		}
	}
	t.Fatalf("no line with %q in\n%s", words, text)
	return ""
}
