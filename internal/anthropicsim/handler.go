package anthropicsim

import (
	"context"
	"io"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/simserver"
)

// call is one request on its way.
type call struct {
	*simserver.Call[State]
	s        *Server
	id       string // of the request
	compat   bool   // the route is OpenAI's
	overload bool   // the stream is to end in an error
}

// maxBody is documented: 32 MB.
const maxBody = 32 << 20

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Call: s.Begin(w, r, io.LimitReader(r.Body, maxBody+1), "Authorization", "X-Api-Key"), s: s, id: s.id("req_"), compat: strings.HasSuffix(r.URL.Path, "/chat/completions")}
	defer s.End(c.Call)
	w.Header().Set("Request-Id", c.id)
	if e := c.authenticate(); e != nil {
		c.refuse(e)
		return
	}
	w.Header().Set("Anthropic-Organization-Id", c.Key.Project)
	switch {
	case len(c.Body) > maxBody:
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
	c.R = r
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
	value := c.R.Header.Get("X-Api-Key")
	if value == "" {
		value, _ = strings.CutPrefix(c.R.Header.Get("Authorization"), "Bearer ")
	}
	if value == "" {
		return &apiError{http.StatusUnauthorized, "authentication_error", "x-api-key header is required", nil}
	}
	key, ok := c.s.Key(value)
	if !ok || key.State == Revoked {
		return &apiError{http.StatusUnauthorized, "authentication_error", "invalid x-api-key", nil}
	}
	c.Key, c.Log.Project = key, key.Project
	return nil
}
