package server

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// callModel serves POST /v1beta/models/{model}:{method}.
func (s *Server) callModel(w http.ResponseWriter, r *http.Request) error {
	model, method, ok := strings.Cut(r.PathValue("call"), ":")
	if !ok || !payload.ValidModel(model) {
		return errNoRoute
	}
	read, err := s.readPayload(w, r)
	if err != nil {
		return err
	}
	body := read.Text
	refs := read.References
	x := &relay{
		s: s, w: w, r: r, body: body, refs: refs, metered: true, sizer: dispatch.BodySizer(read.Known(), refs), requests: 1,
		path:    func(model string) string { return upstreamVersion + "/models/" + model + ":" + method },
		payload: func(string) ([]byte, error) { return body, nil },
	}
	switch method {
	case "generateContent":
		x.generates = wholeAnswer(r)
		return x.serve(model)
	case "streamGenerateContent":
		x.stream, x.generates = true, wholeAnswer(r)
		return x.serve(model)
	case "embedContent":
		return x.embed(model)
	case "batchEmbedContents":
		// Quota is charged per text, not per call. The model is named in every
		// one of them too, so it can't be replaced without touching the body.
		if x.requests, err = payload.CountTexts(read.JSON); err != nil {
			return err
		}
		return x.embed(model)
	case "countTokens":
		return x.free(r.Context(), model)
	}
	return errNoRoute
}

// wholeAnswer reports whether a request asks for all of an answer, and in JSON: with
// "fields" a caller may leave out what an answer consists of.
func wholeAnswer(r *http.Request) bool {
	query := r.URL.Query()
	alt := query.Get("alt")
	return !query.Has("fields") && !query.Has("$alt") && (alt == "" || alt == "json" || alt == "sse")
}

// free serves a request that costs no quota, for the first of the models that is
// there.
func (x *relay) free(ctx context.Context, model string) error {
	p, err := x.s.dispatch.PoolFor(ctx, x.s.who(x.r), x.refs.Resources)
	if err != nil {
		return err
	}
	snapshot, err := x.s.admission.Snapshot(ctx)
	if err != nil {
		return err
	}
	models, err := dispatch.Candidates(snapshot, model, x.r.Header.Get(dispatch.FallbackHeader))
	if err != nil {
		return err
	}
	for i, model := range models {
		err = x.passFree(ctx, p, model, true)
		var failure *upstream.Error
		if i+1 == len(models) || !errors.As(err, &failure) ||
			failure.Class != upstream.ClassModelGone && failure.Class != upstream.ClassModelUnknown {
			break
		}
	}
	return err
}

// listModels serves GET /v1beta/models, with "auto" as the first of the first
// page, and GET /v1beta/models/{model}.
func (s *Server) listModels(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("call")
	first := r.URL.Query().Get("pageToken") == ""
	return s.modelList(w, r, name, upstreamVersion+"/models", "models", autoEntry, first)
}

// autoEntry describes the chain as a model.
var autoEntry = map[string]any{
	"name": "models/" + dispatch.AutoModel, "version": dispatch.AutoModel, "displayName": "Fluxgate's chain",
	"description":                "The first model of the chain whose day is not spent, on the project that can take the request first.",
	"inputTokenLimit":            scheduler.ContextWindow(""),
	"outputTokenLimit":           65_536,
	"supportedGenerationMethods": []string{"generateContent", "countTokens"},
}

// modelList passes on a list of models, with the chain before those of the first
// page, or one model, which the chain may be too.
func (s *Server) modelList(w http.ResponseWriter, r *http.Request, name, path, member string, auto any, first bool) error {
	switch {
	case name == dispatch.AutoModel:
		apierror.WriteJSON(w, http.StatusOK, auto)
		return nil
	case name != "" && !payload.ValidModel(name):
		return errNoRoute
	case name != "":
		path += "/" + name
	}
	p, err := s.dispatch.Pool(r.Context())
	if err != nil {
		return err
	}
	return s.dispatch.Free(r.Context(), p, true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		list, header, failure := s.list(ctx, r, to, path)
		if failure != nil {
			return failure
		}
		if name == "" && first {
			list = payload.Prepend(list, member, auto)
		}
		passText(w, http.StatusOK, header, list)
		return nil
	})
}
