package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/storage"
)

// oneJob is a batch of one request.
const oneJob = `{"batch":{"inputConfig":{"requests":{"requests":[{"request":{"contents":[{"parts":[{"text":"hi"}]}]}}]}}}}`

// field returns the text of a member of an answer, such as "response.responsesFile".
func (a answer) field(path string) string {
	a.t.Helper()
	require.Equal(a.t, http.StatusOK, a.Code, a.Body.String())
	var value any
	require.NoError(a.t, json.Unmarshal(a.Body.Bytes(), &value))
	for name := range strings.SplitSeq(path, ".") {
		if list, ok := value.([]any); ok {
			require.NotEmpty(a.t, list, "%s in %s", path, a.Body)
			value = list[0]
		}
		value, _ = value.(map[string]any)[name]
	}
	text, _ := value.(string)
	return text
}

// uploadTo sends a file to an upload's start, as a caller.
func (w *world) uploadTo(path, about, content, token string, header ...string) answer {
	w.t.Helper()
	a := w.do("POST", path, about, append(append(as(token), header...),
		"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start", "X-Goog-Upload-Header-Content-Type", "text/plain")...)
	require.Equal(w.t, http.StatusOK, a.Code, a.Body.String())
	u, err := url.Parse(a.Header().Get("X-Goog-Upload-Url"))
	require.NoError(w.t, err)
	return w.do("POST", u.RequestURI(), content, "X-Goog-Upload-Command", "upload, finalize", "X-Goog-Upload-Offset", "0")
}

