package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"fluxgate.dev/fluxgate/storage"
)

// shared is a world of several callers, whose uploads may have any size of chunks.
func shared(t *testing.T, store storage.Store, env ...string) *world {
	return newWorld(t, setup{
		keys: projects("alpha", "beta"), store: store, sim: func(c *geminisim.Config) { c.UploadGranularity = 1 },
		env: append([]string{"FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken, "FLUXGATE_ADMIN_TOKENS=root:" + adminToken}, env...),
	})
}

// as is how a caller sends its token.
func as(token string) []string { return []string{"X-Goog-Api-Key", token} }

// makeFile uploads a file for a caller, under a name of its own if there is one.
func (w *world) makeFile(token, name string) string {
	w.t.Helper()
	a := w.do("POST", "/upload/v1beta/files", `{"file":{"name":"`+name+`"}}`, append(as(token),
		"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start", "X-Goog-Upload-Header-Content-Type", "text/plain")...)
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	u, err := url.Parse(a.Header().Get("X-Goog-Upload-Url"))
	require.NoError(w.t, err)
	a = w.do("POST", u.RequestURI(), "abc", "X-Goog-Upload-Command", "upload, finalize", "X-Goog-Upload-Offset", "0")
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	var made struct{ File fileView }
	require.NoError(w.t, json.Unmarshal(a.Body.Bytes(), &made))
	return made.File.Name
}

// makeCache makes a cached content for a caller.
func (w *world) makeCache(token, ttl string, files ...string) string {
	w.t.Helper()
	body := strings.Replace(mention(files...), "Sum it up", strings.Repeat("word ", 2000), 1)
	a := w.do("POST", "/v1beta/cachedContents", `{"model":"models/gemini-2.5-flash","ttl":"`+ttl+`",`+strings.TrimPrefix(strings.Replace(body, "[,", "[", 1), "{"), as(token)...)
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	var made fileView
	require.NoError(w.t, json.Unmarshal(a.Body.Bytes(), &made))
	return made.Name
}

// uses are requests that use a file or a cached content.
func uses(name string) []struct{ path, body string } {
	list := []struct{ path, body string }{}
	add := func(path, body string) { list = append(list, struct{ path, body string }{path, body}) }
	if strings.HasPrefix(name, "cachedContents/") {
		cached := `{"cachedContent":"` + name + `","contents":[{"role":"user","parts":[{"text":"Hi"}]}]}`
		add("/v1beta/models/gemini-2.5-flash:generateContent", cached)
		add("/openai/v1/chat/completions", `{"model":"gemini-2.5-flash","messages":[{"role":"user","content":"Hi"}],"extra_body":{"google":{"cached_content":"`+name+`"}}}`)
		return list
	}
	add(unaryPath, mention(name))
	add(streamPath, mention("https://generativelanguage.googleapis.com/v1beta/"+name))
	add("/v1beta/models/gemini-2.5-pro:countTokens", mention(name))
	return list
}

// What one caller has made isn't there for another, on whatever instance and after
// whatever restart; it is for administrators. Case S2.
func TestResourcesAreTheirCallers(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, open func() storage.Store) {
		w := shared(t, open(), `FLUXGATE_LIMITS={"pro":{"rpm":-1},"flash":{"rpm":-1}}`)
		w.sim.SetLimits("alpha", pro, geminisim.Limits{RPM: 1 << 20, TPM: 1 << 40, RPD: 1 << 20})
		file := w.makeFile(aliceToken, "")
		cache := w.makeCache(aliceToken, "600s", file)
		bobs := w.makeFile(bobToken, "")

		// Of a request that is given up, as the others are once an owner is found, Gemini may hear later.
		before := len(w.sent.paths())
		for n, instance := range []*served{w.served, w.instanceOver(open()), w.instanceOver(open())} {
			w.served = instance
			for _, name := range []string{file, cache} {
				other := name[:len(name)-1] + "-" // nobody's, and as long
				for _, method := range []string{"GET", "HEAD", "PATCH", "DELETE"} {
					if method == "PATCH" && name == file {
						continue
					}
					theirs, none := w.do(method, "/v1beta/"+name, "", as(bobToken)...), w.do(method, "/v1beta/"+other, "", as(bobToken)...)
					assert.Equal(t, http.StatusNotFound, theirs.Code, "%s %s", method, name)
					body, header := theirs.alike()
					bodyOfNone, headerOfNone := none.alike()
					assert.Equal(t, strings.ReplaceAll(bodyOfNone, other, name), body, "it looks as if it weren't there")
					assert.Equal(t, headerOfNone, header)
				}
				for _, use := range uses(name) {
					assert.Equal(t, http.StatusNotFound, w.do("POST", use.path, use.body, as(bobToken)...).Code, use.path)
				}
			}
			assert.Equal(t, http.StatusNotFound, w.do("POST", "/plan", mention(file), as(bobToken)...).Code)
			w.do("POST", "/v1beta/cachedContents", `{"model":"models/gemini-2.5-flash",`+mention(file)[1:], as(bobToken)...).failed(http.StatusNotFound)
			// His own beside hers doesn't let it pass.
			w.do("POST", unaryPath, mention(bobs, file), as(bobToken)...).failed(http.StatusNotFound)
			assert.Len(t, w.sent.paths(), before, "upstream was asked for what is another's, on instance %d", n)
			assert.Equal(t, []string{bobs}, w.everything(bobToken, "files"))
			assert.JSONEq(t, `{}`, w.do("GET", "/v1beta/cachedContents", "", as(bobToken)...).Body.String())

			for _, token := range []string{aliceToken, adminToken} {
				for _, name := range []string{file, cache} {
					assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+name, "", as(token)...).Code)
					kind, _, _ := strings.Cut(name, "/")
					assert.Contains(t, w.everything(token, kind), name)
					for _, use := range uses(name) {
						a := w.do("POST", use.path, use.body, as(token)...)
						assert.NotEqual(t, http.StatusNotFound, a.Code, "%s: %s", use.path, a.Body)
					}
				}
			}
			before = len(w.sent.paths())
		}
		assert.Equal(t, http.StatusOK, w.do("PATCH", "/v1beta/"+cache+"?updateMask=ttl", `{"ttl":"1200s"}`, as(adminToken)...).Code)
		assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+cache, "", as(aliceToken)...).Code, "it is still hers")
		assert.Equal(t, http.StatusOK, w.do("DELETE", "/v1beta/"+cache, "", as(aliceToken)...).Code)
		assert.Equal(t, http.StatusOK, w.do("DELETE", "/v1beta/"+file, "", as(adminToken)...).Code)
		w.do("GET", "/v1beta/"+file, "", as(aliceToken)...).failed(http.StatusNotFound)
	})
}

