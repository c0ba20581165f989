package server

import (
	"net/http"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/nearest"
	"fluxgate.dev/fluxgate/internal/page"
	"fluxgate.dev/fluxgate/internal/passing"
)

// routes lists everything that is served, by the one passing.Spelling that path.go brings
// others to.
func (s *Server) routes() {
	// Fluxgate's own.
	s.route(apierror.Native, "/generate", methods{http.MethodPost: s.generate})
	s.route(apierror.Native, "/health", methods{http.MethodGet: s.health})
	s.route(apierror.Native, "/status", methods{http.MethodGet: s.status})
	s.route(apierror.Native, "/metrics", methods{http.MethodGet: s.metrics})
	s.route(apierror.Native, "/plan", methods{http.MethodPost: s.plan})
	s.route(apierror.Native, "/config", methods{http.MethodPost: s.byAdmin(s.configure)})
	s.route(apierror.Native, "/validate", methods{http.MethodPost: s.byAdmin(s.validate)})
	s.route(apierror.Native, "/refresh-policy", methods{http.MethodPost: s.byAdmin(s.refreshPolicy)})
	s.route(apierror.Native, "/reset", methods{http.MethodPost: s.byAdmin(s.reset)})
	s.route(apierror.Native, "/tickets", methods{http.MethodDelete: s.release})
	s.route(apierror.Native, "/tickets/{ticket}", methods{http.MethodDelete: s.release})

	// Gemini's, in its versions; upstream v1beta and v1 are one.
	for _, version := range []string{"/" + passing.VersionBeta, "/" + passing.VersionOne, "/" + passing.VersionAlpha} {
		s.route(apierror.Native, version+"/models", methods{http.MethodGet: s.listModels})
		s.route(apierror.Native, version+"/models/{call}", methods{http.MethodGet: s.listModels, http.MethodPost: s.callModel})
		s.route(apierror.Native, version+"/files", methods{http.MethodGet: s.listResources("files")})
		s.route(apierror.Native, version+"/files/{id}", methods{http.MethodGet: s.resource("files"), http.MethodDelete: s.resource("files")})
		s.route(apierror.Native, version+"/cachedContents", methods{
			http.MethodGet: s.listResources("cachedContents"), http.MethodPost: s.createCache})
		s.route(apierror.Native, version+"/cachedContents/{id}", methods{
			http.MethodGet: s.resource("cachedContents"), http.MethodPatch: s.resource("cachedContents"), http.MethodDelete: s.resource("cachedContents")})
		s.route(apierror.Interactions, version+"/interactions", methods{http.MethodPost: s.createInteraction})
		s.route(apierror.Interactions, version+"/interactions/{id}", methods{http.MethodGet: s.interaction, http.MethodDelete: s.interaction})
		s.route(apierror.Interactions, version+"/interactions/{id}/cancel", methods{http.MethodPost: s.interaction})
		s.route(apierror.Native, "/upload"+version+"/files", methods{http.MethodPost: s.upload, http.MethodPut: s.upload})
	}

	// OpenAI's, where Gemini has them and where OpenAI's clients expect them.
	for _, base := range []string{"/v1beta/openai", "/openai/v1"} {
		s.route(apierror.OpenAI, base+"/chat/completions", methods{http.MethodPost: s.openAI})
		s.route(apierror.OpenAI, base+"/embeddings", methods{http.MethodPost: s.openAI})
		s.route(apierror.OpenAI, base+"/models", methods{http.MethodGet: s.listOpenAI})
		s.route(apierror.OpenAI, base+"/models/{model...}", methods{http.MethodGet: s.listOpenAI})
		s.route(apierror.OpenAI, base+"/", nil)
	}

	// The page holds no data. It asks for /status with a token that is typed into it.
	s.mux.Handle("GET /{$}", page.Handler())
	s.route(apierror.Native, "/", nil)
}

// modelMethods are the methods of a model that are served, after its name and a
// colon.
var modelMethods = []string{"generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"}

// modelCalls is the end of the pattern of a model and its methods.
const modelCalls = "/models/{call}"

// routesLike are the beginnings of patterns that only repeat others, so that nobody
// is pointed to them.
var routesLike = []string{"/" + passing.VersionOne + "/", "/" + passing.VersionAlpha + "/", passing.UploadPath + passing.VersionOne + "/", passing.UploadPath + passing.VersionAlpha + "/", passing.OpenAIBase}

// publish notes a route for those who miss it.
func (s *Server) publish(path string, allow []string) {
	if len(allow) == 0 || slices.ContainsFunc(routesLike, func(p string) bool { return strings.HasPrefix(path, p) }) {
		return
	}
	allow = slices.DeleteFunc(slices.Clone(allow), func(m string) bool { return m == "HEAD" })
	if before, ok := strings.CutSuffix(path, modelCalls); ok {
		for _, method := range modelMethods {
			s.published = append(s.published, nearest.Route{Methods: "POST", Path: before + "/models/{model}:" + method})
		}
		allow, path = []string{"GET"}, before+"/models/{model}"
	}
	s.published = append(s.published, nearest.Route{Methods: strings.Join(allow, ", "), Path: strings.ReplaceAll(path, "...", "")})
}
