package server

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/payload/completion"
	"fluxgate.dev/fluxgate/internal/providers"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// choose says which provider a request for a model goes to, of those with keys in a pool.
func (s *Server) choose(r *http.Request, p *dispatch.Pool, m match, model string) (providers.Choice, error) {
	return s.others.Choose(providers.Question{Format: format(m), Model: model, Named: r.Header.Get(providers.Header), Has: p.HasKeys})
}

// able returns the other providers that speak a route's format, of those with keys in a pool.
func (s *Server) able(p *dispatch.Pool, m match) providers.List {
	return s.others.Able(format(m), p.HasKeys)
}

// askOther serves a request to a model where that is another provider's; it isn't done where it
// is Gemini's. It passes as it came but for the name of the model, where that has the
// provider's before it.
func (x *relay) askOther(m match, read *payload.Body) (done bool, err error) {
	p, err := x.s.dispatch.Pool(x.r.Context())
	switch {
	case err != nil:
		return true, err
	case m.Base == routes.OpenAI && m.Unserved == "" && len(x.s.able(p, m)) == 0:
		return false, nil
	}
	asked := completion.Read(read.JSON)
	choice, err := x.s.choose(x.r, p, m, asked.Model)
	p = p.Of(choice.Provider)
	switch {
	case err != nil:
		return true, err
	case choice.Provider == upstream.Gemini && m.Unserved != "":
		return true, unserved(m)
	case choice.Provider == upstream.Gemini:
		x.prefixed = choice.Model != asked.Model
		return false, nil
	case read.JSON == nil:
		return true, payload.ErrNotObject
	case asked.Model == "":
		return true, payload.ErrModel
	case asked.GoesOn && len(p.Projects) > 1:
		return true, errGoesOn
	}
	x.pool, x.stream, x.refs = p, asked.Stream, new(payload.References)
	x.path = func(string) string { return m.OtherPath("") }
	x.renamed = func(string) (*payload.Rope, error) { return read.Rename(choice.Model) }
	x.sizer = dispatch.Sizer{Bytes: -1, TextOnly: true, Estimate: func() int64 { return asked.Estimate(read.JSON, m.Base == routes.Messages) }}
	if m.Counts == routes.Free {
		return true, x.passFree(x.r.Context(), p, choice.Counted(), true)
	}
	return true, x.serve(choice.Counted(), true)
}

// errGoesOn is the answer to what only one of several organisations has.
var errGoesOn = apierror.New(apierror.Unserved, "It goes on from what one of several organisations has, and which isn't known here. Send what was said before instead, with \"store\": false.")

// format is what a route's clients speak.
func format(m match) string {
	if m.Base == routes.Messages {
		return config.FormatAnthropic
	}
	return config.FormatOpenAI
}

// listOthers passes on a list of models, or one of them, of other providers than Gemini; it isn't
// done where that is Gemini's. In a list of several providers' the names have theirs before
// them.
func (s *Server) listOthers(w http.ResponseWriter, r *http.Request, m match) (done bool, err error) {
	p, err := s.dispatch.Pool(r.Context())
	if err != nil {
		return false, err
	}
	if m.Lists != "" && m.Base == routes.OpenAI && r.Header.Get(providers.Header) == "" {
		if p.HasKeys(upstream.Gemini) || len(s.able(p, m)) == 0 {
			return false, nil
		}
		list := answers.Prepend([]byte(`{"object":"list","data":[]}`), m.Lists, s.otherModels(r, m)...)
		exchange.PassText(w, http.StatusOK, http.Header{"Content-Type": passing.JSONType}, list)
		return true, nil
	}
	name := ""
	if m.Lists == "" {
		name = m.names[0]
	}
	choice, err := s.choose(r, p, m, name)
	if err != nil || choice.Provider == upstream.Gemini {
		return err != nil, err
	}
	return true, s.dispatch.Free(r.Context(), p.Of(choice.Provider), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		text, header, failure := exchange.List(ctx, r, to, m.OtherPath(choice.Model))
		if failure == nil {
			exchange.PassText(w, http.StatusOK, header, text)
		}
		return failure
	})
}

// otherModels returns the models of all other providers that speak OpenAI's format, in order,
// each with its provider's name before its own. Of one that can't be asked there are none.
func (s *Server) otherModels(r *http.Request, m match) []any {
	p, err := s.dispatch.Pool(r.Context())
	if err != nil {
		return nil
	}
	able := s.able(p, m)
	lists := make([][]any, len(able))
	var asked errgroup.Group
	asked.SetLimit(maxListed)
	for i, provider := range able {
		asked.Go(func() error {
			lists[i] = s.modelsOf(r, m, p, provider.Name)
			return nil
		})
	}
	_ = asked.Wait() // who can't be asked is told of in the log
	return slices.Concat(lists...)
}

// modelsOf returns the models of one provider, as in otherModels.
func (s *Server) modelsOf(r *http.Request, m match, p *dispatch.Pool, provider string) (all []any) {
	err := s.dispatch.Free(r.Context(), p.Of(provider), true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		text, _, failure := exchange.List(ctx, r, to, m.OtherPath(""))
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
		s.logger(r.Context()).Warn("models not listed", "provider", provider, "error", err)
	}
	return all
}
