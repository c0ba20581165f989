package server

import (
	"context"
	"errors"
	"net/http"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/callers"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/live"
	"fluxgate.dev/fluxgate/internal/routes"
)

// admitMinted finds out who sent a request with an ephemeral token: for whom it was minted
// here, as long as the caller's own token is good by which that was. Where somebody was let in
// besides, it is to be the same.
func (s *Server) admitMinted(ctx context.Context, text string, caller callers.Caller, refused error) (callers.Caller, *live.Token, error) {
	if text == "" || refused != nil && !errors.Is(refused, callers.ErrMissing) {
		return caller, nil, refused
	}
	token, err := s.sessions.Token(ctx, text, caller.Name)
	if err != nil {
		return callers.Caller{}, nil, err
	}
	if s.callers == nil {
		return callers.Caller{Name: token.Caller}, token, nil
	}
	caller, ok := s.callers.Proven(ctx, token.Caller, token.Proof, s.admission.Sign)
	if !ok {
		return callers.Caller{}, nil, apierror.New(apierror.Unauthenticated, "The ephemeral token is void: its caller's own token, by which it was minted, is good no longer.")
	}
	return caller, token, nil
}

// session serves a session of the Live API.
func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	wait, err := s.sessions.Serve(w, r, live.Incoming{
		Who: s.who(r), Token: arrivalOf(r).token,
		Call: func(ctx context.Context, setup []byte) (*dispatch.Call, error) {
			return s.newCall(ctx, r, r.URL.Path, setup)
		},
	})
	if wait != nil {
		s.writeWait(w, r, wait)
	}
	return err
}

// mint serves POST /v1alpha/auth_tokens. It costs no quota.
func (s *Server) mint(w http.ResponseWriter, r *http.Request) error {
	read, held, err := s.received.Payload(w, r)
	defer held.Release()
	if err != nil {
		return err
	}
	p, err := s.dispatch.PoolFor(r.Context(), s.who(r), read.References.Resources)
	if err != nil {
		return err
	}
	p, asked, err := s.sessions.MayMint(r.Context(), s.who(r), p, read.Known())
	if err != nil {
		return err
	}
	a, err := s.change(r, p, routes.API.Upstream()+"auth_tokens", read.Text, true)
	if err != nil {
		return err
	}
	if err := s.sessions.Minted(r.Context(), callerOf(r), arrivalOf(r).caller.Proof(s.admission.Sign), a.To.Key.Project, asked, a.Text); err != nil {
		return err
	}
	a.Pass(w)
	return nil
}

// StopSessions ends the sessions of the Live API, and returns when all are settled. A server
// that shuts down doesn't wait for connections that were taken over.
func (s *Server) StopSessions(ctx context.Context) error { return s.sessions.Stop(ctx) }