// What was made by an older build, or with the key elsewhere, is the administrators',
// unless resources are shared.
func TestResourcesOfUnknownOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		// An instance of a build that keeps nothing of callers.
		before := newWorld(t, setup{keys: projects("alpha", "beta"), sim: func(c *geminisim.Config) { c.UploadGranularity = 1 }})
		before.sim = w.sim
		w.sent.mu.Lock()
		before.sent.next = w.sim.Transport()
		w.sent.mu.Unlock()
		old := before.upload("old").Name
		w.do("GET", "/v1beta/"+old, "", as(aliceToken)...).failed(http.StatusNotFound)
		w.do("POST", unaryPath, mention(old), as(aliceToken)...).failed(http.StatusNotFound)
		assert.JSONEq(t, `{}`, w.do("GET", "/v1beta/files", "", as(aliceToken)...).Body.String())
		assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+old, "", as(adminToken)...).Code)
		assert.Equal(t, http.StatusOK, w.do("POST", unaryPath, mention(old), as(adminToken)...).Code)

		hers := w.makeFile(aliceToken, "")
		w.cfg.Resources = "shared"
		w.served = w.instance()
		for _, name := range []string{old, hers} {
			assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+name, "", as(bobToken)...).Code)
			assert.Contains(t, w.everything(bobToken, "files"), name)
		}
		// Whose it is is kept all the same, for the day on which they no longer are.
		bobs := w.makeFile(bobToken, "")
		w.cfg.Resources = "own"
		w.served = w.instance()
		w.do("GET", "/v1beta/"+bobs, "", as(aliceToken)...).failed(http.StatusNotFound)
		assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+bobs, "", as(bobToken)...).Code)
	})
}

