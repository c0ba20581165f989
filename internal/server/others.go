package server

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

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

// choose says which provider a request for a model goes to, with its keys.
func (s *Server) choose(r *http.Request, m match, model string) (providers.Choice, *dispatch.Pool, error) {
	p, err := s.dispatch.Pool(r.Context())
	if err != nil {
		return providers.Choice{}, nil, err
	}
	choice, err := s.others.Choose(providers.Question{
		Format: format(m), Model: model, Named: r.Header.Get(providers.Header),
		Has: func(provider string) bool { return len(p.Of(provider).Keys) > 0 },
	})
	return choice, p.Of(choice.Provider), err
}

// anyOther reports whether there are keys of another provider that speaks a route's format.
func (s *Server) anyOther(r *http.Request, m match) (bool, error) {
	p, err := s.dispatch.Pool(r.Context())
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(s.others, func(o config.Provider) bool { return o.Format == format(m) && len(p.Of(o.Name).Keys) > 0 }), nil
}

// askOther serves a request to a model where that is another provider's; it isn't done where it
// is Gemini's. It passes as it came but for the name of the model, where that has the
// provider's before it.
func (x *relay) askOther(m match, read *payload.Body) (done bool, err error) {
	if m.Base == routes.OpenAI && m.Unserved == "" {
		if there, err := x.s.anyOther(x.r, m); !there || err != nil {
			return err != nil, err
		}
	}
	asked := completion.Read(read.JSON)
	choice, p, err := x.s.choose(x.r, m, asked.Model)
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
	if m.Lists != "" && m.Base == routes.OpenAI && r.Header.Get(providers.Header) == "" {
		p, err := s.dispatch.PoolOf(r.Context(), upstream.Gemini)
		if err != nil || len(p.Keys) > 0 {
			return false, err
		}
		if there, err := s.anyOther(r, m); !there || err != nil {
			return false, err
		}
		list := answers.Prepend([]byte(`{"object":"list","data":[]}`), m.Lists, s.otherModels(r, m)...)
		exchange.PassText(w, http.StatusOK, http.Header{"Content-Type": passing.JSONType}, list)
		return true, nil
	}
	name := ""
	if m.Lists == "" {
		name = m.names[0]
	}
	choice, p, err := s.choose(r, m, name)
	if err != nil || choice.Provider == upstream.Gemini {
		return err != nil, err
	}
	return true, s.dispatch.Free(r.Context(), p, true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
		text, header, failure := exchange.List(ctx, r, to, m.OtherPath(choice.Model))
		if failure == nil {
			exchange.PassText(w, http.StatusOK, header, text)
		}
		return failure
	})
}

// otherModels returns the models of all other providers that speak OpenAI's format, each with
// its provider's name before its own. Of one that can't be asked there are none.
func (s *Server) otherModels(r *http.Request, m match) (all []any) {
	p, err := s.dispatch.Pool(r.Context())
	if err != nil {
		return nil
	}
	for _, name := range s.others.Speaking(config.FormatOpenAI) {
		part := p.Of(name)
		if len(part.Keys) == 0 {
			continue
		}
		err := s.dispatch.Free(r.Context(), part, true, func(ctx context.Context, to dispatch.Target) *upstream.Error {
			text, _, failure := exchange.List(ctx, r, to, m.OtherPath(""))
			var list struct{ Data []map[string]json.RawMessage }
			if failure != nil || json.Unmarshal(text, &list) != nil {
				return failure
			}
			for _, entry := range list.Data {
				var id string
				if json.Unmarshal(entry["id"], &id) == nil {
					entry["id"], _ = json.Marshal(name + "/" + id) // a text always can be
					all = append(all, entry)
				}
			}
			return nil
		})
		if err != nil {
			s.logger(r.Context()).Warn("models not listed", "provider", name, "error", err)
		}
	}
	return all
}