// manyProjects is a world of eight projects, whose simulator's clock stands still but where it is
// put forward.
func manyProjects(t *testing.T, store storage.Store) (w *world, forward func(time.Duration)) {
	var names []string
	for n := range 8 {
		names = append(names, fmt.Sprintf("project-%d", n))
	}
	began, ahead := time.Now(), time.Duration(0)
	w = newWorld(t, setup{
		keys: projects(names...), store: store, sim: func(c *geminisim.Config) {
			c.UploadGranularity = 1
			for _, model := range []string{"veo-3.0-generate-001", "gemini-2.5-flash-image"} {
				c.Limits[model] = geminisim.Limits{RPM: 10, TPM: 1_000_000, RPD: 100}
			}
			c.Now = func() time.Time { return began.Add(ahead) }
		},
		env: []string{"FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken, "FLUXGATE_ADMIN_TOKENS=root:" + adminToken},
	})
	return w, func(d time.Duration) { ahead += d }
}

// What goes on after its answer stays with the project that has it, whichever instance is
// asked for it and after whatever restart, and isn't there for another caller.
func TestFollowUpsFindTheirProject(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, open func() storage.Store) {
		w, forward := manyProjects(t, open())
		// follow asks further instances, which have heard of none of it, and Bob in vain.
		follow := func(key, method, path, body string) answer {
			t.Helper()
			var a answer
			for range 2 {
				w.served = w.instanceOver(open())
				theirs := w.do(method, path, body, as(bobToken)...)
				assert.Equal(t, http.StatusNotFound, theirs.Code, "another caller's %s %s: %s", method, path, theirs.Body)
			}
			a = w.do(method, path, body, as(aliceToken)...)
			require.Equal(t, http.StatusOK, a.Code, "%s %s: %s", method, path, a.Body)
			if key != "" {
				assert.Equal(t, key, a.Header().Get("X-Fluxgate-Key"), path)
			}
			return a
		}
		keyOf := func(a answer) string { return a.Header().Get("X-Fluxgate-Key") }
		const prompt = `{"contents":[{"role":"user","parts":[{"text":"banana"}]}]}`

		t.Run("a batch to its result file", func(t *testing.T) {
			file := w.uploadTo("/upload/v1beta/files", "{}", `{"key":"one","request":`+prompt+"}\n", aliceToken).field("file.name")
			make := `{"batch":{"displayName":"b","inputConfig":{"fileName":"` + file + `"}}}`
			assert.Equal(t, http.StatusNotFound, w.do("POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", make, as(bobToken)...).Code)
			made := follow("", "POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", make)
			name, key := made.field("name"), keyOf(made)
			assert.Contains(t, follow(key, "GET", "/v1beta/"+name, "").field("metadata.state"), "PENDING")
			forward(3 * time.Second)
			done := follow(key, "GET", "/v1beta/"+name, "")
			result := done.field("response.responsesFile")
			for _, path := range []string{"/v1beta/" + result + ":download?alt=media", "/download/v1beta/" + result + ":download?alt=media"} {
				content := follow(key, "GET", path, "")
				assert.Contains(t, content.Body.String(), `"key":"one"`)
				assert.Contains(t, content.Body.String(), geminisim.Translate("banana"))
				part := w.do("GET", path, "", append(as(aliceToken), "Range", "bytes=1-5")...)
				assert.Equal(t, http.StatusPartialContent, part.Code)
				assert.Equal(t, content.Body.String()[1:6], part.Body.String())
				assert.Equal(t, fmt.Sprintf("bytes 1-5/%d", content.Body.Len()), part.Header().Get("Content-Range"))
			}
			list := w.do("GET", "/v1beta/batches", "", as(aliceToken)...)
			assert.Equal(t, name, list.field("operations.name"))
			assert.JSONEq(t, `{}`, w.do("GET", "/v1beta/batches", "", as(bobToken)...).Body.String())
			assert.Equal(t, name, w.do("GET", "/v1beta/batches", "", as(adminToken)...).field("operations.name"))
			follow(key, "POST", "/v1beta/"+name+":cancel", "")
			follow(key, "DELETE", "/v1beta/"+name, "")
			assert.Equal(t, http.StatusNotFound, w.do("GET", "/v1beta/"+name, "", as(aliceToken)...).Code)
		})

		t.Run("a store, what is in it, and a question", func(t *testing.T) {
			made := w.do("POST", "/v1beta/fileSearchStores", `{"displayName":"s"}`, as(aliceToken)...)
			store, key := made.field("name"), keyOf(made)
			operation := w.uploadTo("/upload/v1beta/"+store+":uploadToFileSearchStore", `{"displayName":"notes"}`, "Bananas are yellow.", aliceToken).field("name")
			forward(2 * time.Second)
			document := follow(key, "GET", "/v1beta/"+operation, "").field("response.documentName")
			assert.Equal(t, "notes", follow(key, "GET", "/v1beta/"+document, "").field("displayName"))
			assert.Equal(t, document, follow(key, "GET", "/v1beta/"+store+"/documents", "").field("documents.name"))
			ask := strings.TrimSuffix(prompt, "}") + `,"tools":[{"fileSearch":{"fileSearchStoreNames":["` + store + `"]}}]}`
			answer := follow(key, "POST", "/v1beta/models/gemini-2.5-flash:generateContent", ask)
			assert.Equal(t, "Bananas are yellow.", answer.field("candidates.groundingMetadata.groundingChunks.retrievedContext.text"))

			w.served = w.instanceOver(open())
			file := w.uploadTo("/upload/v1beta/files", "{}", "Apples are red.", aliceToken).field("file.name")
			bare := w.do("POST", "/v1beta/"+store+":importFile", `{"fileName":"`+strings.TrimPrefix(file, "files/")+`"}`, as(aliceToken)...)
			assert.Equal(t, http.StatusBadRequest, bare.Code, "it can't be told whose a file is without the beginning of its name")
			imported := follow(key, "POST", "/v1beta/"+store+":importFile", `{"fileName":"`+file+`"}`) // it was put where the store is
			follow(key, "GET", "/v1beta/"+imported.field("name"), "")
			assert.Equal(t, store, w.do("GET", "/v1beta/fileSearchStores", "", as(aliceToken)...).field("fileSearchStores.name"))
			assert.Equal(t, http.StatusBadRequest, w.do("DELETE", "/v1beta/"+store, "", as(aliceToken)...).Code, "it isn't empty")
			follow(key, "DELETE", "/v1beta/"+store+"?force=true", "")
			assert.JSONEq(t, `{}`, w.do("GET", "/v1beta/fileSearchStores", "", as(aliceToken)...).Body.String())
		})

		t.Run("a file, from the start of its upload", func(t *testing.T) {
			begun := w.do("POST", "/upload/v1beta/files", "{}", append(as(aliceToken),
				"X-Goog-Upload-Protocol", "resumable", "X-Goog-Upload-Command", "start", "X-Goog-Upload-Header-Content-Type", "text/plain")...)
			require.Equal(t, http.StatusOK, begun.Code)
			at, err := url.Parse(begun.Header().Get("X-Goog-Upload-Url"))
			require.NoError(t, err)
			w.served = w.instanceOver(open())
			made := w.do("POST", at.RequestURI(), "Pears are green.", "X-Goog-Upload-Command", "upload, finalize", "X-Goog-Upload-Offset", "0")
			file, key := made.field("file.name"), ""
			key = keyOf(follow(key, "GET", "/v1beta/"+file, ""))
			follow(key, "POST", "/v1beta/models/gemini-2.5-flash:generateContent", mention(file))
			follow(key, "POST", "/v1beta/models/gemini-2.5-flash:countTokens", mention(file))
			assert.Contains(t, w.everything(aliceToken, "files"), file)
			follow(key, "DELETE", "/v1beta/"+file, "")
			assert.Equal(t, http.StatusNotFound, w.do("GET", "/v1beta/"+file, "", as(aliceToken)...).Code)
		})

		t.Run("a cached content", func(t *testing.T) {
			cache := w.makeCache(aliceToken, "600s")
			key := keyOf(follow("", "GET", "/v1beta/"+cache, ""))
			follow(key, "POST", "/v1beta/models/gemini-2.5-flash:generateContent", uses(cache)[0].body)
			follow(key, "PATCH", "/v1beta/"+cache+"?updateMask=ttl", `{"ttl":"1200s"}`)
			follow(key, "DELETE", "/v1beta/"+cache, "")
			assert.Equal(t, http.StatusNotFound, w.do("GET", "/v1beta/"+cache, "", as(aliceToken)...).Code)
		})

		t.Run("an interaction", func(t *testing.T) {
			made := w.do("POST", interactionsPath, `{"model":"gemini-2.5-flash","input":"hi","background":true}`, as(aliceToken)...)
			id, key := made.interaction().ID, keyOf(made)
			assert.Contains(t, follow(key, "GET", interactionsPath+"/"+id+"?stream=true&last_event_id=1", "").Body.String(), "interaction.completed")
			next := follow(key, "POST", interactionsPath, `{"model":"gemini-2.5-flash","input":"and?","previous_interaction_id":"`+id+`"}`).interaction().ID
			follow(key, "POST", interactionsPath+"/"+id+"/cancel", "")
			assert.Equal(t, next, follow(key, "GET", interactionsPath+"/"+next, "").interaction().ID)
			follow(key, "DELETE", interactionsPath+"/"+id, "")
			assert.Equal(t, http.StatusNotFound, w.do("GET", interactionsPath+"/"+id, "", as(aliceToken)...).Code)
		})

		t.Run("a video to its end", func(t *testing.T) {
			made := w.do("POST", "/v1beta/models/veo-3.0-generate-001:predictLongRunning", `{"instances":[{"prompt":"a banana"}]}`, as(aliceToken)...)
			name, key := made.field("name"), keyOf(made)
			follow(key, "GET", "/v1beta/"+name, "")
			forward(3 * time.Second)
			uri, err := url.Parse(follow(key, "GET", "/v1beta/"+name, "").field("response.generateVideoResponse.generatedSamples.video.uri"))
			require.NoError(t, err)
			assert.Equal(t, "A video of a banana", follow(key, "GET", uri.RequestURI(), "").Body.String())
		})

		t.Run("an image by OpenAI's route", func(t *testing.T) {
			made := w.do("POST", "/openai/v1/images/generations", `{"model":"gemini-2.5-flash-image","prompt":"a banana","n":2}`, "Authorization", "Bearer "+aliceToken)
			assert.NotEmpty(t, made.field("data.b64_json"))
			assert.Equal(t, "gemini-2.5-flash-image", made.Header().Get("X-Fluxgate-Model"))
		})
	})
}

