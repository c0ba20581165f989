package geminisim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim/files"
)

// startUpload opens a session with key1 and returns its path and query.
func startUpload(t *testing.T, s *Server, body string, header ...string) string {
	t.Helper()
	r := do(t, s, "POST", "/upload/v1beta/files", body, append([]string{"x-goog-api-key", key1,
		"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start"}, header...)...)
	require.Equal(t, 200, r.status, r.body)
	url, ok := strings.CutPrefix(r.header.Get("X-Goog-Upload-URL"), "http://gemini.test/")
	require.True(t, ok, "absolute, and on the host that was asked")
	assert.Equal(t, r.header.Get("X-Goog-Upload-URL"), r.header.Get("X-Goog-Upload-Control-URL"))
	assert.Equal(t, "active", r.header.Get("X-Goog-Upload-Status"))
	return "/" + url
}

// sendChunk sends a command to a session, without a key.
func sendChunk(t *testing.T, s *Server, method, url, command string, offset int, body string) reply {
	t.Helper()
	return do(t, s, method, url, body, "X-Goog-Upload-Command", command, "X-Goog-Upload-Offset", fmt.Sprint(offset))
}

// uploadRaw makes a file of key1's project in one request.
func uploadRaw(t *testing.T, s *Server, content string) files.View {
	t.Helper()
	r := do(t, s, "POST", "/upload/v1beta/files", content, "x-goog-api-key", key1,
		"X-Goog-Upload-Protocol", "raw", "Content-Type", "text/plain")
	return uploaded(t, r)
}

func uploaded(t *testing.T, r reply) files.View {
	t.Helper()
	require.Equal(t, 200, r.status, r.body)
	var got struct{ File files.View }
	r.decode(t, &got)
	return got.File
}

func hashOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(sum[:])))
}

func TestResumableUpload(t *testing.T) {
	s, _ := newSim(Config{UploadGranularity: 4})
	url := startUpload(t, s, `{"file":{"display_name":"A name","name":"files/my-file"}}`,
		"X-Goog-Upload-Header-Content-Length", "10", "X-Goog-Upload-Header-Content-Type", "application/pdf")

	r := sendChunk(t, s, "POST", url, "upload", 0, "0123")
	require.Equal(t, 200, r.status, r.body)
	assert.Equal(t, "active", r.header.Get("X-Goog-Upload-Status"))
	assert.Empty(t, r.body)

	// A client that has lost the answer asks how far it got.
	r = sendChunk(t, s, "POST", url, "query", 0, "")
	assert.Equal(t, "active", r.header.Get("X-Goog-Upload-Status"))
	assert.Equal(t, "4", r.header.Get("X-Goog-Upload-Size-Received"))

	for name, tc := range map[string]struct {
		command string
		offset  int
		body    string
	}{
		"sent before":         {"upload", 0, "0123"},
		"a gap":               {"upload", 8, "89"},
		"not the granularity": {"upload", 4, "45"},
		"too many":            {"upload, finalize", 4, "456789!"},
		"unknown command":     {"start", 4, ""},
	} {
		r = sendChunk(t, s, "POST", url, tc.command, tc.offset, tc.body)
		assert.Equal(t, 400, r.status, name)
		assert.Equal(t, "active", r.header.Get("X-Goog-Upload-Status"), name)
		assert.Contains(t, r.header.Get("Content-Type"), "text/plain", "the upload backend doesn't speak JSON")
	}
	assert.Equal(t, 400, sendChunk(t, s, "POST", url, "finalize", 4, "").status, "bytes are missing")

	r = sendChunk(t, s, "PUT", url, "upload, finalize", 4, "456789")
	f := uploaded(t, r)
	assert.Equal(t, "final", r.header.Get("X-Goog-Upload-Status"))
	assert.Equal(t, files.View{Name: "files/my-file", DisplayName: "A name", MIMEType: "application/pdf", SizeBytes: 10,
		CreateTime: "2026-06-10T19:00:00Z", UpdateTime: "2026-06-10T19:00:00Z", ExpirationTime: "2026-06-12T19:00:00Z",
		SHA256Hash: hashOf("0123456789"), URI: "http://gemini.test/v1beta/files/my-file", State: "ACTIVE", Source: "UPLOADED"}, f)
	assert.Contains(t, r.body, `"sizeBytes":"10"`, "an int64 is a string in proto3 JSON")

	assert.Equal(t, 400, sendChunk(t, s, "POST", url, "upload, finalize", 10, "").status, "it's over")
	assert.Equal(t, f, uploaded(t, sendChunk(t, s, "POST", url, "query", 0, "")))
	got := do(t, s, "GET", "/v1beta/files/my-file", "", "x-goog-api-key", key1)
	var same files.View
	got.decode(t, &same)
	assert.Equal(t, f, same)
	assert.Equal(t, 409, do(t, s, "POST", "/upload/v1beta/files", `{"file":{"name":"files/my-file"}}`, "x-goog-api-key", key2,
		"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start").status, "names are global")
}

