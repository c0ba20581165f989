package anthropicsim

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/simquota"
)

// call is one request on its way.
type call struct {
	s        *Server
	w        http.ResponseWriter
	r        *http.Request
	arrived  time.Time
	id       string // of the request
	key      Key
	body     []byte
	log      Request
	charge   *simquota.Charge // nil: none
	cut      bool             // the answer is to break
	compat   bool             // the route is OpenAI's
	overload bool             // the stream is to end in an error
}

// maxBody is documented: 32 MB.
const maxBody = 32 << 20

// minLog is how many requests Requests returns at least, if there were so many.
const minLog = 4096

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	c := &call{s: s, w: w, r: r, arrived: s.cfg.Now(), body: body, id: s.id("req_"), compat: strings.HasSuffix(r.URL.Path, "/chat/completions")}
	header := r.Header.Clone()
	for _, name := range []string{"Authorization", "X-Api-Key"} {
		header.Del(name)
	}
	c.log = Request{At: c.arrived, Method: r.Method, Path: r.URL.Path, Header: header, Body: body}
	defer func() {
		if c.charge != nil {
			s.ledger.Done(c.charge)
		}
		s.mu.Lock()
		if s.log = append(s.log, c.log); len(s.log) >= 2*minLog {
			s.log = slices.Clone(s.log[minLog:])
		}
		s.mu.Unlock()
	}()
	w.Header().Set("Request-Id", c.id)
	if e := c.authenticate(); e != nil {
		c.refuse(e)
		return
	}
	w.Header().Set("Anthropic-Organization-Id", c.key.Project)
	switch {
	case len(body) > maxBody:
		c.refuse(&apiError{http.StatusRequestEntityTooLarge, "request_too_large", "Request exceeds the maximum allowed number of bytes.", nil})
	case !c.compat && r.Header.Get("Anthropic-Version") == "":
		c.refuse(invalid("anthropic-version: header is required"))
	default:
		s.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
	}
}

// operation is what answers a route.
type operation func(*call) *apiError

type callKey struct{}

// ServeHTTP implements [http.Handler] for the mux, which finds what the path holds.
func (o operation) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(callKey{}).(*call)
	c.r = r
	if e := o(c); e != nil {
		c.refuse(e)
	}
}

// noRoute is captured.
func (c *call) noRoute() *apiError {
	return &apiError{http.StatusNotFound, "not_found_error", "Not Found", nil}
}

// routes are the operations that there are.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, o := range map[string]operation{
		"/":                                     (*call).noRoute,
		"POST /v1/messages":                     (*call).messages,
		"POST /v1/messages/count_tokens":        (*call).countTokens,
		"POST /v1/chat/completions":             (*call).chat,
		"GET /v1/models":                        (*call).listModels,
		"GET /v1/models/{id}":                   (*call).getModel,
		"POST /v1/messages/batches":             (*call).createBatch,
		"GET /v1/messages/batches":              (*call).listBatches,
		"GET /v1/messages/batches/{id}":         (*call).getBatch,
		"POST /v1/messages/batches/{id}/cancel": (*call).cancelBatch,
		"GET /v1/messages/batches/{id}/results": (*call).batchResults,
		"DELETE /v1/messages/batches/{id}":      (*call).deleteBatch,
		"POST /v1/files":                        (*call).createFile,
		"GET /v1/files":                         (*call).listFiles,
		"GET /v1/files/{id}":                    (*call).getFile,
		"GET /v1/files/{id}/content":            (*call).fileContent,
		"DELETE /v1/files/{id}":                 (*call).deleteFile,
	} {
		mux.Handle(pattern, o)
	}
	return mux
}

// authenticate finds the key: X-Api-Key, or what OpenAI's clients send.
func (c *call) authenticate() *apiError {
	value := c.r.Header.Get("X-Api-Key")
	if value == "" {
		value, _ = strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	}
	if value == "" {
		return &apiError{http.StatusUnauthorized, "authentication_error", "x-api-key header is required", nil}
	}
	c.s.mu.Lock()
	key, ok := c.s.keys[value]
	c.s.mu.Unlock()
	if !ok || key.State == Revoked {
		return &apiError{http.StatusUnauthorized, "authentication_error", "invalid x-api-key", nil}
	}
	c.key, c.log.Project = key, key.Project
	return nil
}
