package geminisim

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/longrunning"
)

// host is what package longrunning has of a server.
type host struct{ s *Server }

// Now implements longrunning.Host.
func (h host) Now() time.Time { return h.s.now() }

// NewID implements longrunning.Host.
func (h host) NewID(length int) string {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	return h.s.newID(length)
}

// Content implements longrunning.Host.
func (h host) Content(project, id string) ([]byte, bool) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	f, ok := h.s.files.get(id, project, h.s.now())
	if !ok {
		return nil, false
	}
	return f.content, true
}

// Keep implements longrunning.Host.
func (h host) Keep(project, id, mime string, content []byte) {
	now := h.s.now()
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	h.s.files.put(&file{
		fileMeta: fileMeta{mime: mime}, size: int64(len(content)), hash: sha256.Sum256(content), content: content, generated: true,
		owned: owned{id: id, project: project, created: now, updated: now, expires: now.Add(fileLifetime)},
	}, now)
}

// Reply implements longrunning.Host. It charges no quota.
func (h host) Reply(project, model, method string, request []byte) (reply []byte, failed bool) {
	fail := func(err *apiError) ([]byte, bool) {
		var out struct {
			Error json.RawMessage `json:"error"`
		}
		_ = json.Unmarshal(err.body(false), &out) // it was encoded here
		return out.Error, true
	}
	m := h.s.model(model)
	if m == nil {
		return fail(errNotFound("v1beta", model, method))
	}
	if method == "embedContent" {
		var req embedRequest
		if err := decode(request, &req); err != nil {
			return fail(err)
		}
		if err := req.Content.normalise("content"); err != nil {
			return fail(err)
		}
		values, tokens := vector(req.Content.text(), max(req.OutputDimensionality, req.OutputDimensionalityS)), min(req.Content.tokens(), m.input)
		h.s.addBill(BillKey{project, model, true}, Bill{Answers: 1, Input: tokens})
		return encode(map[string]any{"embedding": embedding{Values: values}, "tokenCount": strconv.FormatInt(tokens, 10)}), false
	}
	var req generateRequest
	if err := decode(request, &req); err != nil {
		return fail(err)
	}
	if err := req.hasContents(); err != nil {
		return fail(err)
	}
	if err := req.normalise(); err != nil {
		return fail(err)
	}
	a := h.s.answerTo(&req, project, h.s.now(), min(h.s.maxOutput, m.output))
	tokens, cached := req.tokens(), int64(0)
	a.billed, cached = thinkingOf(req.prompt())
	cached = min(cached, tokens)
	h.s.addBill(BillKey{project, model, true}, Bill{
		Answers: 1, Input: tokens, Cached: cached, Output: a.tokens, Thoughts: a.billed.ThoughtsTokenCount, Tools: a.billed.ToolUsePromptTokenCount,
	})
	return encode(a.response(tokens, cached, m.version(), h.s.responseID())), false
}

// longRunning serves what package longrunning answers, once the quota is charged that it
// costs.
func (c *call) longRunning() *apiError {
	r := longrunning.Request{
		Project: c.who.project, Method: c.r.Method, Path: c.id, Call: c.method, Query: c.r.URL.Query(), Body: c.body, Base: c.uriBase(),
	}
	var a longrunning.Answer
	switch c.op {
	case opCreateBatch:
		m, err := c.modelFor(c.route.model, c.method)
		if err != nil {
			return err
		}
		a = c.s.long.CreateBatch(r, m.resolved)
	case opPredictLongRunning:
		if _, err := c.charged(c.route.model, c.method); err != nil {
			return err
		}
		a = c.s.long.CreateVideo(r, c.route.model)
	default:
		a = c.s.long.Serve(r)
	}
	if a.Code != 0 {
		return &apiError{code: a.Code, status: a.Status, message: a.Message}
	}
	c.writeJSON(http.StatusOK, encode(a.Body))
	return nil
}

