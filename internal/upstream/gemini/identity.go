package gemini

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"

	"fluxgate.dev/fluxgate/internal/upstream"
)

// scope is the narrowest that is known to be good for generating. That of Google's
// quickstart, https://ai.google.dev/gemini-api/docs/oauth, is for all of Google Cloud;
// this one is what programs with service accounts ask for in public code. Whether a
// token of a Cloud Run service with this scope is taken was not tried.
const scope = "https://www.googleapis.com/auth/generative-language"

// Why a token isn't sent.
var (
	errForeignToken = fmt.Errorf("an OAuth token is for Google's hosts alone: %w", upstream.ErrForeignHost)
	errBadToken     = fmt.Errorf("an OAuth token: %w", upstream.ErrBadKey)
)

// An identity is the program's own at Google, by which projects without a key are
// called. It is safe for use by any number of goroutines.
type identity struct {
	token  func(context.Context) (string, error)
	latest atomic.Pointer[string] // the token that was sent last, to be found in answers; nil: none yet
}

// put makes a request one of this identity, counted against a project: a token as
// the credential and the project in x-goog-user-project, as
// https://ai.google.dev/gemini-api/docs/oauth has it.
func (i *identity) put(r *http.Request, project string) error {
	if r.URL.Scheme != "https" || r.URL.Port() != "" || !strings.HasSuffix(r.URL.Hostname(), ".googleapis.com") {
		return errForeignToken
	}
	token, err := i.token(r.Context())
	if err != nil {
		return fmt.Errorf("get an OAuth token: %w", err)
	}
	if !upstream.Sendable(token) {
		return errBadToken
	}
	i.latest.Store(&token)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("X-Goog-User-Project", project)
	return nil
}

// secret returns what must not come back out of an answer to a request with this
// credential: the key, or the token that stood for it.
func (i *identity) secret(key string) string {
	if _, without := upstream.ProjectOf(key); !without {
		return key
	}
	if token := i.latest.Load(); token != nil {
		return *token
	}
	return ""
}

// ownToken returns tokens of the identity that Google's libraries find: the service
// account of a Cloud Run service, or that of gcloud auth application-default login.
// It looks for it once, when the first token is wanted.
func ownToken() func(context.Context) (string, error) {
	find := sync.OnceValues(func() (*auth.Credentials, error) {
		return credentials.DetectDefault(&credentials.DetectOptions{
			Scopes: []string{scope},
			// Between requests a function has no CPU to do it with.
			DisableAsyncRefresh: true,
		})
	})
	return func(ctx context.Context) (string, error) {
		found, err := find()
		if err != nil {
			return "", err
		}
		token, err := found.Token(ctx)
		if err != nil {
			return "", err
		}
		return token.Value, nil
	}
}
