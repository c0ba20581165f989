package openaisim

import (
	"context"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/simserver"
)

// call is one request on its way.
type call struct {
	*simserver.Call[State]
	s       *Server
	counted string // the name by which it was charged
}

// maxBody bounds the body of a request, in bytes.
const maxBody = 512 << 20

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{s.Begin(w, r, http.MaxBytesReader(w, r.Body, maxBody), "Authorization", "Api-Key"), s, ""}
	defer s.End(c.Call)
	h := w.Header()
	h.Set("X-Request-Id", s.id("req_"))
	if e := c.authenticate(); e != nil {
		c.refuse(e)
		return
	}
	if s.spoken == OpenAI {
		h.Set("Openai-Organization", c.Key.Project)
		h.Set("Openai-Version", "2020-10-01")
		h.Set("Openai-Processing-Ms", "12")
	}
	s.dispatch(c)
}

// operation is what answers a route.
type operation func(*call) *apiError

type callKey struct{}

// dispatch finds the operation by the path behind what endpoints have before it: /v1,
// /openai/v1, /api/v1, or Azure's /openai/deployments/NAME and /openai.
func (s *Server) dispatch(c *call) {
	path := c.R.URL.Path
	if rest, ok := strings.CutPrefix(path, "/openai/deployments/"); ok {
		deployment, rest, _ := strings.Cut(rest, "/")
		path, c.Log.Model = "/"+rest, deployment
	} else if _, rest, ok := strings.Cut(path, "/v1/"); ok {
		path = "/" + rest
	} else if rest, ok := strings.CutPrefix(path, "/openai/"); ok {
		path = "/" + rest
	} else {
		path = "/-"
	}
	in := new(http.Request)
	*in = *c.R
	u := *c.R.URL
	u.Path, u.RawPath = path, ""
	in.URL = &u
	s.mux.ServeHTTP(c.W, in.WithContext(context.WithValue(in.Context(), callKey{}, c)))
}

// ServeHTTP implements [http.Handler] for the mux, which finds what the path holds.
func (o operation) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(callKey{}).(*call)
	c.R = r
	if e := o(c); e != nil {
		c.refuse(e)
	}
}

// noRoute is captured of OpenAI.
func (c *call) noRoute() *apiError {
	return &apiError{Status: http.StatusNotFound, Message: "Invalid URL (" + c.R.Method + " " + c.Log.Path + ")", Type: "invalid_request_error"}
}

// routes are the operations that there are.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, o := range map[string]operation{
		"/":                                   (*call).noRoute,
		"POST /chat/completions":              (*call).chat,
		"GET /chat/completions":               (*call).listChats,
		"GET /chat/completions/{id}":          (*call).getChat,
		"POST /chat/completions/{id}":         (*call).changeChat,
		"DELETE /chat/completions/{id}":       (*call).deleteChat,
		"GET /chat/completions/{id}/messages": (*call).listMessages,
		"POST /responses":                     (*call).createResponse,
		"GET /responses/{id}":                 (*call).getResponse,
		"DELETE /responses/{id}":              (*call).deleteResponse,
		"POST /responses/{id}/cancel":         (*call).cancelResponse,
		"GET /responses/{id}/input_items":     (*call).listInput,
		"POST /conversations":                 (*call).createConversation,
		"GET /conversations/{id}":             (*call).getConversation,
		"DELETE /conversations/{id}":          (*call).deleteConversation,
		"POST /vector_stores":                 (*call).createStore,
		"GET /vector_stores":                  (*call).listStores,
		"GET /vector_stores/{id}":             (*call).getStore,
		"DELETE /vector_stores/{id}":          (*call).deleteStore,
		"POST /vector_stores/{id}/files":      (*call).addToStore,
		"GET /vector_stores/{id}/files":       (*call).listStoreFiles,
		"POST /vector_stores/{id}/search":     (*call).searchStore,
		"POST /containers":                    (*call).createContainer,
		"GET /containers":                     (*call).listContainers,
		"GET /containers/{id}":                (*call).getContainer,
		"DELETE /containers/{id}":             (*call).deleteContainer,
		"POST /containers/{id}/files":         (*call).addToContainer,
		"GET /containers/{id}/files":          (*call).listContainerFiles,
		"POST /uploads":                       (*call).createUpload,
		"POST /uploads/{id}/parts":            (*call).addPart,
		"POST /uploads/{id}/complete":         (*call).completeUpload,
		"POST /uploads/{id}/cancel":           (*call).cancelUpload,
		"POST /embeddings":                    (*call).embeddings,
		"POST /completions":                   (*call).complete,
		"POST /moderations":                   (*call).moderate,
		"POST /images/generations":            (*call).createImage,
		"POST /images/edits":                  (*call).editImage,
		"POST /images/variations":             (*call).editImage,
		"POST /audio/transcriptions":          (*call).transcribe,
		"POST /audio/translations":            (*call).transcribe,
		"POST /audio/speech":                  (*call).speak,
		"GET /models":                         (*call).listModels,
		"GET /models/{id...}":                 (*call).getModel,
		"POST /files":                         (*call).createFile,
		"GET /files":                          (*call).listFiles,
		"GET /files/{id}":                     (*call).getFile,
		"GET /files/{id}/content":             (*call).fileContent,
		"DELETE /files/{id}":                  (*call).deleteFile,
		"POST /batches":                       (*call).createBatch,
		"GET /batches":                        (*call).listBatches,
		"GET /batches/{id}":                   (*call).getBatch,
		"POST /batches/{id}/cancel":           (*call).cancelBatch,
	} {
		mux.Handle(pattern, o)
	}
	return mux
}

// authenticate finds the key.
func (c *call) authenticate() *apiError {
	value, ok := strings.CutPrefix(c.R.Header.Get("Authorization"), "Bearer ")
	if !ok {
		value = c.R.Header.Get("Api-Key") // Azure's
	}
	if value = strings.TrimSpace(value); value == "" {
		return errNoKey()
	}
	key, ok := c.s.Key(value)
	if !ok || key.State == Revoked {
		return errInvalidKey(value)
	}
	c.Key, c.Log.Project = key, key.Project
	return nil
}
