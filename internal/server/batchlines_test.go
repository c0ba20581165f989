package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/storage"
)

// sendTo begins an upload for a caller and sends its pieces, each through another instance.
func (w *world) sendTo(token, about string, pieces ...string) (made answer) {
	w.t.Helper()
	a := w.do("POST", "/upload/v1beta/files", about, append(as(token),
		"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start", "X-Goog-Upload-Header-Content-Type", "application/jsonl")...)
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	u, err := url.Parse(a.Header().Get("X-Goog-Upload-Url"))
	require.NoError(w.t, err)
	return w.goOn(u, 0, pieces...)
}

// goOn sends pieces of an upload from somewhere on.
func (w *world) goOn(u *url.URL, from int, pieces ...string) (made answer) {
	w.t.Helper()
	for i, piece := range pieces {
		command := "upload"
		if i+1 == len(pieces) {
			command = "upload, finalize"
		}
		if w.turns == nil {
			w.turns = []*served{w.served, w.instance()}
		}
		w.served = w.turns[i%2]
		made = w.do("POST", u.RequestURI(), piece, "X-Goog-Upload-Command", command, "X-Goog-Upload-Offset", fmt.Sprint(from))
		require.Equal(w.t, http.StatusOK, made.Code, made.Body.String())
		from += len(piece)
	}
	return made
}

// cut returns a text in pieces of so many bytes.
func cut(text string, size int) (pieces []string) {
	for piece := range slices.Chunk([]byte(text), size) {
		pieces = append(pieces, string(piece))
	}
	return pieces
}

// The lines of a batch's file name what is their caller's, or no batch is made of it: whatever the
// file is named in them, whatever pieces it comes in, through whatever instances.
func TestLinesNameTheCallersOwn(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, open func() storage.Store) {
		w := newWorld(t, setup{ // one project, whose key reads both
			keys: projects("alpha"), store: open(), sim: func(c *geminisim.Config) { c.UploadGranularity = 1 },
			env: []string{"FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken, "FLUXGATE_ADMIN_TOKENS=root:" + adminToken},
		})
		hers, his := w.makeFile(aliceToken, ""), w.makeFile(bobToken, "")
		const batch = "/v1beta/models/gemini-2.5-flash:batchGenerateContent"
		of := func(file string) string { return `{"batch":{"inputConfig":{"fileName":"` + file + `"}}}` }
		line := `{"key":"one","request":{"contents":[{"parts":[{"text":"Sum it up"},{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/%s"}}]}]}}` + "\n"
		good, bad := fmt.Sprintf(line, his), fmt.Sprintf(line, hers)

		unfit := func(made answer) {
			t.Helper()
			file := made.field("file.name")
			before := len(w.sim.RequestLog())
			for path, body := range map[string]string{
				batch: of(file), "/v1beta/models/gemini-embedding-001:asyncBatchEmbedContent": of(file),
				"/openai/v1/batches": `{"input_file_id":"` + file + `","endpoint":"/v1/chat/completions","completion_window":"24h"}`,
			} {
				a := w.do("POST", path, body, as(bobToken)...)
				assert.Equal(t, http.StatusBadRequest, a.Code, "%s: %s", path, a.Body)
				assert.Contains(t, a.Body.String(), "Its lines name")
			}
			assert.Len(t, w.sim.RequestLog(), before, "upstream was asked")
			assert.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/gemini-2.5-flash:countTokens", mention(file), as(bobToken)...).Code, "it is a file like any")
		}
		fit := func(made answer) string {
			t.Helper()
			return w.do("POST", batch, of(made.field("file.name")), as(bobToken)...).field("name")
		}
		made := fit(w.sendTo(bobToken, "{}", good+good))
		fit(w.sendTo(bobToken, "{}", cut(good, 40)...))
		unfit(w.sendTo(bobToken, "{}", good+bad))
		at := strings.Index(bad, "/files/")
		for _, edge := range []int{at + 3, at + len("/files/"), at + len("/files/") + 2} {
			unfit(w.sendTo(bobToken, "{}", bad[:edge], bad[edge:]))
		}
		unfit(w.sendTo(bobToken, "{}", strings.Replace(bad, "/files/", `/\u0066il\u0065s\/`, 1)))
		unfit(w.sendTo(bobToken, "{}", cut(strings.Replace(good, `"key"`, `'key'`, 1)+strings.ReplaceAll(bad, `"`, `'`), 60)...))
		unfit(w.sendTo(bobToken, "{}", "%PDF-1.7\x00\x01"))
		unfit(w.sendTo(bobToken, "{}", fmt.Sprintf(line, "files/nobodys")))
		file := w.sendTo(aliceToken, "{}", bad).field("file.name")
		assert.NotEmpty(t, w.do("POST", batch, of(file), as(aliceToken)...).field("name"), "it is hers")
		w.do("POST", batch, of(file), as(bobToken)...).failed(http.StatusNotFound)
		file = w.sendTo(adminToken, "{}", bad).field("file.name")
		assert.NotEmpty(t, w.do("POST", batch, of(file), as(adminToken)...).field("name"), "administrators use everybody's")

		// Nor where one that another instance knows has been put in the place of a good one.
		w.served = w.turns[0]
		const about = `{"file":{"name":"files/report"}}`
		fit(w.sendTo(bobToken, about, good))
		w.served = w.turns[1]
		assert.Equal(t, http.StatusOK, w.do("DELETE", "/v1beta/files/report", "", as(bobToken)...).Code)
		again := w.sendTo(bobToken, about, "{}\n", bad)
		assert.Equal(t, "files/report", again.field("file.name"))
		w.served = w.turns[0]
		unfit(again)

		// A batch doesn't get another file later, and none is uploaded at once past the scan.
		file = w.sendTo(bobToken, "{}", bad).field("file.name")
		w.do("PATCH", "/v1beta/"+made+":updateGenerateContentBatch", `{"inputConfig":{"fileName":"`+file+`"}}`, as(bobToken)...).failed(http.StatusBadRequest)
		whole := w.do("POST", "/upload/v1beta/files?uploadType=media", bad, append(as(bobToken), "Content-Type", "application/jsonl", "X-Goog-Upload-Protocol", "raw")...)
		if whole.Code == http.StatusOK {
			unfit(whole)
		}
	})
}