// It is a caller's as long as it lasts, and its name somebody else's after that.
func TestResourcesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		file := w.makeFile(aliceToken, "files/report")
		cache := w.makeCache(aliceToken, "600s")
		require.Equal(t, "files/report", file)
		time.Sleep(599 * time.Second)
		require.Equal(t, http.StatusOK, w.do("PATCH", "/v1beta/"+cache+"?updateMask=ttl", `{"ttl":"172000s"}`, as(aliceToken)...).Code)
		time.Sleep(47 * time.Hour)
		for _, name := range []string{file, cache} {
			assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+name, "", as(aliceToken)...).Code, name)
		}
		time.Sleep(time.Hour)
		for _, name := range []string{file, cache} {
			w.do("GET", "/v1beta/"+name, "", as(aliceToken)...).failed(http.StatusNotFound)
		}
		require.Equal(t, file, w.makeFile(bobToken, file))
		w.served = w.instance()
		assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+file, "", as(bobToken)...).Code)
		w.do("GET", "/v1beta/"+file, "", as(aliceToken)...).failed(http.StatusNotFound)
	})
}

// everything returns the names of all that a caller's list of a kind has.
func (w *world) everything(token, kind string) (names []string) {
	w.t.Helper()
	for page := "first"; page != ""; {
		a := w.do("GET", "/v1beta/"+kind+"?pageToken="+strings.TrimPrefix(page, "first"), "", as(token)...)
		require.Equal(w.t, http.StatusOK, a.Code, a.Body)
		var out struct {
			Files, CachedContents []fileView
			NextPageToken         string
		}
		require.NoError(w.t, json.Unmarshal(a.Body.Bytes(), &out))
		for _, f := range append(out.Files, out.CachedContents...) {
			names = append(names, f.Name)
		}
		page = out.NextPageToken
	}
	return names
}

// pageOf returns the names on a page of a caller's files, and its token for the next.
func (w *world) pageOf(token, size, page string) (names []string, next string) {
	w.t.Helper()
	a := w.do("GET", "/v1beta/files?pageSize="+size+"&pageToken="+url.QueryEscape(page), "", as(token)...)
	require.Equal(w.t, http.StatusOK, a.Code, a.Body)
	var out struct {
		Files []fileView `json:"files"`
		Next  string     `json:"nextPageToken"`
	}
	require.NoError(w.t, json.Unmarshal(a.Body.Bytes(), &out))
	for _, f := range out.Files {
		names = append(names, f.Name)
	}
	return names, out.Next
}

