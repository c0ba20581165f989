package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
	"fluxgate.dev/fluxgate/internal/geminisim/faults"
)

// begin starts an upload and returns where it goes on.
func (w *world) begin(name string, header ...string) string {
	w.t.Helper()
	a := w.do("POST", "/upload/v1beta/files", `{"file":{"displayName":"`+name+`"}}`, append([]string{
		"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start", "Content-Type", "application/json",
		"X-Goog-Upload-Header-Content-Length", "6", "X-Goog-Upload-Header-Content-Type", "text/plain",
	}, header...)...)
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	to := a.Header().Get("X-Goog-Upload-Url")
	require.NotEmpty(w.t, to)
	return to
}

type fileView struct {
	Name string `json:"name"`
	URI  string `json:"uri"`
}

// upload uploads a file in two chunks.
func (w *world) upload(name string) fileView {
	w.t.Helper()
	to := w.begin(name)
	u, err := url.Parse(to)
	require.NoError(w.t, err)
	a := w.do("POST", u.RequestURI(), "abc", "X-Goog-Upload-Command", "upload", "X-Goog-Upload-Offset", "0")
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	a = w.do("POST", u.RequestURI(), "", "X-Goog-Upload-Command", "query")
	assert.Equal(w.t, "3", a.Header().Get("X-Goog-Upload-Size-Received"))
	a = w.do("POST", u.RequestURI(), "def", "X-Goog-Upload-Command", "upload, finalize", "X-Goog-Upload-Offset", "3")
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	assert.Equal(w.t, "final", a.Header().Get("X-Goog-Upload-Status"))
	var out struct {
		File fileView `json:"file"`
	}
	require.NoError(w.t, json.Unmarshal(a.Body.Bytes(), &out))
	require.NotEmpty(w.t, out.File.Name)
	return out.File
}

func stickyWorld(t *testing.T, names ...string) *world {
	return newWorld(t, setup{keys: projects(names...), env: []string{`FLUXGATE_LIMITS={"pro":{"rpm":5}}`}, sim: func(c *geminisim.Config) { c.UploadGranularity = 1 }})
}

// ownerOf returns the project that has a file.
func (w *world) ownerOf(name string) string {
	w.t.Helper()
	for _, k := range w.cfg.Keys {
		r, err := http.NewRequestWithContext(w.t.Context(), "GET", "https://generativelanguage.googleapis.com/v1beta/"+name, nil)
		require.NoError(w.t, err)
		r.Header.Set("X-Goog-Api-Key", k.Value.Reveal())
		resp, err := w.sim.Transport().RoundTrip(r)
		require.NoError(w.t, err)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return k.Project
		}
	}
	return ""
}

func mention(uris ...string) string {
	var parts []string
	for _, uri := range uris {
		parts = append(parts, `{"fileData":{"mimeType":"text/plain","fileUri":"`+uri+`"}}`)
	}
	return `{"contents":[{"parts":[` + strings.Join(parts, ",") + `,{"text":"Sum it up"}]}]}`
}

// An upload stays on this server and in its project from start to end, and so
// does everything that mentions the file, also after a restart.
func TestFilesStayInTheirProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stickyWorld(t, "alpha", "beta", "gamma", "delta")
		to, err := url.Parse(w.begin("x", "X-Forwarded-Proto", "https"))
		require.NoError(t, err)
		assert.Equal(t, "https://example.com/upload/v1beta/files", to.Scheme+"://"+to.Host+to.Path, "the host that the client asked")
		assert.NotEmpty(t, to.Query().Get("upload_id"))

		f := w.upload("one")
		owner := w.ownerOf(f.Name)
		require.NotEmpty(t, owner)
		for _, restart := range []bool{false, true} {
			if restart {
				w.served = w.instance()
			}
			for i, uri := range []string{f.URI, f.Name, "https://generativelanguage.googleapis.com/v1/" + f.Name, f.URI + "?alt=media"} {
				synctestSleep(2 * time.Minute) // there is only one project to go to
				body := strings.Replace(mention(uri), "Sum", fmt.Sprint(restart, i), 1)
				for _, path := range []string{unaryPath, streamPath, "/v1beta/models/gemini-2.5-pro:countTokens"} {
					a := w.do("POST", strings.ReplaceAll(path, pro, "auto"), body)
					require.Equal(t, http.StatusOK, a.Code, "%s: %s", uri, a.Body.String())
				}
			}
			assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+f.Name, "").Code)
			assert.Equal(t, http.StatusOK, w.do("HEAD", "/v1beta/"+f.Name, "").Code)
		}
		for _, e := range w.sim.Log() {
			assert.Equal(t, owner, e.Project)
		}
		assert.Equal(t, http.StatusOK, w.do("DELETE", "/v1beta/"+f.Name, "").Code)
		w.served = w.instance()
		w.do("GET", "/v1beta/"+f.Name, "").failed(http.StatusNotFound)
		w.do("POST", unaryPath, mention(f.URI)).failed(http.StatusNotFound)
	})
}

