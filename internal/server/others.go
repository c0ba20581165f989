package server

import (
	"net/http"
	"slices"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/chain"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/candidates"
	"fluxgate.dev/fluxgate/internal/others"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/completion"
	"fluxgate.dev/fluxgate/internal/payload/form"
	"fluxgate.dev/fluxgate/internal/payload/references"
	"fluxgate.dev/fluxgate/internal/providers"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// chosen returns the provider that a request for a model goes to, of those with keys in a pool. Its
// model is as the provider knows it.
func (x *relay) chosen(p *dispatch.Pool, m match, model string) (providers.Choice, error) {
	choice, err := x.s.others.Choose(x.r, p, m.Route, model)
	if err == nil && choice.Provider == upstream.Gemini && m.Unserved != "" {
		if err = unserved(m); x.s.others.Serve(p, m.Route) {
			err = candidates.Unnamed(model, err) // another provider may serve it, by the model's name
		}
	}
	return choice, err
}

// askOther serves a request to a model where that is another provider's, or where several may
// serve it; it isn't done where it is Gemini's. It passes as it came but for the name of the
// model, where that is "auto" or has the provider's before it.
func (x *relay) askOther(m match, read *payload.Body) (done bool, err error) {
	p, err := x.s.dispatch.Pool(x.r.Context())
	switch {
	case err != nil:
		return true, err
	case p.Of(upstream.Gemini) == p && m.Base == routes.OpenAI && m.Unserved == "":
		return false, nil // there is nobody else
	}
	asked := completion.Read(read.JSON)
	if !asked.Named {
		asked.Model = m.Default
	}
	x.openAI, asked.Fast = m.Base == routes.OpenAI, asked.Fast && m.Base == routes.Messages
	if m.Chats() {
		if asked.Keeps {
			x.noting = x.s.noting(x.r, m)
		}
		if done, err := x.acrossChain(p, m, read, asked); done {
			return true, err
		}
	}
	choice, err := x.chosen(p, m, asked.Model)
	p = p.Of(choice.Provider)
	switch {
	case err != nil:
		return true, err
	case choice.Provider == upstream.Gemini:
		x.prefixed = choice.Model != asked.Model
		return false, nil
	case choice.Model == "":
		return true, payload.ErrModel
	case asked.Unclear:
		return true, errUnclear
	}
	names, err := references.Read(read.JSON, m.Base == routes.Messages)
	if err != nil {
		return true, err
	}
	if !asked.Stored {
		x.noting.Unkept()
	}
	if x.pool, err = x.s.others.Owning(x.r, p, choice.Provider, x.s.who(x.r), others.Kept(m.Route, choice.Provider, slices.Concat(asked.GoesOn, names))); err != nil {
		return true, err
	}
	x.stream, x.renamed = x.stream || asked.Stream, func(string) (*payload.Rope, error) { return read.Rename(choice.Model) }
	x.sizer = dispatch.OtherSizer(read.JSON, asked)
	return true, x.sendOther(m, choice)
}

// acrossChain serves a chat that models of several providers may serve.
func (x *relay) acrossChain(p *dispatch.Pool, m match, read *payload.Body, asked completion.Request) (done bool, err error) {
	chat, err := x.s.chain.Chat(x.r.Context(), chain.Question{
		Body: read, Asked: asked, Fallback: x.r.Header.Get(candidates.FallbackHeader), Provider: x.r.Header.Get(providers.Header),
		Choose: func() (string, error) {
			choice, err := x.chosen(p, m, asked.Model)
			return choice.Counted(), err
		},
	})
	if chat == nil || err != nil {
		return err != nil, err
	}
	x.pool, x.stream, x.refs, x.renamed, x.sizer = chat.Pool, asked.Stream, new(payload.References), chat.Renamed, chat.Sizer
	x.path = func(model string) string {
		if chain.Name(model) != model {
			return m.OtherPath("", nil)
		}
		return m.path(model)
	}
	return true, x.dispatch(func(c *dispatch.Call) error {
		c.Models = chat.Models
		return nil
	})
}

// askOtherByForm is askOther for a body that is a form.
func (x *relay) askOtherByForm(m match, in *form.Form) (done bool, err error) {
	p, err := x.s.dispatch.Pool(x.r.Context())
	if err != nil {
		return true, err
	}
	choice, err := x.chosen(p, m, in.Model)
	if err != nil || choice.Provider == upstream.Gemini {
		return err != nil, err
	}
	x.pool, x.stream, x.renamed = p.Of(choice.Provider), in.Stream, func(string) (*payload.Rope, error) { return in.Rename(choice.Model) }
	return true, x.sendOther(m, choice)
}

// sendOther sends a request to another provider, whose keys it has.
func (x *relay) sendOther(m match, choice providers.Choice) error {
	x.refs, x.path = new(payload.References), func(string) string { return m.OtherPath("", nil) }
	if m.Counts == routes.Free {
		return x.passFree(x.r.Context(), x.pool, choice.Counted(), true)
	}
	return x.serve(choice.Counted(), true)
}

// errUnclear is the answer to what says in too many words, or too long ones, what it goes on from.
var errUnclear = apierror.Invalid("previous_response_id", "want one ID, and one of a conversation at most.")

// placeOf returns where a request about what providers keep goes, by its path and by what its body
// names.
func (s *Server) placeOf(r *http.Request, m match, body *payload.Body) (others.Place, error) {
	if !m.Others {
		p, err := s.dispatch.PoolFor(r.Context(), s.who(r), m.Mentioned(m.names, body.References.Resources))
		return others.Place{Provider: upstream.Gemini, Pool: p}, err
	}
	q := m.question(s.who(r))
	var err error
	if q.Geminis = body.References.Resources; body.JSON != nil {
		if q.Mentioned, err = references.Read(body.JSON, m.Base == routes.Messages); err != nil {
			return others.Place{}, err
		}
	}
	at, err := s.others.Place(r, q)
	switch {
	case err != nil:
	case at.Pool == nil:
		err = unserved(m)
	case at.Provider != upstream.Gemini && body.JSON == nil && len(body.Text) > 0:
		err = payload.ErrNotObject // it may name anything
	}
	return at, err
}

// question is what is known of a request whose body names nothing.
func (m match) question(who resources.Caller) others.Question {
	return others.Question{Route: m.Route, Names: m.names, Who: who}
}

// listKept serves a list of what providers keep that Gemini isn't the only one to have.
func (s *Server) listKept(w http.ResponseWriter, r *http.Request, m match, who resources.Caller) error {
	at, err := s.placeOf(r, m, noBody)
	if err != nil {
		return err
	}
	return s.others.List(w, r, at, m.question(who))
}

// uploadKept serves an upload to another provider.
func (s *Server) uploadKept(w http.ResponseWriter, r *http.Request, m match) error {
	at, err := s.placeOf(r, m, noBody)
	if err != nil {
		return err
	}
	return s.others.Upload(w, r, at, m.question(s.who(r)))
}

// noBody names nothing.
var noBody = &payload.Body{References: new(payload.References)}
