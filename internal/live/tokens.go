package live

import (
	"context"
	"errors"

	"fluxgate.dev/fluxgate/internal/apierror"
	"fluxgate.dev/fluxgate/internal/dispatch"
	"fluxgate.dev/fluxgate/internal/ephemeral"
	"fluxgate.dev/fluxgate/internal/resources"
)

// A Token is an ephemeral token that a request came with, and what is known of it.
type Token struct {
	ephemeral.Token
	text string
}

// Token returns what is known of a token that was minted here. Where somebody was let in
// besides, it is to be for the same; "": nobody was.
func (l *Relay) Token(ctx context.Context, text, letIn string) (*Token, error) {
	t, err := l.tokens.Find(ctx, text)
	switch {
	case errors.Is(err, ephemeral.ErrUnknown):
		return nil, &apierror.Problem{Code: apierror.Unauthenticated, Public: "The ephemeral token wasn't minted here, or has expired.", Cause: err}
	case err != nil:
		return nil, &apierror.Problem{Code: apierror.Unavailable, Public: "It can't be looked up whose the token is. Please retry.", Cause: err}
	case letIn != "" && letIn != t.Caller:
		return nil, apierror.New(apierror.Forbidden, "The ephemeral token was minted for somebody else.")
	}
	return &Token{t, text}, nil
}

// MayMint returns what a request for a token asks for, and the keys of a pool by which it may be
// made: where its setup goes on with a session, those of the project that has it, if it is the
// caller's.
func (l *Relay) MayMint(ctx context.Context, who resources.Caller, p *dispatch.Pool, request []byte) (*dispatch.Pool, ephemeral.Token, error) {
	asked, err := ephemeral.Asked(request, l.admission.Now().Time())
	s := new(setup)
	if err == nil { // it is JSON
		_, err = s.find(request, "bidigeneratecontentsetup")
	}
	if err != nil {
		return nil, asked, &apierror.Problem{Code: apierror.InvalidArgument, Public: "want JSON as the SDKs send it", Cause: err}
	}
	if s.handle == "" {
		return p, asked, nil
	}
	project, _, err := l.projectOf(ctx, who, p, s.handle)
	if err != nil {
		return nil, asked, err
	}
	p, err = only(p, project)
	return p, asked, err
}

// Minted notes a token that a project has made for a caller, by what was asked for and the answer,
// and a proof of the caller's own token.
// Without that it is nobody's, so the caller isn't given it then.
func (l *Relay) Minted(ctx context.Context, caller, proof, project string, t ephemeral.Token, answer []byte) error {
	name := ephemeral.NameIn(answer)
	if name == "" {
		return apierror.New(apierror.Unavailable, "Gemini has answered with success, and with no token. Please retry.")
	}
	t.Caller, t.Proof, t.Project = caller, proof, project
	err := l.tokens.Minted(ctx, name, t)
	switch {
	case errors.Is(err, ephemeral.ErrFull):
		return &apierror.Problem{Code: apierror.Unavailable, Public: "Too many ephemeral tokens are good at the same time. Please wait until some have expired.", Cause: err}
	case err != nil:
		return &apierror.Problem{Code: apierror.Unavailable, Public: "The token can't be written down, so nobody would take it. Please retry.", Cause: err}
	}
	return nil
}

// mayOpen says why a method isn't opened with a token, or without one.
func mayOpen(m Method, t *Token) error {
	switch {
	case m.Name != Constrained && t != nil: // else it would be worth as much as its caller's own token
		return apierror.New(apierror.Unauthenticated, "An ephemeral token opens sessions at "+Constrained+" alone.")
	case m.Name == Constrained && t == nil:
		return apierror.New(apierror.Unauthenticated, "This method takes an ephemeral token that was minted here (POST /v1alpha/auth_tokens), as ?access_token= or Authorization: Token.")
	}
	return nil
}