// It has the wait of its own project, however free the others are.
func TestFilesWaitForTheirProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stickyWorld(t, "alpha", "beta", "gamma", "delta")
		f := w.upload("one")
		ask := func(n int) answer {
			return w.do("POST", unaryPath, strings.Replace(mention(f.URI), "Sum", fmt.Sprint(n), 1))
		}
		for n := range 5 {
			require.Equal(t, http.StatusOK, ask(n).Code)
		}
		assert.Equal(t, 61*time.Second, ask(5).wait())
		assert.Equal(t, http.StatusOK, w.do("POST", unaryPath, hello).Code, "the others are free")
		synctestSleep(61 * time.Second)
		assert.Equal(t, http.StatusOK, ask(5).Code)
		// Nor does it fail over to where the file isn't.
		w.sim.FailNext(1, faults.Unavailable503)
		ask(6).failed(http.StatusServiceUnavailable)
		assert.Zero(t, w.sim.Stats().Refused)
	})
}

// Files of two projects can't be read with one key.
func TestFilesOfTwoProjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stickyWorld(t, "alpha", "beta")
		byOwner := map[string]fileView{}
		for n := 0; len(byOwner) < 2; n++ {
			require.Less(t, n, 100)
			f := w.upload(fmt.Sprint(n))
			byOwner[w.ownerOf(f.Name)] = f
		}
		before := len(w.sim.Log())
		for _, restart := range []bool{false, true} {
			if restart {
				w.served = w.instance()
			}
			e := w.do("POST", unaryPath, mention(byOwner["alpha"].URI, byOwner["beta"].URI)).failed(http.StatusBadRequest)
			assert.Contains(t, e.Message, "two projects")
		}
		assert.Len(t, w.sim.Log(), before, "nothing is sent")
		// The same file twice is one.
		assert.Equal(t, http.StatusOK, w.do("POST", unaryPath, mention(byOwner["beta"].URI, byOwner["beta"].Name)).Code)
	})
}

// What only looks like a resource of ours is none, and is asked for nowhere.
func TestOtherMentionsAreNoResources(t *testing.T) {
	for _, body := range []string{
		mention("https://www.youtube.com/watch?v=files/x"), mention("https://example.com/files/report"), mention("gs://bucket/files/x"),
		mention("files/../models"), mention("files/"),
		`{"contents":[{"parts":[{"text":"see files/abc and cachedContents/abc"}]}]}`,
		golden(t, "native-tools.request.json"),
	} {
		up, s := stubbed(func(h heard) *http.Response {
			if isCall(h) {
				return respond(http.StatusOK, golden(t, "native.response.json"))
			}
			if strings.HasSuffix(h.path, ":countTokens") {
				return respond(http.StatusOK, `{"totalTokens":9}`)
			}
			return respond(http.StatusNotFound, "")
		})
		w := newWorld(t, s)
		a := w.do("POST", unaryPath, body)
		require.Equal(t, http.StatusOK, a.Code, "%s: %s", body, a.Body.String())
		for _, h := range up.requests("") {
			assert.Equal(t, "POST", h.method, h.path)
		}
	}
}

