package server

import (
	"net/http"

	"fluxgate.dev/fluxgate/internal/apierror"
)

// release serves DELETE /tickets/{ticket}, and DELETE /tickets with the ticket in its
// header, where no log of URLs has it. Another caller's ticket is answered like one that
// stands for nothing; an administrator may give back anybody's.
func (s *Server) release(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	text := r.PathValue("ticket")
	if text == "" {
		text = r.Header.Get(apierror.TicketHeader)
	}
	t, err := s.admission.ParseTicket(text, callerOf(r))
	if err != nil {
		anybodys, malformed := s.admission.ReadTicket(text)
		switch {
		case malformed != nil:
			return malformed
		case !s.tellsApart() || !s.isAdmin(r):
			return &apierror.Problem{Code: apierror.NotFound, Public: errNoTicket.Public, Cause: err}
		}
		t = anybodys
	}
	p, err := s.dispatch.Pool(ctx)
	if err != nil {
		return err
	}
	released, err := s.admission.Release(ctx, t, p.Projects)
	switch {
	case err != nil:
		return err
	case !released:
		return errNoTicket
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

var errNoTicket = apierror.New(apierror.NotFound, "The ticket stands for nothing, or for nothing any more: there is nothing to give back.")