// What is used together is put together, whichever comes first and whichever instance is
// asked, and whether callers are told apart or not. What was put elsewhere all the same says
// how it gets there.
func TestWhatBelongsTogether(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, open func() storage.Store) {
		w, _ := manyProjects(t, open())
		upload := func(beside ...string) string {
			w.served = w.instanceOver(open())
			return w.uploadTo("/upload/v1beta/files", "{}", "Apples are red.", aliceToken, beside...).field("file.name")
		}
		one, two := upload(), upload()
		assert.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/gemini-2.5-flash:generateContent", mention(one, two), as(aliceToken)...).Code, "two files of one request")
		w.served = w.instanceOver(open())
		store := w.do("POST", "/v1beta/fileSearchStores", `{}`, as(aliceToken)...).field("name")
		for _, file := range []string{two, upload()} {
			a := w.do("POST", "/v1beta/"+store+":importFile", `{"fileName":"`+file+`"}`, as(aliceToken)...)
			assert.Equal(t, http.StatusOK, a.Code, "%s: %s", file, a.Body)
		}
		assert.Equal(t, w.ownerOf(two), w.ownerOf(upload()), "where the store is")
		assert.Equal(t, w.ownerOf(two), w.ownerOf(upload("X-Fluxgate-Beside", one)))
	})
}

// Files for many requests are spread over the projects, in groups.
func TestUploadsAreSpread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{keys: projects("a", "b", "c", "d", "e", "f", "g", "h"), sim: func(c *geminisim.Config) { c.UploadGranularity = 1 }})
	has := make(map[string]int)
	for range 200 {
		has[w.ownerOf(w.upload("x").Name)]++
	}
	assert.Greater(t, len(has), 3, "of eight")
}

