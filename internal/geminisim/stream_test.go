package geminisim

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// TestPlannedStream: as many chunks, of as many bytes, as far apart as the prompt
// says, in every form of a stream, with a usage that adds up.
func TestPlannedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bubbleSim(Config{})
		start := time.Now()
		r := post(t, s, "models/"+flash+":streamGenerateContent?alt=sse", prompt("stream 5 chunks of 1000 bytes every 250ms"))
		require.Equal(t, 200, r.status, r.body)
		assert.Equal(t, time.Second, time.Since(start))
		list := events(t, r.body)
		require.Len(t, list, 5)
		var whole strings.Builder
		for i, e := range list {
			var got wire.GenerateResponse
			require.NoError(t, json.Unmarshal([]byte(e), &got))
			text := *got.Candidates[0].Content.Parts[0].Text
			assert.Len(t, text, 1000)
			var number int
			var at int64
			_, err := fmt.Sscanf(text, "chunk %d at %d", &number, &at)
			require.NoError(t, err)
			assert.Equal(t, i+1, number)
			assert.Equal(t, start.Add(time.Duration(i)*250*time.Millisecond).UnixNano(), at)
			whole.WriteString(text)
			assert.Equal(t, tokeniser.Count(whole.String()), got.UsageMetadata.CandidatesTokenCount)
			assert.Equal(t, i == 4, got.Candidates[0].FinishReason == "STOP")
		}

		r = post(t, s, "models/"+flash+":streamGenerateContent", prompt("stream 3 chunks of 7 bytes"))
		var array []wire.GenerateResponse
		r.decode(t, &array)
		require.Len(t, array, 3)
		assert.Equal(t, "chunk 0", *array[2].Candidates[0].Content.Parts[0].Text, "too small for all that it says")

		r = openAI(t, s, "POST", "chat/completions", `{"model":"`+flash+`","stream":true,"messages":[{"role":"user","content":"stream 3 chunks of 100 bytes"}]}`)
		assert.Len(t, events(t, r.body), 3+1)
	})
	for _, text := range []string{"stream 0 chunks of 5 bytes", "stream 5 chunks of 0 bytes", "stream 1 chunks of 99999999 bytes",
		"stream 1 chunks of 5 bytes every day", "please stream 1 chunks of 5 bytes", "stream 1 chunks of 5 bytes every -1s"} {
		assert.Nil(t, answers.PlanOf(text), "a text to translate: "+text)
	}
	s, _ := newSim(Config{})
	assert.Contains(t, post(t, s, "models/"+flash+":generateContent", prompt("stream 5 chunks of 1000 bytes")).body, Translate("stream 5 chunks of 1000 bytes"), "not a stream")
}

// readEvents reads a stream until it breaks and returns its complete events.
func readEvents(body io.Reader) (list []string, err error) {
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return list, err
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			list = append(list, data)
		}
	}
}

// TestBrokenStreams: half of the events come, none says that the answer is whole,
// and then the connection hangs or is reset.
func TestBrokenStreams(t *testing.T) {
	for _, text := range []string{"stream 6 chunks of 100 bytes", "stream 1 chunks of 100 bytes", words(100), "x"} {
		half := map[string]int{"s": 3, "w": 4}[text[:1]] // of 6, and of 7
		if text == "x" || strings.HasPrefix(text, "stream 1 ") {
			half = 1
		}
		synctest.Test(t, func(t *testing.T) {
			s := bubbleSim(Config{})
			s.FailNext(1, faults.StreamReset)
			resp, err := s.Transport().RoundTrip(newRequest(t.Context(), t, "streamGenerateContent?alt=sse", strings.NewReader(prompt(text))))
			require.NoError(t, err)
			list, err := readEvents(resp.Body)
			require.ErrorIs(t, err, syscall.ECONNRESET)
			assert.Len(t, list, half)
			assert.NotContains(t, strings.Join(list, ""), "finishReason")
			assert.Zero(t, s.Stats().Cancelled, "it wasn't the client")
			assert.Equal(t, "stream_reset", s.Log()[0].Reason)
			assert.EqualValues(t, 1, s.Log()[0].Charged)

			s.FailNext(1, faults.StreamStalled)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			resp, err = s.Transport().RoundTrip(newRequest(ctx, t, "streamGenerateContent?alt=sse", strings.NewReader(prompt(text))))
			require.NoError(t, err)
			list, err = readEvents(resp.Body)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, time.Minute, time.Since(start))
			assert.Len(t, list, half)
			assert.NotContains(t, strings.Join(list, ""), "finishReason")
			synctest.Wait()
			assert.EqualValues(t, 1, s.Stats().Cancelled)
			assert.True(t, s.RequestLog()[1].Cancelled)

			s.FailNext(2, faults.StreamReset)
			for _, stream := range []string{"true", "false"} {
				req, err := http.NewRequestWithContext(t.Context(), "POST", "http://gemini.test/v1beta/openai/chat/completions",
					strings.NewReader(`{"model":"`+flash+`","stream":`+stream+`,"messages":[{"role":"user","content":"`+text+`"}]}`))
				require.NoError(t, err)
				req.Header.Set("Authorization", "Bearer "+key1)
				resp, err = s.Transport().RoundTrip(req)
				if stream == "true" {
					require.NoError(t, err)
					list, err = readEvents(resp.Body)
					assert.Len(t, list, half)
					assert.NotContains(t, strings.Join(list, ""), `"stop"`)
				}
				require.ErrorIs(t, err, syscall.ECONNRESET)
			}
		})
	}
}