// What became of a piece isn't always known: then it isn't known either what a file names.
func TestPiecesThatWereNotSeen(t *testing.T) {
	w := shared(t, nil)
	hers := w.makeFile(aliceToken, "")
	line := `{"request":{"contents":[{"parts":[{"fileData":{"fileUri":"` + hers + `"}}]}]}}` + "\n"
	start := func() *url.URL {
		t.Helper()
		a := w.do("POST", "/upload/v1beta/files", `{}`, append(as(bobToken), "X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start")...)
		u, err := url.Parse(a.Header().Get("X-Goog-Upload-Url"))
		require.NoError(t, err)
		return u
	}
	refused := func(file string) {
		t.Helper()
		w.do("POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", `{"batch":{"inputConfig":{"fileName":"`+file+`"}}}`, as(bobToken)...).failed(http.StatusBadRequest)
	}
	// past sends a piece to upstream of which this server doesn't hear.
	past := func(u *url.URL, command, text string) {
		t.Helper()
		query := u.Query()
		key := w.cfg.Keys[slices.IndexFunc(w.cfg.Keys, func(k config.KeyEntry) bool { return k.Project == query.Get("fluxgate_project") })]
		r, err := http.NewRequestWithContext(t.Context(), "POST", "https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id="+url.QueryEscape(query.Get("upload_id")), strings.NewReader(text))
		require.NoError(t, err)
		r.Header.Set("X-Goog-Api-Key", key.Value.Reveal())
		r.Header.Set("X-Goog-Upload-Command", command)
		r.Header.Set("X-Goog-Upload-Offset", "0")
		resp, err := w.sim.Transport().RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	u := start()
	past(u, "upload", line)
	refused(w.goOn(u, len(line), `{"x":1}`).field("file.name"))

	u = start()
	past(u, "upload, finalize", line)
	refused(w.do("POST", u.RequestURI(), "", "X-Goog-Upload-Command", "query").field("file.name"))

	// What says that it begins an upload, and brings all of it.
	begins := httptest.NewRequestWithContext(t.Context(), "POST", "/upload/v1beta/files", strings.NewReader(line))
	begins.Header = http.Header{"X-Goog-Api-Key": {bobToken}, "X-Goog-Upload-Protocol": {"multipart"}, "X-Goog-Upload-Command": {"start", "upload, finalize"}}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, begins)
	if rec.Code == http.StatusOK && rec.Body.Len() > 0 {
		refused(answer{rec, t}.field("file.name"))
	}

	// Asking what has become of an upload changes nothing that is known of it.
	u = start()
	file := w.goOn(u, 0, `{"request":{}}`, "\n").field("file.name")
	assert.Equal(t, file, w.do("POST", u.RequestURI(), "", "X-Goog-Upload-Command", "query").field("file.name"))
	made := w.do("POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", `{"batch":{"inputConfig":{"fileName":"`+file+`"}}}`, as(bobToken)...)
	assert.NotEmpty(t, made.field("name"))

	// Of a piece that failed it isn't known how much of it arrived.
	u = start()
	assert.NotEqual(t, http.StatusOK, w.do("POST", u.RequestURI(), line, "X-Goog-Upload-Command", "upload", "X-Goog-Upload-Offset", "7").Code)
	refused(w.goOn(u, 0, `{"x":1}`).field("file.name"))
}

