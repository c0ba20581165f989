package server

import (
	"net/http"

	"fluxgate.dev/fluxgate/internal/page"
)

// routes lists everything that is served.
func (s *Server) routes() {
	// Fluxgate's own.
	s.route(native, "/generate", methods{http.MethodPost: s.generate})
	s.route(native, "/health", methods{http.MethodGet: s.health})
	s.route(native, "/status", methods{http.MethodGet: s.status})
	s.route(native, "/metrics", methods{http.MethodGet: s.metrics})
	s.route(native, "/plan", methods{http.MethodPost: s.plan})
	s.route(native, "/config", methods{http.MethodPost: s.configure})
	s.route(native, "/validate", methods{http.MethodPost: s.validate})
	s.route(native, "/refresh-policy", methods{http.MethodPost: s.refreshPolicy})
	s.route(native, "/reset", methods{http.MethodPost: s.reset})
	s.route(native, "/tickets/{ticket}", methods{http.MethodDelete: s.release})

	// Gemini's, in both versions; upstream there is one.
	for _, version := range []string{"/v1beta", "/v1"} {
		s.route(native, version+"/models", methods{http.MethodGet: s.listModels})
		s.route(native, version+"/models/{call}", methods{http.MethodGet: s.listModels, http.MethodPost: s.callModel})
		s.route(native, version+"/files", methods{http.MethodGet: s.listResources("files")})
		s.route(native, version+"/files/{id}", methods{http.MethodGet: s.resource("files"), http.MethodDelete: s.resource("files")})
		s.route(native, version+"/cachedContents", methods{
			http.MethodGet: s.listResources("cachedContents"), http.MethodPost: s.createCache})
		s.route(native, version+"/cachedContents/{id}", methods{
			http.MethodGet: s.resource("cachedContents"), http.MethodPatch: s.resource("cachedContents"), http.MethodDelete: s.resource("cachedContents")})
		s.route(native, "/upload"+version+"/files", methods{http.MethodPost: s.upload, http.MethodPut: s.upload})
	}

	// OpenAI's, where Gemini has them and where OpenAI's clients expect them.
	for _, base := range []string{"/v1beta/openai", "/openai/v1"} {
		s.route(openAIs, base+"/chat/completions", methods{http.MethodPost: s.openAI})
		s.route(openAIs, base+"/embeddings", methods{http.MethodPost: s.openAI})
		s.route(openAIs, base+"/models", methods{http.MethodGet: s.listOpenAI})
		s.route(openAIs, base+"/models/{model...}", methods{http.MethodGet: s.listOpenAI})
		s.route(openAIs, base+"/", nil)
	}

	// The page holds no data. It asks for /status with a token that is typed into it.
	s.mux.Handle("GET /{$}", page.Handler())
	s.route(native, "/", nil)
}

var errNoRoute = &problem{code: notFound, public: "There is nothing here. The routes are GET / (a page for people), POST /generate, GET /health, GET /status, GET /metrics, POST /plan, POST /config, POST /validate, POST /refresh-policy, POST /reset, DELETE /tickets/{ticket}, Gemini's own below /v1beta/, and OpenAI's below /v1beta/openai/."}