// charged charges a request for a model that counts no tokens.
func (c *call) charged(name, method string) (*model, *apiError) {
	m, err := c.modelFor(name, method)
	if err != nil {
		return nil, err
	}
	if err := c.admit(m, 1, 0); err != nil {
		return nil, err
	}
	return m, c.think()
}

// images serves predict, and images/generations in OpenAI's format: one image of a pixel
// for each that is wanted. Google serves its models for images on the latter, by whatever
// method they are reached natively (documented).
func (c *call) images() *apiError {
	var req struct {
		Model     string
		N         int
		Instances []struct{ Prompt string }
	}
	if err := decode(c.body, &req); err != nil {
		return err
	}
	name, method := c.route.model, c.method
	if c.openai {
		name = strings.TrimPrefix(req.Model, "models/")
		c.model = name
		if method = "predict"; c.s.model(name) != nil && c.s.model(name).kind == imageModel {
			method = "generateContent"
		}
	}
	if _, err := c.charged(name, method); err != nil {
		return err
	}
	const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	if !c.openai {
		c.writeJSON(http.StatusOK, encode(map[string]any{"predictions": []any{map[string]string{"mimeType": "image/png", "bytesBase64Encoded": pixel}}}))
		return nil
	}
	var data []map[string]string
	for range max(1, req.N) {
		data = append(data, map[string]string{"b64_json": pixel})
	}
	c.writeJSON(http.StatusOK, encode(map[string]any{"created": c.arrived.Unix(), "data": data}))
	return nil
}

// download serves what is in a file, or a part of it. One that was uploaded isn't to be
// had (documented).
func (c *call) download() *apiError {
	c.s.mu.Lock()
	f, ok := c.s.files.get(c.id, c.who.project, c.arrived)
	c.s.mu.Unlock()
	switch {
	case !ok:
		return errFile(c.id)
	case !f.generated:
		return invalidArgument("Only generated files can be downloaded.")
	case c.r.URL.Query().Get("alt") != "media":
		c.writeJSON(http.StatusOK, encode(map[string]any{}))
		return nil
	}
	c.w.Header().Set("Content-Type", f.mime)
	c.status, c.answered = http.StatusOK, true
	http.ServeContent(c.w, c.r, "", f.created, bytes.NewReader(f.content))
	return nil
}

// storeMeta reads what an upload to a store says of the document.
func (c *call) storeMeta(store string, raw []byte) (fileMeta, *apiError) {
	if _, ok := c.s.long.Sources(c.who.project, []string{store}); !ok {
		return fileMeta{}, permissionDenied("You do not have permission to access the FileSearchStore " + store + " or it may not exist.")
	}
	var in struct {
		DisplayName string `json:"displayName"`
		MIMEType    string `json:"mimeType"`
	}
	if len(raw) > 0 {
		if err := decode(raw, &in); err != nil {
			return fileMeta{}, err
		}
	}
	return fileMeta{displayName: in.DisplayName, mime: in.MIMEType}, nil
}

// grounding is what a request that searches stores is answered from; nil: it searches none.
func (c *call) grounding(req *generateRequest) (any, *apiError) {
	type search struct {
		Names  []string `json:"fileSearchStoreNames"`
		NamesS []string `json:"file_search_store_names"`
	}
	var names []string
	for _, raw := range req.Tools {
		var t struct {
			Search  search `json:"fileSearch"`
			SearchS search `json:"file_search"`
		}
		_ = json.Unmarshal(raw, &t) // then it is no such tool
		for _, x := range []search{t.Search, t.SearchS} {
			names = append(append(names, x.Names...), x.NamesS...)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	chunks, ok := c.s.long.Sources(c.who.project, names)
	if !ok {
		return nil, permissionDenied("You do not have permission to access the FileSearchStore " + strings.Join(names, ", ") + " or it may not exist.")
	}
	return map[string]any{"groundingChunks": chunks}, nil
}