// TestUploadSession: what else can become of one.
func TestUploadSession(t *testing.T) {
	s, _ := newSim(Config{})
	url := startUpload(t, s, "")
	assert.Contains(t, do(t, s, "POST", "/upload/v1beta/files?a=b&key="+key1, "", "X-Goog-Upload-Protocol", "resumable",
		"X-Goog-Upload-Command", "start").header.Get("X-Goog-Upload-URL"), "?a=b&key="+key1+"&upload_id=",
		"the URL keeps the query, key and all: a trap for a proxy")

	assert.Equal(t, 400, do(t, s, "POST", url, "x", "X-Goog-Upload-Command", "upload, finalize").status, "no offset")
	other := do(t, s, "POST", url, "x", "X-Goog-Upload-Command", "upload, finalize", "X-Goog-Upload-Offset", "0", "x-goog-api-key", key2)
	assert.Equal(t, 403, other.status, "another project's key")
	both := do(t, s, "POST", url+"&key="+key1, "", "X-Goog-Upload-Command", "query", "x-goog-api-key", key1)
	assert.Equal(t, 400, both.status)
	assert.Contains(t, both.body, "Multiple authentication credentials")
	assert.Equal(t, 200, do(t, s, "POST", url, "", "X-Goog-Upload-Command", "query", "x-goog-api-key", key1).status)

	r := sendChunk(t, s, "POST", url, "cancel", 0, "")
	assert.Equal(t, "cancelled", r.header.Get("X-Goog-Upload-Status"))
	r = sendChunk(t, s, "POST", url, "upload, finalize", 0, "x")
	assert.Equal(t, 400, r.status)
	assert.Equal(t, "cancelled", r.header.Get("X-Goog-Upload-Status"))
	assert.Equal(t, 404, sendChunk(t, s, "POST", "/upload/v1beta/files?upload_id=x", "query", 0, "").status)

	// The last chunk may be empty: the Go SDK sends one after a full chunk.
	url = startUpload(t, s, "{}", "X-Goog-Upload-Header-Content-Type", "text/plain")
	big := strings.Repeat("x", granularity)
	require.Equal(t, 200, sendChunk(t, s, "POST", url, "upload", 0, big).status)
	f := uploaded(t, sendChunk(t, s, "POST", url, "upload, finalize", granularity, ""))
	assert.Equal(t, hashOf(big), f.SHA256Hash)
	assert.Equal(t, "text/plain", f.MIMEType)
	assert.Regexp(t, `^files/[a-z0-9]{12}$`, f.Name)

	for name, header := range map[string][]string{
		"no protocol": {"X-Goog-Upload-Command", "start"},
		"no start":    {"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "upload"},
		"length":      {"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start", "X-Goog-Upload-Header-Content-Length", "-1"},
	} {
		assert.Equal(t, 400, do(t, s, "POST", "/upload/v1beta/files", "", append(header, "x-goog-api-key", key1)...).status, name)
	}
	for _, body := range []string{`{"file":{"name":"files/-x"}}`, `{"file":{"name":"Upper"}}`, `{`,
		`{"file":{"displayName":"` + strings.Repeat("x", 513) + `"}}`} {
		assert.Equal(t, 400, do(t, s, "POST", "/upload/v1beta/files", body, "x-goog-api-key", key1, "X-Goog-Upload-Protocol", "resumable",
			"X-Goog-Upload-Command", "start").status, body)
	}
	assert.Equal(t, 403, do(t, s, "POST", "/upload/v1beta/files", "", "X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start").status)
	assert.Equal(t, 404, do(t, s, "PUT", "/upload/v1beta/files", "", "x-goog-api-key", key1).status)
	assert.Equal(t, 404, do(t, s, "POST", "/upload/v1beta/models", "", "x-goog-api-key", key1).status)
}

// TestResumeAfterABreak: what arrived before the connection broke counts.
func TestResumeAfterABreak(t *testing.T) {
	s, _ := newSim(Config{})
	url := startUpload(t, s, "", "X-Goog-Upload-Header-Content-Length", "6")
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, "abc")
		_ = w.CloseWithError(io.ErrClosedPipe)
	}()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://gemini.test"+url, r)
	require.NoError(t, err)
	req.Header.Set("X-Goog-Upload-Command", "upload, finalize")
	req.Header.Set("X-Goog-Upload-Offset", "0")
	_, err = s.Transport().RoundTrip(req)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	assert.EqualValues(t, 1, s.Stats().Cancelled)
	assert.Equal(t, "3", sendChunk(t, s, "POST", url, "query", 0, "").header.Get("X-Goog-Upload-Size-Received"))
	assert.Equal(t, hashOf("abcdef"), uploaded(t, sendChunk(t, s, "POST", url, "upload, finalize", 3, "def")).SHA256Hash)

	// An upload of unknown length (chunked) that goes on and on is given up.
	url = startUpload(t, s, "", "X-Goog-Upload-Header-Content-Length", "2")
	req, err = http.NewRequestWithContext(t.Context(), "POST", "http://gemini.test"+url, io.MultiReader(strings.NewReader("abc")))
	require.NoError(t, err)
	req.Header.Set("X-Goog-Upload-Command", "upload, finalize")
	req.Header.Set("X-Goog-Upload-Offset", "0")
	resp, err := s.Transport().RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 400, resp.StatusCode)
	assert.Equal(t, "cancelled", resp.Header.Get("X-Goog-Upload-Status"))
}

