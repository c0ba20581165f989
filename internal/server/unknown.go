package server

import (
	"net/http"
	"strings"

	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/routes"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// unknown passes what the table doesn't know on to the first project, for administrators
// only. Nothing is known of it: it takes no slot, counts as one request on its caller's own
// limits, and what it makes is nobody's.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) error {
	version, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	if !passing.Unknown(rest) {
		return errNoRoute
	}
	if s.requireAdmin(r) != nil {
		return errNoRoute // as it is for everybody where nothing passes
	}
	body, held, err := s.received.Body(w, r)
	defer held.Release()
	if err != nil {
		return err
	}
	ctx := r.Context()
	p, err := s.dispatch.PoolOf(ctx, upstream.Gemini)
	if err != nil {
		return err
	}
	place, taken, err := s.takePlace(w, r, body)
	if !taken {
		return err
	}
	defer place.GiveBack() // unless it was settled
	if len(p.Projects) > 1 {
		p = p.Only(p.Projects[0].ID)
	}
	s.logger(ctx).Warn("unknown route passed", "version", version)
	x := &relay{s: s, w: w, r: r, body: body, stream: true, path: func(string) string { return routes.API.Upstream() + rest }}
	if err := x.passFree(ctx, p, "", passing.MethodOf(r) == http.MethodGet); err != nil {
		return err
	}
	place.Settle(-1)
	return nil
}
