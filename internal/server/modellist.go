package server

import (
	"context"
	"net/http"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

// autoEntries describe the chain as a model, in either format.
var autoEntries = map[routes.Base]any{
	routes.API: map[string]any{
		"name": "models/" + candidates.Auto, "version": candidates.Auto, "displayName": "Fluxgate's chain",
		"description":                "The first model of the chain whose day is not spent, on the project that can take the request first.",
		"inputTokenLimit":            scheduler.ContextWindow(""),
		"outputTokenLimit":           65_536,
		"supportedGenerationMethods": []string{"generateContent", "countTokens"},
	},
	routes.OpenAI: map[string]string{"id": candidates.Auto, "object": "model", "owned_by": "fluxgate"},
}

// listModels passes on a list of models, with the chain before those of the first page,
// or one model, which the chain may be too.
func (s *Server) listModels(w http.ResponseWriter, r *http.Request, m match) error {
	if m.Others {
		if done, err := s.others.ListModels(w, r, m.question(s.who(r))); done || err != nil {
			return err
		}
	}
	auto := autoEntries[m.Base]
	if m.Lists == "" && m.names[0] == candidates.Auto {
		apierror.WriteJSON(w, http.StatusOK, auto)
		return nil
	}
	p, err := s.dispatch.PoolOf(r.Context(), upstream.Gemini)
	if err != nil {
		return err
	}
	first := m.Base == routes.OpenAI || r.URL.Query().Get("pageToken") == ""
	return s.dispatch.Free(r.Context(), p, true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		list, header, failure := exchange.List(ctx, r, to, m.path(""))
		if failure != nil {
			return failure
		}
		if m.Lists != "" && first {
			list = answers.Prepend(list, m.Lists, auto)
		}
		if m.Lists != "" && m.Others {
			list = answers.Prepend(list, m.Lists, s.others.Models(r, m.Route)...)
		}
		exchange.PassText(w, http.StatusOK, header, list)
		return nil
	})
}