// TestNameTakenMeanwhile: of two sessions for one name the first to end has it.
func TestNameTakenMeanwhile(t *testing.T) {
	s, _ := newSim(Config{})
	const meta = `{"file":{"name":"files/one"}}`
	first, second := startUpload(t, s, meta), startUpload(t, s, meta)
	uploaded(t, sendChunk(t, s, "POST", second, "upload, finalize", 0, "second"))
	r := sendChunk(t, s, "POST", first, "upload, finalize", 0, "first")
	assert.Equal(t, 409, r.status, r.body)
	var f files.View
	do(t, s, "GET", "/v1beta/files/one", "", "x-goog-api-key", key1).decode(t, &f)
	assert.Equal(t, hashOf("second"), f.SHA256Hash)
	require.Equal(t, 200, do(t, s, "DELETE", "/v1beta/files/one", "", "x-goog-api-key", key1).status)
	assert.Equal(t, hashOf("first"), uploaded(t, sendChunk(t, s, "POST", first, "finalize", 5, "")).SHA256Hash, "nothing was lost")
}

// TestBrokenUploads: what doesn't arrive whole in one request leaves nothing.
func TestBrokenUploads(t *testing.T) {
	s, _ := newSim(Config{})
	for i, protocol := range []string{"raw", "multipart", "resumable"} {
		r, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, "--b\r\n\r\n{}\r\n--b\r\n\r\nabc")
			_ = w.CloseWithError(io.ErrClosedPipe)
		}()
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://gemini.test/upload/v1beta/files", r)
		require.NoError(t, err)
		for name, value := range map[string]string{"X-Goog-Upload-Protocol": protocol, "X-Goog-Upload-Command": "start",
			"Content-Type": "multipart/related; boundary=b", "X-Goog-Api-Key": key1} {
			req.Header.Set(name, value)
		}
		_, err = s.Transport().RoundTrip(req)
		require.ErrorIs(t, err, io.ErrClosedPipe, protocol)
		assert.EqualValues(t, i+1, s.Stats().Cancelled, protocol)
	}
	assert.Equal(t, "{}\n", do(t, s, "GET", "/v1beta/files", "", "x-goog-api-key", key1).body)
	_, uploads := s.files.Kept()
	assert.Zero(t, uploads)
}

