package server_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packed returns a text in a content coding.
func packed(t testing.TB, coding, text string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	default: // deflate as many understand it
		var err error
		w, err = flate.NewWriter(&b, flate.BestCompression)
		require.NoError(t, err)
	}
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// packedBlanks returns what packed does of so many MiB of blanks, 3 at least, without packing all of them:
// once there are as many as a window holds, deflate writes the same for every further MiB.
func packedBlanks(t testing.TB, coding string, mebibytes int) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	require.NoError(t, err)
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	var pieces [3]string
	for i := range pieces {
		b.Reset()
		_, err := w.Write(blanks)
		require.NoError(t, err)
		require.NoError(t, w.Flush())
		pieces[i] = b.String()
	}
	require.Equal(t, pieces[1], pieces[2])
	b.Reset()
	require.NoError(t, w.Close())
	text := pieces[0] + strings.Repeat(pieces[1], mebibytes-1) + b.String()

	switch coding {
	case "gzip": // RFC 1952
		sum := uint32(0)
		for range mebibytes {
			sum = crc32.Update(sum, crc32.IEEETable, blanks)
		}
		end := binary.LittleEndian.AppendUint32(nil, sum)
		return "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + text + string(binary.LittleEndian.AppendUint32(end, uint32(mebibytes<<20)))
	default: // zlib, RFC 1950, whose checksum is the sum of all bytes, and that of all sums
		n := uint64(mebibytes) << 20
		sum := (1 + ' '*n) % 65521
		sums := (n + ' '*n*(n+1)/2) % 65521
		return "\x78\x9c" + text + string(binary.BigEndian.AppendUint32(nil, uint32(sums<<16|sum)))
	}
}

// What packedBlanks puts together is what a compressor makes.
func TestPackedBlanks(t *testing.T) {
	t.Parallel()
	blanks := strings.Repeat(" ", 4<<20)
	for coding, unpack := range map[string]func(io.Reader) (io.ReadCloser, error){
		"gzip":    func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) },
		"deflate": zlib.NewReader,
	} {
		r, err := unpack(strings.NewReader(packedBlanks(t, coding, 4)))
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err, "with its checksum")
		assert.True(t, blanks == string(text), coding)
	}
}

// A packed body is read as what is in it, on every route, and goes upstream as that.
func TestPackedBodies(t *testing.T) {
	for coding, header := range map[string]string{
		"gzip": "gzip", "x-gzip": "X-GZIP", "deflate": "deflate", "raw": "Deflate", "identity": "identity, gzip",
	} {
		up, s := stubbed(nil)
		w := newWorld(t, s)
		if coding == "identity" {
			coding = "gzip"
		}
		for _, c := range []struct{ path, body, ending string }{
			{unaryPath, hello, ":generateContent"},
			{"/openai/v1/chat/completions", chat, "/chat/completions"},
		} {
			a := w.do("POST", c.path, packed(t, coding, c.body), "Content-Encoding", header)
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
			sent := up.only(t, c.ending)
			assert.Equal(t, c.body, string(sent.body))
			assert.EqualValues(t, len(c.body), sent.r.ContentLength)
			assert.Empty(t, sent.header.Get("Content-Encoding"))
		}
		w.do("POST", "/generate", packed(t, coding, body("hello", "")), "Content-Encoding", header).ok()
		assert.Equal(t, http.StatusOK, w.do("POST", "/plan", packed(t, coding, `{"tokens":1}`), "Content-Encoding", header).Code)
	}
}

// What isn't understood is refused with what is, and what is no such coding after all
// with 400. Nothing is sent.
func TestUnknownCodings(t *testing.T) {
	w := newWorld(t, setup{})
	for _, coding := range []string{"br", "zstd", "compress", "gzip, gzip", "aws-chunked"} {
		for _, path := range []string{unaryPath, "/openai/v1/chat/completions", "/generate", "/v1beta/cachedContents"} {
			a := w.do("POST", path, hello, "Content-Encoding", coding)
			assert.Equal(t, http.StatusUnsupportedMediaType, a.Code, coding)
			assert.Equal(t, "gzip, deflate", a.Header().Get("Accept-Encoding"))
			assert.Contains(t, a.Body.String(), "Content-Encoding")
		}
	}
	whole := packed(t, "gzip", hello)
	for _, broken := range []string{hello, whole[:len(whole)-9], whole + "x"} {
		w.do("POST", unaryPath, broken, "Content-Encoding", "gzip").failed(http.StatusBadRequest)
	}
	w.untouched()
}

// A body is as large as what comes out of it. Unpacking ends at the bound: a bomb
// costs no more than an honest body that is too large.
func TestBombsEndAtTheBound(t *testing.T) {
	w := newWorld(t, setup{env: []string{"FLUXGATE_MAX_BODY=64KiB"}})
	fits := strings.ReplaceAll(hello, "hello", strings.Repeat("a", 64<<10-len(hello)+len("hello")))
	require.Len(t, fits, 64<<10)
	assert.Equal(t, http.StatusOK, w.do("POST", unaryPath, packed(t, "gzip", fits), "Content-Encoding", "gzip").Code)

	bomb := &counted{Reader: strings.NewReader(packedBlanks(t, "gzip", 64))} // 64 KiB of it
	all := bomb.Len()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://fluxgate.test"+unaryPath, bomb)
	require.NoError(t, err)
	r.Header.Set("Content-Encoding", "gzip")
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	answer{rec, t}.failed(http.StatusRequestEntityTooLarge)
	assert.Less(t, all-bomb.Len(), all/4, "it isn't read on")
	assert.Len(t, w.sim.Log(), 1)
}

