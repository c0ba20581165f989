package server

import (
	"context"
	"net/http"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/dispatch/placing"
	"fluxgate.dev/fluxgate/internal/exchange"
	"fluxgate.dev/fluxgate/internal/others"
	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/form"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// What callers make upstream belongs to the project that made it: only its keys can
// read it. And it belongs to the caller that made it: to others it isn't there.

// readResource serves GET of what a project has.
func (s *Server) readResource(w http.ResponseWriter, r *http.Request, m match) error {
	ctx := r.Context()
	at, err := s.placeOf(r, m, noBody)
	switch {
	case err != nil:
		return err
	case m.Links != "":
		a, err := s.change(r, at.Pool, m.pathAt(at.Provider), nil, true)
		if err == nil {
			s.pass(w, r, m, a)
		}
		return err
	case at.Provider != upstream.Gemini && m.Flow == routes.Downloads:
		r = passing.AsFile(r)
	}
	x := &relay{
		s: s, w: w, r: r, path: func(string) string { return m.pathAt(at.Provider) },
		stream: m.Flow == routes.Downloads || m.Flow == routes.MayStream && r.URL.Query().Get("stream") == "true",
	}
	x.noting = s.noting(r, m)
	x.counts(m, at.Pool)
	return x.passFree(ctx, at.Pool, "", true)
}

// changeResource serves what makes, changes or deletes something, in the project of what
// it refers to, else in any.
func (s *Server) changeResource(w http.ResponseWriter, r *http.Request, m match) error {
	body, held, err := s.received.Any(w, r)
	defer held.Release()
	if err == nil && m.Forms && form.Is(r.Header.Get("Content-Type")) {
		body.JSON, err = form.Fields(body.Text, r.Header.Get("Content-Type"))
		r = passing.AsForm(r)
	}
	if err != nil {
		return err
	}
	at, err := s.placeOf(r, m, body)
	if err != nil {
		return err
	}
	if err := s.files.Check(r.Context(), s.who(r), m.Route, at.Provider, at.Pool.Sole(), body); err != nil {
		return err
	}
	if m.MakesBatch() {
		if may, err := s.mayMake(w, r, ""); !may {
			return err
		}
	}
	switch {
	case at.Provider == upstream.Gemini:
		at.Pool, err = s.dispatch.Place(r.Context(), s.who(r), at.Pool, m.Collection(), r.Header.Get(placing.BesideHeader))
	case len(m.Makes) > 0 && m.Names == "":
		at.Pool, err = s.others.Beside(r, at, m.question(s.who(r)))
	}
	if err != nil {
		return err
	}
	// What was made twice would be paid for twice.
	a, err := s.change(r, at.Pool, m.pathAt(at.Provider), body.Text, m.Method == http.MethodPatch)
	if err != nil {
		return err
	}
	ctx, project := r.Context(), a.To.Key.Project
	switch {
	case m.Ends:
		s.dispatch.Gone(ctx, project, m.KeptName(a.To.Key.Of(), m.Resource(m.names)))
	case len(m.Makes) == 0:
		s.noting(r, m).See(ctx, a.To, a.Text)
	case m.Names != "" && !m.Assembles:
		err = s.dispatch.Changed(ctx, s.who(r), project, others.Told(m.Route, a)...)
	default:
		err = s.made(r, m, "", a)
	}
	if err != nil {
		return err
	}
	s.pass(w, r, m, a)
	return nil
}

// pass answers with an answer that was read, whose links lead here.
func (s *Server) pass(w http.ResponseWriter, r *http.Request, m match, a *exchange.Whole) {
	a.Text = others.Relink(r, m.Route, a.Text)
	a.Pass(w)
}

// change sends what makes, changes or deletes something, and returns the answer, all of
// it: the caller is to hear of it when it is written down. What of it is wanted, and in
// which format, isn't the caller's to say then.
func (s *Server) change(r *http.Request, p *dispatch.Pool, path string, body []byte, again bool) (*exchange.Whole, error) {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Timeout)
	defer cancel()
	asked, method := passing.WithQuery(r, passing.Wholly), r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var a *exchange.Whole
	err := s.dispatch.Free(ctx, p, again, func(ctx context.Context, to dispatch.Target) (failure *upstream.Error) {
		sent := payload.Open(body)
		defer payload.Close(sent)
		a, failure = exchange.ReadWhole(to.Context(ctx), asked, to, method, path, sent, int64(len(body)), exchange.MaxErrorBody)
		return failure
	})
	return a, err
}