func TestMultipartUpload(t *testing.T) {
	s, _ := newSim(Config{FileURIBase: "https://generativelanguage.googleapis.com"})
	post := func(kind, body string) reply {
		return do(t, s, "POST", "/upload/v1beta/files", body, "x-goog-api-key", key1,
			"X-Goog-Upload-Protocol", "multipart", "Content-Type", kind)
	}
	const head = "--b\r\nContent-Type: application/json\r\n\r\n{\"file\":{\"displayName\":\"n\"}}\r\n"
	const kind = "multipart/related; boundary=b"
	f := uploaded(t, post(kind, head+"--b\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--b--\r\n"))
	assert.Equal(t, "n", f.DisplayName)
	assert.Equal(t, "image/png", f.MIMEType)
	assert.EqualValues(t, 4, f.SizeBytes)
	assert.Equal(t, hashOf("\x89PNG"), f.SHA256Hash)
	assert.Equal(t, "https://generativelanguage.googleapis.com/v1beta/"+f.Name, f.URI)

	for name, body := range map[string]string{
		"only metadata": head + "--b--\r\n",
		"no end":        head + "--b\r\nContent-Type: image/png\r\n\r\n\x89PNG",
		"bad metadata":  "--b\r\n\r\n{\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"empty":         "",
	} {
		assert.Equal(t, 400, post(kind, body).status, name)
	}
	assert.Equal(t, 400, post("text/plain", head).status)
	assert.Zero(t, s.Stats().Cancelled, "malformed isn't the same as broken off")
}

// TestFilesBelongToAProject: all keys of the project see its files, no others do,
// and the refusal doesn't tell whether a file exists.
func TestFilesBelongToAProject(t *testing.T) {
	const sister = "AIza-second-key-of-alpha"
	s, _ := newSim(Config{Keys: []Key{{Value: key1, Project: "alpha"}, {Value: sister, Project: "alpha"}, {Value: key2}}})
	f := uploadRaw(t, s, "content")
	id := strings.TrimPrefix(f.Name, "files/")
	denied := func(r reply, id string) {
		t.Helper()
		assert.Equal(t, 403, r.status)
		assert.JSONEq(t, `{"error":{"code":403,"message":"You do not have permission to access the File `+id+
			` or it may not exist.","status":"PERMISSION_DENIED"}}`, r.body)
	}
	assert.Equal(t, 200, do(t, s, "GET", "/v1beta/"+f.Name, "", "x-goog-api-key", sister).status)
	for _, method := range []string{"GET", "DELETE"} {
		denied(do(t, s, method, "/v1beta/"+f.Name, "", "x-goog-api-key", key2), id)
		denied(do(t, s, method, "/v1beta/files/none", "", "x-goog-api-key", key1), "none")
	}
	assert.Equal(t, 404, do(t, s, "PATCH", "/v1beta/"+f.Name, "", "x-goog-api-key", key1).status)
	assert.Equal(t, "{}\n", do(t, s, "GET", "/v1beta/files", "", "x-goog-api-key", key2).body)
	r := do(t, s, "DELETE", "/v1beta/"+f.Name, "", "x-goog-api-key", key1)
	assert.Equal(t, 200, r.status)
	assert.JSONEq(t, `{}`, r.body)
	denied(do(t, s, "GET", "/v1beta/"+f.Name, "", "x-goog-api-key", key1), id)
}

func TestFilesExpire(t *testing.T) {
	s, clock := newSim(Config{})
	f := uploadRaw(t, s, "content")
	clock.add(48*time.Hour - time.Nanosecond)
	assert.Equal(t, 200, do(t, s, "GET", "/v1beta/"+f.Name, "", "x-goog-api-key", key1).status)
	clock.add(time.Nanosecond)
	assert.Equal(t, 403, do(t, s, "GET", "/v1beta/"+f.Name, "", "x-goog-api-key", key1).status)
	assert.Equal(t, "{}\n", do(t, s, "GET", "/v1beta/files", "", "x-goog-api-key", key1).body)
	uploadRaw(t, s, "next")
	files, _ := s.files.Kept()
	assert.Equal(t, 1, files, "what has expired takes no memory")
}