// A caller's list is its own over all projects, however many others' there are, and
// doesn't end with an empty page, whatever is deleted in the meantime.
func TestListsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		var hers []string
		for range 23 {
			hers = append(hers, w.makeFile(aliceToken, ""))
			time.Sleep(time.Minute)
			_ = w.makeFile(bobToken, "")
			_ = w.makeFile(bobToken, "")
		}
		slices.Reverse(hers) // the youngest first
		for size, pages := range map[string]int{"1": 23, "2": 12, "10": 3, "": 3, "23": 1, "22": 2, "1000": 1} {
			w.served = w.instance()
			got, next := w.pageOf(aliceToken, size, "")
			n := 1
			for ; next != ""; n++ {
				var more []string
				more, next = w.pageOf(aliceToken, size, next)
				require.NotEmpty(t, more, "an empty page that a token led to")
				got = append(got, more...)
			}
			assert.Equal(t, hers, got, "pages of %s", size)
			assert.Equal(t, pages, n, "pages of %s", size)
		}
		bobs, _ := w.pageOf(bobToken, "100", "")
		assert.Len(t, bobs, 46)
		root, _ := w.pageOf(adminToken, "100", "")
		assert.NotEmpty(t, root)

		// All of it is deleted page by page, some behind our back.
		gone, next := 0, ""
		for first := true; first || next != ""; first = false {
			var names []string
			names, next = w.pageOf(aliceToken, "5", next)
			require.NotEmpty(t, names)
			for _, name := range names {
				require.Equal(t, http.StatusOK, w.do("DELETE", "/v1beta/"+name, "", as(aliceToken)...).Code)
				gone++
			}
		}
		assert.Equal(t, 23, gone)
		names, next := w.pageOf(aliceToken, "5", "")
		assert.Empty(t, names)
		assert.Empty(t, next)
		for _, bad := range []string{"x", "0.", "!", "eCBhIGI"} {
			w.do("GET", "/v1beta/files?pageToken="+bad, "", as(aliceToken)...).failed(http.StatusBadRequest)
		}
		w.do("GET", "/v1beta/files?pageSize=-1", "", as(aliceToken)...).failed(http.StatusBadRequest)
	})
}

// What upstream no longer has is passed over, and where it can't say, the list doesn't
// end as if it were whole.
func TestOwnListsKnowWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		var hers []string
		for range 12 {
			hers = append(hers, w.makeFile(aliceToken, ""))
			time.Sleep(time.Minute)
		}
		slices.Reverse(hers)
		for _, name := range append(slices.Clone(hers[3:9]), hers[11]) {
			r, err := http.NewRequestWithContext(t.Context(), "DELETE", "https://generativelanguage.googleapis.com/v1beta/"+name, nil)
			require.NoError(t, err)
			for _, k := range w.cfg.Keys {
				if w.ownerOf(name) == k.Project {
					r.Header.Set("X-Goog-Api-Key", k.Value.Reveal())
				}
			}
			resp, err := w.sim.Transport().RoundTrip(r)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode)
		}
		names, next := w.pageOf(aliceToken, "4", "")
		assert.Equal(t, append(slices.Clone(hers[:3]), hers[9]), names)
		names, next = w.pageOf(aliceToken, "4", next)
		assert.Equal(t, []string{hers[10]}, names)
		assert.Empty(t, next)
		w.sent.next = unavailable{}
		w.do("GET", "/v1beta/files", "", as(aliceToken)...).failed(http.StatusServiceUnavailable)
	})
}

// unavailable is an upstream that is down.
type unavailable struct{}

func (unavailable) RoundTrip(r *http.Request) (*http.Response, error) {
	resp := respond(http.StatusServiceUnavailable, `{"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}`)
	resp.Request = r
	return resp, nil
}

// forgetful is a store that can't write whose resources are.
type forgetful struct{ storage.Store }

func (f forgetful) UpdateRecord(ctx context.Context, name string, change func([]byte) ([]byte, error)) ([]byte, error) {
	if strings.HasPrefix(name, "resources-") {
		return nil, fmt.Errorf("%w: the disk is full", storage.ErrUnavailable)
	}
	return f.Store.UpdateRecord(ctx, name, change)
}

func (f forgetful) Record(ctx context.Context, name string) ([]byte, error) {
	if strings.HasPrefix(name, "resources-") {
		return nil, errors.New("garbage")
	}
	return f.Store.Record(ctx, name)
}