// Who has things in several projects all the same is told which, and how to have them in one.
func TestBesideSaysWhere(t *testing.T) {
	t.Parallel()
	w := shared(t, nil)
	byOwner := make(map[string]string)
	for range 100 {
		f := w.makeFile(aliceToken, "")
		byOwner[w.ownerOf(f)] = f
	}
	one, two := byOwner["alpha"], byOwner["beta"]
	require.NotEmpty(t, one)
	require.NotEmpty(t, two)
	a := w.do("POST", unaryPath, mention(one, two), as(aliceToken)...)
	assert.Equal(t, http.StatusBadRequest, a.Code)
	for _, said := range []string{one, two, "X-Fluxgate-Beside"} {
		assert.Contains(t, a.Body.String(), said)
	}
	for _, beside := range []string{one, two} {
		again := w.uploadTo("/upload/v1beta/files", "{}", "abc", aliceToken, "X-Fluxgate-Beside", beside).field("file.name")
		assert.Equal(t, w.ownerOf(beside), w.ownerOf(again))
		store := w.do("POST", "/v1beta/fileSearchStores", "{}", append(as(aliceToken), "X-Fluxgate-Beside", beside)...).field("name")
		assert.Equal(t, w.ownerOf(beside), w.ownerOf(store))
	}
	for header, code := range map[string]int{"files/../models": http.StatusBadRequest, "nonsense": http.StatusBadRequest, "files/nobodys": http.StatusNotFound} {
		assert.Equal(t, code, w.do("POST", "/v1beta/fileSearchStores", "{}", append(as(aliceToken), "X-Fluxgate-Beside", header)...).Code, header)
	}
	assert.Equal(t, http.StatusNotFound, w.do("POST", "/v1beta/fileSearchStores", "{}", append(as(bobToken), "X-Fluxgate-Beside", one)...).Code, "another's")
	a = w.do("POST", "/v1beta/cachedContents", `{"model":"models/gemini-2.5-flash",`+mention(one)[1:], append(as(aliceToken), "X-Fluxgate-Beside", two)...)
	assert.Equal(t, http.StatusBadRequest, a.Code, "it can't be in both: %s", a.Body)
}

// A batch goes to the project with the fewest that are under way, and takes no slot of its
// model.
func TestJobsAreSpread(t *testing.T) {
	w, forward := manyProjects(t, nil)
	used := func() map[string]int {
		keys := make(map[string]int)
		for range 8 {
			a := w.do("POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", oneJob, as(aliceToken)...)
			require.Equal(t, http.StatusOK, a.Code, a.Body)
			keys[a.Header().Get("X-Fluxgate-Key")]++
		}
		return keys
	}
	assert.Len(t, used(), 8)
	forward(time.Minute)
	assert.Len(t, used(), 8, "those that are over don't count")
	for n := range 8 {
		assert.Zero(t, w.used(fmt.Sprintf("project-%d", n), flash))
	}
	w.sim.SetNoQuota("", flash) // which says nothing of its batches
	assert.Len(t, used(), 8)
	assert.Equal(t, http.StatusBadRequest, w.do("POST", "/v1beta/models/auto:batchGenerateContent", oneJob, as(aliceToken)...).Code)
}

// A job counts on the caller's own limits, where it has some.
func TestJobsCountForTheirCaller(t *testing.T) {
	w := shared(t, nil, `FLUXGATE_CALLERS={"alice":{"rpm":1}}`)
	assert.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", oneJob, as(aliceToken)...).Code)
	spelt := strings.Replace(oneJob, "inputConfig", "input_config", 1) // as Google's samples for curl have it
	refused := w.do("POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", spelt, as(aliceToken)...)
	refused.failed(http.StatusTooManyRequests)
	assert.Positive(t, refused.wait())
	assert.Equal(t, http.StatusOK, w.do("POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", spelt, as(bobToken)...).Code)
}

// What is known and not served says so, by name, in the format of its clients.
func TestKnownAndNotServed(t *testing.T) {
	w := newWorld(t, setup{})
	for path, want := range map[string]string{
		"/v1beta/agents": `"code":"unimplemented"`, "/v1beta/files:register": `"code":501`, "/v1/tunedModels/x": `"code":501`,
		"/v1alpha/voices": `"code":"unimplemented"`, "/openai/v1/audio/speech": `"type":"server_error"`, "/v1beta/openai/files": "input_file_id",
		"/v1beta/environments/e/files/a/b.txt": `"code":"unimplemented"`,
	} {
		method := "POST"
		if strings.Contains(path, "environments") || strings.Contains(path, "tuned") {
			method = "GET"
		}
		a := w.do(method, path, "{}")
		assert.Equal(t, http.StatusNotImplemented, a.Code, path)
		assert.Contains(t, a.Body.String(), want, path)
		assert.Contains(t, a.Body.String(), "isn't served here", path)
		root := path[:strings.Index(path[1:], "/")+2]
		assert.Contains(t, a.Body.String(), method+" "+root, "the route that was asked")
	}
	w.untouched()
}
