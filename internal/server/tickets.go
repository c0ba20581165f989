package server

import (
	"net/http"

	"fluxgate.dev/fluxgate/internal/apierror"
)

// release serves DELETE /tickets/{ticket}.
func (s *Server) release(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	t, err := s.admission.ParseTicket(r.PathValue("ticket"), callerOf(r))
	if err != nil {
		return err
	}
	p, err := s.dispatch.Pool(ctx)
	if err != nil {
		return err
	}
	released, err := s.admission.Release(ctx, t, p.Projects)
	if err == nil && !released {
		// It may be a booking that another instance has made since we last looked.
		if _, err = s.admission.FreshView(ctx, p.IDs()); err == nil {
			released, err = s.admission.Release(ctx, t, p.Projects)
		}
	}
	switch {
	case err != nil:
		return err
	case !released:
		return apierror.New(apierror.NotFound, "The ticket stands for nothing any more.")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
