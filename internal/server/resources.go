package server

import (
	"bytes"
	"context"
	"net/http"

	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// Files and cached contents belong to the project that made them: only its keys
// can read them. And they belong to the caller that made them: to others they aren't
// there.

// resource serves GET, PATCH and DELETE of one file or cached content.
func (s *Server) resource(kind string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("id")
		if !payload.ValidResource(id) {
			return errNoRoute
		}
		name := kind + "/" + id
		body, err := s.readBody(w, r)
		if err != nil {
			return err
		}
		ctx, who := r.Context(), s.who(r)
		p, err := s.dispatch.PoolFor(ctx, who, []string{name})
		if err != nil {
			return err
		}
		path := upstreamVersion + "/" + name
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			x := &relay{s: s, w: w, r: r, body: body, path: func(string) string { return path },
				payload: func(string) ([]byte, error) { return body, nil }}
			return x.passFree(ctx, p, "", true)
		}
		a, err := s.change(r, p, path, body, r.Method != http.MethodDelete)
		switch {
		case err != nil:
			return err
		case r.Method == http.MethodDelete:
			s.dispatch.Gone(ctx, a.to.Key.Project, name)
		default:
			if err := s.dispatch.Changed(ctx, who, a.to.Key.Project, a.text); err != nil {
				return err
			}
		}
		a.pass(w)
		return nil
	}
}

// createCache serves POST /v1beta/cachedContents: in the project of the files
// that it refers to, else in any.
func (s *Server) createCache(w http.ResponseWriter, r *http.Request) error {
	read, err := s.readPayload(w, r)
	if err != nil {
		return err
	}
	ctx, who := r.Context(), s.who(r)
	p, err := s.dispatch.PoolFor(ctx, who, read.References.Resources)
	if err != nil {
		return err
	}
	// One that was made twice would be paid for twice.
	a, err := s.change(r, p, upstreamVersion+"/cachedContents", read.Text, false)
	if err != nil {
		return err
	}
	if err := s.dispatch.Made(ctx, who, a.to.Key.Project, a.text); err != nil {
		return err
	}
	a.pass(w)
	return nil
}

// change sends what makes, changes or deletes something, and returns the answer, all of
// it: the caller is to hear of it when it is written down. What of it is wanted, and in
// which format, isn't the caller's to say then.
func (s *Server) change(r *http.Request, p *dispatch.Pool, path string, body []byte, again bool) (*whole, error) {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Timeout)
	defer cancel()
	asked := withQuery(r, wholly)
	var a *whole
	err := s.dispatch.Free(ctx, p, again, func(ctx context.Context, to dispatch.Target) (failure *upstream.Error) {
		a, failure = readWhole(to.Context(ctx), asked, to, r.Method, path, bytes.NewReader(body), int64(len(body)), maxErrorBody)
		return failure
	})
	return a, err
}