// TestOtherRequestsThanStreams: what strikes a stream half-way strikes others before.
func TestOtherRequestsThanStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := bubbleSim(Config{})
		s.FailNext(1, faults.StreamReset)
		_, err := s.Transport().RoundTrip(newRequest(t.Context(), t, "generateContent", strings.NewReader(prompt("x"))))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		s.FailNext(1, faults.StreamStalled)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = s.Transport().RoundTrip(newRequest(ctx, t, "generateContent", strings.NewReader(prompt("x"))))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, []string{"connection_reset", "hang"}, []string{s.Log()[0].Reason, s.Log()[1].Reason})
	})
}

// TestStreamsOverSockets: over TCP a reset is a reset, and a client that hangs up
// is noticed by a server that writes, one that waits and one that stalls.
func TestStreamsOverSockets(t *testing.T) {
	s := bubbleSim(Config{})
	server := httptest.NewServer(s)
	defer server.Close()
	stream := func(ctx context.Context, text string) io.ReadCloser {
		req, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/v1beta/models/"+flash+":streamGenerateContent?alt=sse", strings.NewReader(prompt(text)))
		require.NoError(t, err)
		req.Header.Set("x-goog-api-key", key1)
		resp, err := server.Client().Do(req)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		return resp.Body
	}
	s.FailNext(1, faults.StreamReset)
	body := stream(t.Context(), "stream 6 chunks of 1000 bytes")
	list, err := readEvents(body)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	assert.Len(t, list, 3)
	require.NoError(t, body.Close())

	for i, text := range []string{"stream 999999999 chunks of 10000 bytes", "stream 2 chunks of 100 bytes every 1h", "x"} {
		if text == "x" {
			s.FailNext(1, faults.StreamStalled)
		}
		ctx, cancel := context.WithCancel(t.Context())
		body := stream(ctx, text)
		_, err := io.ReadFull(body, make([]byte, 100))
		require.NoError(t, err)
		cancel()
		require.NoError(t, body.Close())
		require.Eventually(t, func() bool { return s.Stats().Cancelled == int64(i+1) }, 5*time.Second, time.Millisecond, text)
	}
	body = stream(t.Context(), "stream 100 chunks of 65536 bytes")
	n, err := io.Copy(io.Discard, body)
	require.NoError(t, err)
	assert.Greater(t, n, int64(100*65536))
	require.NoError(t, body.Close())
	require.Eventually(t, func() bool { r := s.RequestLog(); return r[len(r)-1].Done }, 5*time.Second, time.Millisecond)
	assert.EqualValues(t, 3, s.Stats().Cancelled, "a client that has read everything and goes has cancelled nothing")
}

func BenchmarkStream(b *testing.B) {
	s := New(Config{Keys: []Key{{Value: key1}}, Limits: map[string]Limits{flash: {RPM: -1, TPM: -1, RPD: -1}}})
	server := httptest.NewServer(s)
	defer server.Close()
	b.SetBytes(64 * 65536)
	for b.Loop() {
		resp, err := server.Client().Post(server.URL+"/v1beta/models/"+flash+":streamGenerateContent?alt=sse&key="+key1, "application/json",
			strings.NewReader(prompt("stream 64 chunks of 65536 bytes")))
		if err != nil || resp.StatusCode != 200 {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}