// "Nobody has it" is only said when everybody was asked.
func TestOwnerNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := stubbed(func(h heard) *http.Response {
			if h.header.Get("X-Goog-Api-Key") == key(2, "").Value {
				return respond(http.StatusServiceUnavailable, "")
			}
			return nil
		})
		s.keys = projects("alpha", "beta")
		w := newWorld(t, s)
		a := w.do("POST", unaryPath, mention("files/abc"))
		a.failed(http.StatusServiceUnavailable)
		assert.NotEmpty(t, a.Header().Get("Retry-After"))
	})
}

// A request may mention thousands of files, which must not mean as many
// questions.
func TestManyFilesAreNotAllLookedUp(t *testing.T) {
	up, s := stubbed(func(h heard) *http.Response {
		switch {
		case h.method == "GET" && h.header.Get("X-Goog-Api-Key") == key(2, "").Value:
			return respond(http.StatusOK, `{}`)
		case h.method == "GET":
			return respond(http.StatusForbidden, `{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}`)
		case strings.HasSuffix(h.path, ":countTokens"):
			return respond(http.StatusOK, `{"totalTokens":9}`)
		}
		return respond(http.StatusOK, golden(t, "native.response.json"))
	})
	s.keys = projects("alpha", "beta", "gamma")
	w := newWorld(t, s)
	var uris []string
	for i := range 1000 {
		uris = append(uris, fmt.Sprintf("files/f%d", i))
	}
	a := w.do("POST", unaryPath, mention(uris...))
	require.Equal(t, http.StatusOK, a.Code, a.Body.String())
	assert.Equal(t, "2", a.Header().Get("X-Fluxgate-Key"))
	asked := 0
	for _, h := range up.requests("") {
		if h.method == "GET" {
			asked++
		}
	}
	assert.LessOrEqual(t, asked, 3+31, "all projects for the first, and then the likely one")
}

// A list goes over all projects, without empty pages in between: clients take
// one for the end.
func TestListsGoOverAllProjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stickyWorld(t, "alpha", "beta", "gamma", "delta", "epsilon")
		var want []string
		owners := map[string]bool{}
		for n := 0; n < 16 || len(owners) < 3; n++ { // which is by chance
			require.Less(t, n, 200)
			f := w.upload(fmt.Sprint(n))
			time.Sleep(11 * time.Minute) // else they are put together
			owner := w.ownerOf(f.Name)
			if owner == "beta" || owner == "gamma" { // two in the middle have none
				require.Equal(t, http.StatusOK, w.do("DELETE", "/v1beta/"+f.Name, "").Code)
				continue
			}
			want = append(want, f.Name)
			owners[owner] = true
		}
		for _, token := range []string{"pageToken", "page_token"} {
			var got []string
			for next, pages := "", 0; ; pages++ {
				require.LessOrEqual(t, pages, len(want))
				a := w.do("GET", "/v1beta/files?pageSize=2&"+token+"="+url.QueryEscape(next), "")
				require.Equal(t, http.StatusOK, a.Code, a.Body.String())
				var page struct {
					Files []fileView `json:"files"`
					Next  string     `json:"nextPageToken"`
				}
				require.NoError(t, json.Unmarshal(a.Body.Bytes(), &page))
				for _, f := range page.Files {
					got = append(got, f.Name)
				}
				if next = page.Next; next == "" {
					break
				}
				assert.NotEmpty(t, page.Files)
			}
			slices.Sort(want)
			slices.Sort(got)
			assert.Equal(t, want, got)
		}
		for _, token := range []string{"x", "-1.", "5.", "99999999999999999999.", "1"} {
			w.do("GET", "/v1beta/files?pageToken="+token, "").failed(http.StatusBadRequest)
		}
		// One project whose key is no use doesn't hide the others'.
		w.sim.SetKeyState(key(1, "").Value, credentials.Leaked)
		_ = w.do("GET", "/v1beta/files", "")
		assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/files", "").Code)
	})
}

