package geminisim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/longrunning"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// host is what package longrunning has of a server.
type host struct{ s *Server }

// Now implements longrunning.Host.
func (h host) Now() time.Time { return h.s.now() }

// NewID implements longrunning.Host.
func (h host) NewID(length int) string { return h.s.random.id(length) }

// Content implements longrunning.Host.
func (h host) Content(project, id string) ([]byte, bool) { return h.s.files.Content(project, id) }

// Keep implements longrunning.Host.
func (h host) Keep(project, id, mime string, content []byte) {
	h.s.files.Keep(project, id, mime, content)
}

// Reply implements longrunning.Host. It charges no quota.
func (h host) Reply(project, model, method string, request []byte) (reply []byte, failed bool) {
	fail := func(err *wire.Error) ([]byte, bool) {
		var out struct {
			Error json.RawMessage `json:"error"`
		}
		_ = json.Unmarshal(err.Body(false), &out) // it was encoded here
		return out.Error, true
	}
	m := h.s.models.Find(model)
	if m == nil {
		return fail(wire.ModelNotFound("v1beta", model, method))
	}
	if method == "embedContent" {
		var req wire.EmbedRequest
		if err := wire.Decode(request, &req); err != nil {
			return fail(err)
		}
		if err := req.Content.Normalise("content"); err != nil {
			return fail(err)
		}
		tokens := min(req.Content.Tokens(), m.Input)
		h.s.journal.AddBill(journal.BillKey{Project: project, Model: model, Batch: true}, journal.Bill{Answers: 1, Input: tokens})
		return wire.Encode(map[string]any{"embedding": answers.Embed(&req), "tokenCount": strconv.FormatInt(tokens, 10)}), false
	}
	var req wire.GenerateRequest
	if err := wire.Decode(request, &req); err != nil {
		return fail(err)
	}
	if err := req.HasContents(); err != nil {
		return fail(err)
	}
	if err := req.Normalise(); err != nil {
		return fail(err)
	}
	a := h.s.answers.Answer(&req, project, h.s.now(), min(h.s.maxOutput, m.Output))
	tokens, cached := req.Tokens(), int64(0)
	a.Billed, cached = answers.Beside(answers.Prompt(&req))
	cached = min(cached, tokens)
	h.s.journal.AddBill(journal.BillKey{Project: project, Model: model, Batch: true}, a.Bill(tokens, cached))
	return wire.Encode(a.Response(tokens, cached, m.Version(), h.s.random.responseID())), false
}

// longRunning serves what package longrunning answers, once the quota is charged that it
// costs.
func (c *call) longRunning() *wire.Error {
	r := longrunning.Request{
		Project: c.Project, Method: c.R.Method, Path: c.id, Call: c.method, Query: c.R.URL.Query(), Body: c.Body, Base: c.s.files.URIBase(&c.Exchange),
	}
	var a longrunning.Answer
	switch c.op {
	case opCreateBatch:
		m, err := c.modelFor(c.route.model, c.method)
		if err != nil {
			return err
		}
		a = c.s.long.CreateBatch(r, m.Resolved)
	case opPredictLongRunning:
		if _, err := c.charged(c.route.model, c.method); err != nil {
			return err
		}
		a = c.s.long.CreateVideo(r, c.route.model)
	default:
		a = c.s.long.Serve(r)
	}
	if a.Code != 0 {
		return &wire.Error{Code: a.Code, Status: a.Status, Message: a.Message}
	}
	c.WriteJSON(http.StatusOK, wire.Encode(a.Body))
	return nil
}

// stores is what package files has of package longrunning.
type stores struct{ s *Server }

// Document implements files.Stores.
func (st stores) Document(project, store string, raw []byte) (displayName, mime string, refused *wire.Error) {
	if _, ok := st.s.long.Sources(project, []string{store}); !ok {
		return "", "", wire.PermissionDenied("You do not have permission to access the FileSearchStore " + store + " or it may not exist.")
	}
	var in struct {
		DisplayName string `json:"displayName"`
		MIMEType    string `json:"mimeType"`
	}
	if len(raw) > 0 {
		if err := wire.Decode(raw, &in); err != nil {
			return "", "", err
		}
	}
	return in.DisplayName, in.MIMEType, nil
}

// Uploaded implements files.Stores.
func (st stores) Uploaded(project, store, displayName, mime string, content []byte) any {
	return st.s.long.Uploaded(project, store, displayName, mime, content)
}

// grounding is what a request that searches stores is answered from; nil: it searches none.
func (c *call) grounding(req *wire.GenerateRequest) (any, *wire.Error) {
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
	chunks, ok := c.s.long.Sources(c.Project, names)
	if !ok {
		return nil, wire.PermissionDenied("You do not have permission to access the FileSearchStore " + strings.Join(names, ", ") + " or it may not exist.")
	}
	return map[string]any{"groundingChunks": chunks}, nil
}