// Of two files by one name, of two projects, that is looked at which the batch is made of, though
// another instance has put the other there a moment ago.
func TestFilesOfOneName(t *testing.T) {
	uploads := 0
	up, s := stubbed(func(h heard) *http.Response {
		switch {
		case strings.Contains(h.path, "/upload/"):
			uploads++
			expires := time.Now().Add(time.Duration(20+uploads) * time.Hour).UTC().Format(time.RFC3339)
			return respond(http.StatusOK, `{"file":{"name":"files/report","expirationTime":"`+expires+`"}}`)
		case strings.HasSuffix(h.path, "/batches"):
			return respond(http.StatusOK, `{"id":"batches/b1","object":"batch","status":"validating"}`)
		}
		return nil
	})
	s.keys, s.env = projects("alpha", "beta"), []string{"FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken}
	w := newWorld(t, s)
	send := func(project, text string) {
		t.Helper()
		a := w.do("POST", "/upload/v1beta/files?uploadType=media&fluxgate_project="+project, text, append(as(bobToken), "Content-Type", "application/jsonl", "X-Goog-Upload-Protocol", "raw")...)
		require.Equal(t, http.StatusOK, a.Code, a.Body.String())
	}
	here := w.served
	send("alpha", `{"fileUri":"files/hers"}`)
	w.served = w.instance()
	send("beta", `{}`)
	w.served = here
	a := w.do("POST", "/openai/v1/batches", `{"input_file_id":"files/report","endpoint":"/v1/chat/completions","completion_window":"24h"}`, as(bobToken)...)
	assert.Equal(t, http.StatusBadRequest, a.Code, a.Body.String())
	assert.Empty(t, up.requests("/batches"))
}

// Google's own batches in OpenAI's format name the file with their answers in full, as files/…: it is
// their caller's.
func TestOutputFilesNamedInFull(t *testing.T) {
	_, s := stubbed(func(h heard) *http.Response {
		switch {
		case strings.HasSuffix(h.path, "/batches/b1"):
			return respond(http.StatusOK, `{"id":"batches/b1","object":"batch","status":"completed","output_file_id":"files/batch-out","error_file_id":null}`)
		case strings.HasSuffix(h.path, "/batches"):
			return respond(http.StatusOK, `{"id":"batches/b1","object":"batch","status":"in_progress"}`)
		case strings.Contains(h.path, "files/batch-out"):
			return respond(http.StatusOK, `{"name":"files/batch-out"}`)
		}
		return nil
	})
	s.keys = projects("alpha")
	s.env = append(s.env, "FLUXGATE_TOKENS=alice:"+aliceToken+",bob:"+bobToken)
	w := newWorld(t, s)
	file := w.makeFile(aliceToken, "")
	const batches = "/openai/v1/batches"
	assert.Equal(t, "batches/b1", w.do("POST", batches, `{"input_file_id":"`+file+`","endpoint":"/v1/chat/completions","completion_window":"24h"}`, as(aliceToken)...).field("id"))
	w.do("GET", "/v1beta/files/batch-out", "", as(aliceToken)...).failed(http.StatusNotFound)
	assert.Equal(t, "files/batch-out", w.do("GET", batches+"/b1", "", as(aliceToken)...).field("output_file_id"))
	assert.Equal(t, http.StatusNotFound, w.do("GET", batches+"/b1", "", as(bobToken)...).Code)
	for _, path := range []string{"/v1beta/files/batch-out", "/v1beta/files/batch-out:download?alt=media", "/download/v1beta/files/batch-out:download?alt=media"} {
		assert.Equal(t, http.StatusOK, w.do("GET", path, "", as(aliceToken)...).Code, path)
		assert.Equal(t, http.StatusNotFound, w.do("GET", path, "", as(bobToken)...).Code, path)
	}
}