// counted hides the length of a body.
type counted struct{ *strings.Reader }

// packedStub answers calls with a text in gzip, though it was asked for none.
func packedStub(t testing.TB, status int, text, kind string) setup {
	_, s := stubbed(func(h heard) *http.Response {
		if !isCall(h) {
			return nil
		}
		return respond(status, packed(t, "gzip", text), "Content-Type", kind, "Content-Encoding", "gzip")
	})
	s.env = []string{"FLUXGATE_CHAIN=" + pro}
	return s
}

// A refusal teaches what it says, packed or not, on every route.
func TestPackedRefusalsTeach(t *testing.T) {
	for path, inArray := range map[string]bool{
		unaryPath: false, streamPath: false, strings.TrimSuffix(streamPath, "?alt=sse"): true, "/openai/v1/chat/completions": true, "/generate": false,
	} {
		synctest.Test(t, func(t *testing.T) {
			text := strings.NewReplacer("PerMinute", "PerDay", `"quotaValue":"2"`, `"quotaValue":"17"`).Replace(minutes)
			if inArray {
				text = "[" + text + "]"
			}
			w := newWorld(t, packedStub(t, http.StatusTooManyRequests, text, "application/json"))
			a := w.do("POST", path, bodyFor(path))
			assert.Greater(t, a.wait(), time.Minute)
			assert.Empty(t, a.Header().Get("Content-Encoding"))
			model := w.status().Projects[0].Models[0]
			require.NotNil(t, model.Block)
			assert.Equal(t, "upstream_day", model.Block.Cause)
			assert.EqualValues(t, 17, model.RPD.Limit)
		})
	}
}

// An answer passes as it came, and is metered, and looked at for errors and silence,
// by what is in it.
func TestPackedAnswersAreUnderstood(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a word or two ", 20_000)
	for name, c := range map[string]struct{ path, text, kind string }{
		"unary":  {unaryPath, `{"candidates":[{"content":{"parts":[{"text":"` + long + `"}]}}],"usageMetadata":{"promptTokenCount":90}}`, "application/json"},
		"stream": {streamPath, event("one") + event(long) + strings.ReplaceAll(event("two"), ": 7", ": 90"), "text/event-stream"},
		"OpenAI": {"/openai/v1/chat/completions", `{"choices":[{"index":0,"message":{"content":"hi"}}],"usage":{"prompt_tokens":90}}`, "application/json"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, packedStub(t, http.StatusOK, c.text, c.kind))
			a := w.do("POST", c.path, bodyFor(c.path))
			require.Equal(t, http.StatusOK, a.Code)
			assert.Equal(t, "gzip", a.Header().Get("Content-Encoding"))
			assert.Equal(t, packed(t, "gzip", c.text), a.Body.String(), "to the byte")
			assert.EqualValues(t, 90, w.status().Projects[0].Models[0].TPM.Used, name)
		})
	}
	// An error in the middle is recorded like any other.
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, packedStub(t, http.StatusOK, event("one")+minutes, "text/event-stream"))
		assert.Equal(t, http.StatusOK, w.do("POST", streamPath, hello).Code)
		require.NotNil(t, w.status().Projects[0].Models[0].Block)
	})
	// One that is all of it, or silence, can be had elsewhere.
	for _, text := range []string{minutes, "", `{"candidates":[]}`} {
		synctest.Test(t, func(t *testing.T) {
			s := packedStub(t, http.StatusOK, text, "application/json")
			w := newWorld(t, s)
			assert.NotEqual(t, http.StatusOK, w.do("POST", unaryPath, hello).Code, text)
		})
	}
	// What can't be unpacked passes, and costs what was reserved.
	for _, coding := range []string{"br", "gzip"} {
		_, s := stubbed(func(heard) *http.Response {
			return respond(http.StatusOK, "\x1f\x8bnot what it says", "Content-Encoding", coding)
		})
		a := newWorld(t, s).do("POST", unaryPath, hello)
		assert.Equal(t, http.StatusOK, a.Code)
		assert.Equal(t, "\x1f\x8bnot what it says", a.Body.String())
		assert.Equal(t, coding, a.Header().Get("Content-Encoding"))
	}
}

// Lists are put together here, from what is in them.
func TestPackedLists(t *testing.T) {
	_, s := stubbed(func(heard) *http.Response {
		return respond(http.StatusOK, packed(t, "gzip", `{"models":[{"name":"models/x"}]}`), "Content-Encoding", "gzip")
	})
	a := newWorld(t, s).do("GET", "/v1beta/models", "")
	assert.Empty(t, a.Header().Get("Content-Encoding"))
	assert.Contains(t, a.Body.String(), `"models/auto"`)
	assert.Contains(t, a.Body.String(), `"models/x"`)
}