// What can't be written down isn't handed out as the caller's, and what can't be read
// isn't guessed. Administrators don't depend on it.
func TestOwnershipFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		file := w.makeFile(aliceToken, "")
		w.served = w.instanceOver(forgetful{w.store})
		a := w.do("POST", "/v1beta/cachedContents", `{"model":"models/gemini-2.5-flash","contents":[{"parts":[{"text":"`+strings.Repeat("word ", 2000)+`"}]}]}`, as(aliceToken)...)
		assert.NotContains(t, a.failed(http.StatusServiceUnavailable).Message, "disk")
		assert.NotContains(t, a.Body.String(), "cachedContents/")
		before := len(w.sim.RequestLog())
		for _, method := range []string{"GET", "DELETE"} {
			a := w.do(method, "/v1beta/"+file, "", as(aliceToken)...)
			assert.NotEmpty(t, a.Header().Get("Retry-After"))
			a.failed(http.StatusServiceUnavailable)
		}
		w.do("POST", unaryPath, mention(file), as(aliceToken)...).failed(http.StatusServiceUnavailable)
		w.do("GET", "/v1beta/files", "", as(aliceToken)...).failed(http.StatusServiceUnavailable)
		assert.Len(t, w.sim.RequestLog(), before, "something was sent all the same")
		assert.Equal(t, http.StatusOK, w.do("POST", unaryPath, hello, as(aliceToken)...).Code, "what refers to nothing needs none of it")
		assert.Equal(t, http.StatusOK, w.do("GET", "/v1beta/"+file, "", as(adminToken)...).Code)
		assert.Equal(t, http.StatusOK, w.do("DELETE", "/v1beta/"+file, "", as(adminToken)...).Code)
	})
}

// A request that refers to nothing costs no read and no write more than before, and one
// that refers to something a read in ten seconds.
func TestOwnershipCostsNothingWhereNothingIsOwned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		file := w.makeFile(aliceToken, "")
		records := func(do func()) int64 {
			_, err := w.store.Control(t.Context())
			require.NoError(t, err)
			before := w.store.Stats().Control
			do()
			return w.store.Stats().Control - before
		}
		ask := func(body string) {
			require.Equal(t, http.StatusOK, w.do("POST", unaryPath, body, as(aliceToken)...).Code)
		}
		ask(hello)
		assert.Zero(t, records(func() { ask(strings.Replace(hello, "hello", "again", 1)) }))
		time.Sleep(11 * time.Second)
		assert.EqualValues(t, 1, records(func() {
			for range 3 {
				ask(mention(file))
			}
		}))
	})
}

// An upload is its caller's too: with another's token its URL is of no use.
func TestUploadsAreTheirCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		u, err := url.Parse(w.begin("one", as(aliceToken)...))
		require.NoError(t, err)
		finish := []string{"X-Goog-Upload-Command", "upload, finalize", "X-Goog-Upload-Offset", "0"}
		before := len(w.sim.RequestLog())
		bare := url.Values{"upload_id": u.Query()["upload_id"], "fluxgate_project": u.Query()["fluxgate_project"]}
		for _, to := range []string{u.RequestURI(), u.Path + "?" + bare.Encode()} {
			w.do("POST", to, "abcdef", append(as(bobToken), finish...)...).failed(http.StatusNotFound)
			w.do("POST", to, "", append(as(bobToken), "X-Goog-Upload-Command", "query")...).failed(http.StatusNotFound)
		}
		assert.Len(t, w.sim.RequestLog(), before, "upstream was asked")
		// As the start of another it is that, and nothing more.
		for _, protocol := range []string{"raw", "multipart", "RAW"} {
			_ = w.do("POST", u.RequestURI(), "evil", append(as(bobToken), "X-Goog-Upload-Protocol", protocol)...)
		}
		for _, r := range w.sim.RequestLog()[before:] {
			assert.NotContains(t, r.Query, "upload_id")
		}
		a := w.do("POST", u.RequestURI(), "abcdef", append(as(aliceToken), finish...)...)
		require.Equal(t, http.StatusOK, a.Code, a.Body)
		// An administrator goes on with anybody's, which stays whose it was.
		u, err = url.Parse(w.begin("two", as(aliceToken)...))
		require.NoError(t, err)
		a = w.do("POST", u.RequestURI(), "abcdef", append(as(adminToken), finish...)...)
		require.Equal(t, http.StatusOK, a.Code, a.Body)
		assert.Len(t, w.everything(aliceToken, "files"), 2)
	})
}
