package others

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/providers"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Choose says which provider a request for a model goes to, of those with keys in a pool.
func (o *Others) Choose(r *http.Request, p *dispatch.Pool, route *routes.Route, model string) (providers.Choice, error) {
	return o.providers.Choose(providers.Question{Format: Format(route), Chat: route.Chats(), Model: model, Named: r.Header.Get(providers.Header), Has: p.HasKeys})
}

// Able returns the other providers that take a route's requests, of those with keys in a pool.
func (o *Others) Able(p *dispatch.Pool, route *routes.Route) providers.List {
	return o.providers.Taking(providers.Question{Format: Format(route), Chat: route.Chats(), Has: p.HasKeys})
}

// ListModels passes on a list of models, or one of them, of other providers than Gemini; it isn't
// done where that is Gemini's. In a list of several providers' the names have theirs before
// them.
func (o *Others) ListModels(w http.ResponseWriter, r *http.Request, q Question) (done bool, err error) {
	p, err := o.dispatch.Pool(r.Context())
	if err != nil {
		return false, err
	}
	if q.Route.Lists != "" && q.Route.Base == routes.OpenAI && r.Header.Get(providers.Header) == "" {
		if p.HasKeys(upstream.Gemini) || len(o.Able(p, q.Route)) == 0 {
			return false, nil
		}
		list := answers.Prepend([]byte(`{"object":"list","data":[]}`), q.Route.Lists, o.Models(r, q.Route)...)
		exchange.PassText(w, http.StatusOK, http.Header{"Content-Type": passing.JSONType}, list)
		return true, nil
	}
	name := ""
	if q.Route.Lists == "" {
		name = q.Names[0]
	}
	choice, err := o.Choose(r, p, q.Route, name)
	if err != nil || choice.Provider == upstream.Gemini {
		return err != nil, err
	}
	return true, o.dispatch.Free(r.Context(), p.Of(choice.Provider), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		text, header, failure := exchange.List(ctx, r, to, q.Route.OtherPath(choice.Model, nil))
		if failure == nil {
			exchange.PassText(w, http.StatusOK, header, text)
		}
		return failure
	})
}

// Models returns the models of all other providers that speak OpenAI's format, in order,
// each with its provider's name before its own. Of one that can't be asked there are none.
func (o *Others) Models(r *http.Request, route *routes.Route) []any {
	p, err := o.dispatch.Pool(r.Context())
	if err != nil {
		return nil
	}
	able := o.Able(p, route)
	lists := make([][]any, len(able))
	var asked errgroup.Group
	asked.SetLimit(maxAsked)
	for i, provider := range able {
		asked.Go(func() error {
			lists[i] = o.modelsOf(r, route, p, provider.Name)
			return nil
		})
	}
	_ = asked.Wait() // who can't be asked is told of in the log
	return slices.Concat(lists...)
}

// modelsOf returns the models of one provider, as in Models.
func (o *Others) modelsOf(r *http.Request, route *routes.Route, p *dispatch.Pool, provider string) (all []any) {
	err := o.dispatch.Free(r.Context(), p.Of(provider), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		text, _, failure := exchange.List(ctx, r, to, route.OtherPath("", nil))
		var list struct{ Data []map[string]json.RawMessage }
		if failure != nil || json.Unmarshal(text, &list) != nil {
			return failure
		}
		for _, entry := range list.Data {
			var id string
			if json.Unmarshal(entry["id"], &id) == nil {
				entry["id"], _ = json.Marshal(provider + "/" + id) // a text always can be
				all = append(all, entry)
			}
		}
		return nil
	})
	if err != nil {
		o.logger(r.Context()).Warn("models not listed", "provider", provider, "error", err)
	}
	return all
}