// TestListFiles: pages come newest first and end, also when a file goes in
// between, and one project's token is of no use to another.
func TestListFiles(t *testing.T) {
	s, _ := newSim(Config{})
	var names []string
	for i := range 12 {
		names = append([]string{uploadRaw(t, s, fmt.Sprint(i)).Name}, names...)
	}
	type page struct {
		Files         []files.View
		NextPageToken string
	}
	get := func(query string) (p page) {
		r := do(t, s, "GET", "/v1beta/files"+query, "", "x-goog-api-key", key1)
		require.Equal(t, 200, r.status, r.body)
		r.decode(t, &p)
		return p
	}
	assert.Len(t, get("").Files, 10, "the default")
	first := get("?pageSize=5")
	require.Equal(t, 200, do(t, s, "DELETE", "/v1beta/"+names[4], "", "x-goog-api-key", key1).status, "the last of the page")
	second := get("?pageSize=5&pageToken=" + first.NextPageToken)
	third := get("?pageSize=5&pageToken=" + second.NextPageToken)
	assert.Empty(t, third.NextPageToken)
	var got []string
	for _, p := range []page{first, second, third} {
		for _, f := range p.Files {
			got = append(got, f.Name)
		}
	}
	assert.Equal(t, names, got)
	for _, query := range []string{"?pageSize=-1", "?pageSize=x", "?pageToken=x", "?pageToken=" + base64.RawURLEncoding.EncodeToString([]byte("3/1"))} {
		assert.Equal(t, 400, do(t, s, "GET", "/v1beta/files"+query, "", "x-goog-api-key", key1).status, query)
	}
	assert.Equal(t, 400, do(t, s, "GET", "/v1beta/files?pageToken="+first.NextPageToken, "", "x-goog-api-key", key2).status)
}

// TestFileInAPrompt: it has to be the project's, it costs by size, and a URI that
// isn't this API's is none of its business.
func TestFileInAPrompt(t *testing.T) {
	s, _ := newSim(Config{})
	f := uploadRaw(t, s, strings.Repeat("x", 3*pageBytes+1))
	body := func(uri string) string {
		return `{"contents":[{"parts":[{"text":"word"},{"fileData":{"fileUri":"` + uri + `","mimeType":"text/plain"}}]}]}`
	}
	for _, method := range []string{"generateContent", "streamGenerateContent?alt=sse", "countTokens"} {
		for _, uri := range []string{f.URI, f.Name, "https://elsewhere.test/v1/" + f.Name} {
			r := post(t, s, "models/"+flash+":"+method, body(uri))
			assert.Equal(t, 200, r.status, r.body)
			assert.Contains(t, r.body, fmt.Sprint(1+4*258), uri)
			r = do(t, s, "POST", "/v1beta/models/"+flash+":"+method, body(uri), "x-goog-api-key", key2)
			assert.Equal(t, 403, r.status, uri)
			assert.Contains(t, r.body, "You do not have permission to access the File "+strings.TrimPrefix(f.Name, "files/"))
		}
		assert.Equal(t, 200, post(t, s, "models/"+flash+":"+method, body("https://example.com/files.pdf")).status)
		assert.Equal(t, 403, post(t, s, "models/"+flash+":"+method, body("files/none")).status)
	}
	system := `{"contents":[{"parts":[{"text":"word"}]}],"system_instruction":{"parts":[{"file_data":{"file_uri":"` + f.URI + `"}}]}}`
	assert.Contains(t, post(t, s, "models/"+flash+":generateContent", system).body, fmt.Sprint(1+4*258))
	assert.Equal(t, 400, post(t, s, "models/"+flash+":generateContent", `{"contents":[{"parts":[{"fileData":"x"}]}]}`).status)
	for _, e := range s.Log() {
		if e.Status == 403 {
			assert.Zero(t, e.Charged)
			assert.Equal(t, "PERMISSION_DENIED", e.Reason)
		}
	}
}
