package others

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/openailist"
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

// Serve reports whether any of the other providers with keys in a pool has a route like that.
func (o *Others) Serve(p *dispatch.Pool, route *routes.Route) bool {
	return len(o.providers.Taking(providers.Question{Format: Format(route), Chat: route.Chats(), Has: p.HasKeys})) > 0
}

// listed returns the other providers whose models a list in OpenAI's format has, of those with keys in
// a pool: all that serve chats in it, whatever they speak besides.
func (o *Others) listed(p *dispatch.Pool, route *routes.Route) providers.List {
	return o.providers.Taking(providers.Question{Format: Format(route), Chat: true, Has: p.HasKeys})
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
		if p.HasKeys(upstream.Gemini) || len(o.listed(p, q.Route)) == 0 {
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
	choice, err := o.providers.Choose(providers.Question{
		Format: Format(q.Route), Chat: q.Route.Base == routes.OpenAI, Model: name, Named: r.Header.Get(providers.Header), Has: p.HasKeys,
	})
	if err != nil || choice.Provider == upstream.Gemini {
		return err != nil, err
	}
	path, own := o.listPath(q.Route, choice)
	return true, o.dispatch.Free(r.Context(), p.Of(choice.Provider), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		text, header, failure := exchange.List(ctx, r, to, path)
		if failure == nil {
			if !own {
				text = openailist.OfModels(text, choice.Provider)
			}
			exchange.PassText(w, http.StatusOK, header, text)
		}
		return failure
	})
}

// listPath returns where a provider has its models, or one of them, and whether it answers in the
// format of a route. Anthropic serves chats in OpenAI's format, and lists its models in its own.
func (o *Others) listPath(route *routes.Route, choice providers.Choice) (path string, own bool) {
	path = route.OtherPath(choice.Model, nil)
	own = slices.ContainsFunc(o.providers, func(p config.Provider) bool { return p.Name == choice.Provider && p.Format == Format(route) })
	if !own {
		path = "v1/" + path
	}
	return path, own
}

// Models returns the models of all other providers that serve chats in OpenAI's format, in order,
// each with its provider's name before its own. Of one that can't be asked there are none.
func (o *Others) Models(r *http.Request, route *routes.Route) []any {
	p, err := o.dispatch.Pool(r.Context())
	if err != nil {
		return nil
	}
	able := o.listed(p, route)
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

// maxModels is the longest page of Anthropic's models.
// https://platform.claude.com/docs/en/api/models-list
const maxModels = 1000

// modelsOf returns the models of one provider, as in Models.
func (o *Others) modelsOf(r *http.Request, route *routes.Route, p *dispatch.Pool, provider string) (all []any) {
	path, own := o.listPath(route, providers.Choice{Provider: provider})
	asked := r
	if !own {
		asked = passing.WithQuery(r, func(query url.Values) { query.Set("limit", strconv.Itoa(maxModels)) })
	}
	err := o.dispatch.Free(r.Context(), p.Of(provider), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		text, _, failure := exchange.List(ctx, asked, to, path)
		if failure == nil && !own {
			text = openailist.OfModels(text, provider)
		}
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
