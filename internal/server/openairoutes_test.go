package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/simserver/simtest"
)

// keptUpstream is Google's endpoint for OpenAI's clients as far as it keeps what it makes, by
// key. Its routes are documented; that its lists are as OpenAI's is a guess.
type keptUpstream struct {
	mu   sync.Mutex
	made map[string][]string // IDs of a key, the oldest first
	when map[string]int
}

func (k *keptUpstream) answer(h heard) *http.Response {
	rest, ok := strings.CutPrefix(h.path, "/v1beta/openai/")
	if !ok {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	key := h.header.Get("Authorization") + h.header.Get("X-Goog-Api-Key")
	object := func(id string) string {
		return fmt.Sprintf(`{"id":%q,"object":"kept","created_at":%d,"status":"completed","of":"google"}`, id, k.when[id])
	}
	kind, id, named := strings.Cut(rest, "/")
	switch {
	case h.method == http.MethodPost && !named:
		id = fmt.Sprintf("%s_%d", kind, len(k.when))
		k.made[key], k.when[id] = append(k.made[key], id), 1_000+len(k.when)
		return respond(http.StatusOK, object(id))
	case named && slices.Contains(k.made[key], strings.TrimSuffix(id, "/cancel")):
		return respond(http.StatusOK, object(strings.TrimSuffix(id, "/cancel")))
	case named:
		return respond(http.StatusNotFound, `[{"error":{"code":404,"message":"not found","status":"NOT_FOUND"}}]`)
	}
	var list []string
	for _, id := range slices.Backward(k.made[key]) {
		list = append(list, object(id))
	}
	return respond(http.StatusOK, `{"object":"list","data":[`+strings.Join(list, ",")+`]}`)
}

// openAIProjects are those of an openAIWorld.
var openAIProjects = []string{"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"}

// openAIWorld is a world of eight projects and two callers before such a Google.
func openAIWorld(t *testing.T, env ...string) (*world, *stub) {
	kept := &keptUpstream{made: make(map[string][]string), when: make(map[string]int)}
	up, s := stubbed(kept.answer)
	s.keys = projects(openAIProjects...)
	s.env = append([]string{"FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken, "FLUXGATE_ADMIN_TOKENS=root:" + adminToken}, env...)
	return newWorld(t, s), up
}

// list returns the IDs of a page of OpenAI's, and whether more follow.
func (w *world) listed(query, token string) (ids []string, more bool) {
	w.t.Helper()
	a := w.do("GET", "/openai/v1/batches"+query, "", as(token)...)
	require.Equal(w.t, http.StatusOK, a.Code, a.Body)
	var page struct {
		Object string
		Data   []struct{ ID, Of string }
		First  string `json:"first_id"`
		Last   string `json:"last_id"`
		More   bool   `json:"has_more"`
	}
	require.NoError(w.t, json.Unmarshal(a.Body.Bytes(), &page))
	assert.Equal(w.t, "list", page.Object)
	assert.NotNil(w.t, page.Data, "an empty list is one")
	for _, x := range page.Data {
		assert.Equal(w.t, "google", x.Of, "as it is upstream")
		ids = append(ids, x.ID)
	}
	if len(ids) > 0 {
		assert.Equal(w.t, []string{ids[0], ids[len(ids)-1]}, []string{page.First, page.Last})
	}
	return ids, page.More
}

// Batches of OpenAI's clients are their caller's, in lists too, which have OpenAI's format;
// administrators see those of all projects, the newest first.
func TestOpenAIBatches(t *testing.T) {
	w, up := openAIWorld(t)
	make := func(token string) string {
		a := w.do("POST", "/openai/v1/batches", `{"input_file_id":"","endpoint":"/v1/chat/completions","completion_window":"24h"}`, as(token)...)
		require.Equal(t, http.StatusOK, a.Code, a.Body)
		return a.field("id")
	}
	var hers, all []string
	for range 5 {
		hers = append(hers, make(aliceToken))
		all = append(all, hers[len(hers)-1], make(bobToken))
	}
	got, more := w.listed("", aliceToken)
	assert.ElementsMatch(t, hers, got)
	assert.False(t, more)
	first, more := w.listed("?limit=3", aliceToken)
	assert.Len(t, first, 3)
	assert.True(t, more)
	rest, more := w.listed("?limit=3&after="+first[2], aliceToken)
	assert.False(t, more)
	assert.Equal(t, got, slices.Concat(first, rest))
	theirs, _ := w.listed("?after="+all[1], aliceToken)
	assert.Empty(t, theirs, "nothing is behind another's")

	slices.Reverse(all)
	got, _ = w.listed("", adminToken)
	assert.Equal(t, all, got)
	got, more = w.listed("?limit=4&after="+all[3], adminToken)
	assert.Equal(t, all[4:8], got)
	assert.True(t, more)
	none, more := w.listed("?after=unknown", adminToken)
	assert.Empty(t, none)
	assert.False(t, more)
	assert.Equal(t, http.StatusBadRequest, w.do("GET", "/openai/v1/batches?limit=x", "", as(aliceToken)...).Code)

	for _, path := range []string{"/openai/v1/batches/" + hers[0], "/v1beta/openai/batches/" + hers[1]} {
		w.served = w.instance() // which has heard of none of it
		assert.Equal(t, http.StatusOK, w.do("GET", path, "", as(aliceToken)...).Code)
		assert.Equal(t, http.StatusOK, w.do("POST", path+"/cancel", "", as(aliceToken)...).Code)
		before := len(up.requests(""))
		assert.Equal(t, http.StatusNotFound, w.do("GET", path, "", as(bobToken)...).Code)
		assert.Equal(t, http.StatusNotFound, w.do("POST", path+"/cancel", "", as(bobToken)...).Code)
		assert.Len(t, up.requests(""), before, "upstream isn't asked")
	}
}

// typed are the headers of a request of alice's with a body of that type.
func typed(kind string) []string { return append(as(aliceToken), "Content-Type", kind) }

// A video is asked for by a form, as Google's samples and OpenAI's SDKs do it, or in JSON. A
// form passes byte for byte, counts on the model that it names, and what comes of it is its
// caller's.
func TestVideosByForm(t *testing.T) {
	w, up := openAIWorld(t)
	const veo = "veo-3.1-generate-preview"
	body, kind := simtest.Form(t, "a.png", "model", veo, "prompt", "a banana", "@input_reference", "files/of-nobody \x00\xff")
	made := w.do("POST", "/openai/v1/videos", body, typed(kind)...)
	require.Equal(t, http.StatusOK, made.Code, made.Body)
	assert.Equal(t, veo, made.Header().Get("X-Fluxgate-Model"))
	sent := up.only(t, "/openai/videos")
	assert.Equal(t, body, string(sent.body))
	assert.Equal(t, kind, sent.header.Get("Content-Type"))
	var counted int64
	for _, project := range openAIProjects {
		counted += w.used(project, veo)
	}
	assert.EqualValues(t, 1, counted)
	path := "/openai/v1/videos/" + made.field("id")
	w.served = w.instance() // which has heard of none of it
	assert.Equal(t, http.StatusOK, w.do("GET", path, "", as(aliceToken)...).Code)
	assert.Equal(t, http.StatusNotFound, w.do("GET", path, "", as(bobToken)...).Code)
	inJSON := w.do("POST", "/openai/v1/videos", `{"model":"`+veo+`","prompt":"a banana"}`, as(aliceToken)...)
	require.Equal(t, http.StatusOK, inJSON.Code, inJSON.Body)

	// What may be read otherwise, or names what isn't the caller's, goes nowhere.
	before := len(up.requests(""))
	for name, fields := range map[string][]string{
		"no model":         {"prompt", "a banana"},
		"two models":       {"model", veo, "model", "other"},
		"in two spellings": {"model", veo, "Mo_del", "other"},
		"a file for one":   {"model", veo, "@model", "other"},
		"no model's name":  {"model", "../files"},
		"auto":             {"model", "auto"},
		"somebody's file":  {"model", veo, "prompt", "x", "image", "https://h/v1beta/files/of-bob"},
		"a bare file name": {"model", veo, "image", "files/of-bob"},
	} {
		body, kind := simtest.Form(t, "a.png", fields...)
		a := w.do("POST", "/openai/v1/videos", body, typed(kind)...)
		assert.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, a.Code, "%s: %s", name, a.Body)
		assert.Contains(t, a.Body.String(), `"error":{`, name)
	}
	for name, text := range map[string]string{
		"something before": "x\r\n" + body, "cut": body[:len(body)/2], "another boundary": strings.ReplaceAll(body, "--", "-+"), "nothing": "",
		"a coding": strings.Replace(body, "\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1),
	} {
		a := w.do("POST", "/openai/v1/videos", text, typed(kind)...)
		assert.Equal(t, http.StatusBadRequest, a.Code, "%s: %s", name, a.Body)
	}
	// Nowhere else is a form one.
	body, kind = simtest.Form(t, "a.png", "model", flash, "messages", "x")
	assert.Equal(t, http.StatusBadRequest, w.do("POST", "/openai/v1/chat/completions", body, typed(kind)...).Code)
	assert.Len(t, up.requests(""), before)
}