// Cached contents likewise: made where their files are, found again, changed and
// deleted there.
func TestCachedContentsStayInTheirProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stickyWorld(t, "alpha", "beta", "gamma")
		f := w.upload("one")
		create := strings.Replace(mention(f.URI), "Sum it up", strings.Repeat("word ", 2000), 1)
		create = `{"model":"models/gemini-2.5-flash","ttl":"600s",` + create[1:]
		a := w.do("POST", "/v1beta/cachedContents", create)
		require.Equal(t, http.StatusOK, a.Code, a.Body.String())
		var made struct {
			Name string `json:"name"`
		}
		require.NoError(t, json.Unmarshal(a.Body.Bytes(), &made))
		assert.Equal(t, w.ownerOf(f.Name), w.ownerOf(made.Name))
		for _, restart := range []bool{false, true} {
			if restart {
				w.served = w.instance()
			}
			body := fmt.Sprintf(`{"cachedContent":"%s","contents":[{"role":"user","parts":[{"text":"Hi %v"}]}]}`, made.Name, restart)
			a = w.do("POST", "/v1beta/models/gemini-2.5-flash:generateContent", body)
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
			entry := w.sim.Log()[len(w.sim.Log())-1]
			assert.Equal(t, w.ownerOf(made.Name), entry.Project)
			assert.Greater(t, entry.Tokens, int64(1000), "what is cached counts")
			assert.GreaterOrEqual(t, w.logs.number(t, "selected", "tokens"), entry.Tokens)
		}
		chat := fmt.Sprintf(`{"model":"gemini-2.5-flash","messages":[{"role":"user","content":"Hi"}],"extra_body":{"google":{"cached_content":"%s"}}}`, made.Name)
		require.Equal(t, http.StatusOK, w.do("POST", "/openai/v1/chat/completions", chat).Code)
		assert.Equal(t, w.ownerOf(made.Name), w.sim.Log()[len(w.sim.Log())-1].Project)

		w.served = w.instance()
		a = w.do("PATCH", "/v1beta/"+made.Name+"?updateMask=ttl", `{"ttl":"1200s"}`)
		assert.Equal(t, http.StatusOK, a.Code, a.Body.String())
		assert.Contains(t, w.do("GET", "/v1beta/cachedContents", "").Body.String(), made.Name)
		assert.Equal(t, http.StatusOK, w.do("DELETE", "/v1beta/"+made.Name, "").Code)
		w.served = w.instance()
		w.do("GET", "/v1beta/"+made.Name, "").failed(http.StatusNotFound)
	})
}

// The start of an upload is tried with other keys; its bytes can't be sent
// twice, and no cached content is made twice.
func TestUploadsWithKeysThatFail(t *testing.T) {
	w := newWorld(t, setup{keys: projects("alpha", "beta", "gamma"), sim: func(c *geminisim.Config) { c.UploadGranularity = 1 }})
	w.sim.SetKeyState(key(1, "").Value, credentials.Leaked)
	w.sim.SetKeyState(key(2, "").Value, credentials.Suspended)
	f := w.upload("one")
	assert.Equal(t, "gamma", w.ownerOf(f.Name))
	a := w.do("POST", "/upload/v1beta/files?fluxgate_project=nobody", "", "X-Goog-Upload-Command", "upload")
	a.failed(http.StatusBadRequest)
	a = w.do("POST", "/upload/v1beta/files", strings.Repeat("x", 2<<20), "X-Goog-Upload-Command", "start", "X-Goog-Upload-Protocol", "resumable")
	a.failed(http.StatusRequestEntityTooLarge)

	made := 0
	_, s := stubbed(func(h heard) *http.Response {
		made++
		return stream(h, func(io.Writer) error { return io.ErrUnexpectedEOF })
	})
	s.keys = projects("alpha", "beta", "gamma")
	w = newWorld(t, s)
	w.do("POST", "/v1beta/cachedContents", `{"model":"models/x","contents":[]}`).failed(http.StatusBadGateway)
	assert.Equal(t, 1, made)
}
