package callers

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/secrets"
)

// Tokens with what base64 has, so that every encoding has something to do.
const (
	aliceToken  = "hunter2+alice/alice=="
	aliceNew    = "hunter2+alice/again=="
	bobToken    = "hunter2+bob/bob/bob=="
	rootToken   = "hunter2+root/root/r=="
	wrongToken  = "hunter2+nobody/knows="
	tokensOfAll = "FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken
	rootsTokens = "FLUXGATE_ADMIN_TOKENS=root:" + rootToken
	onCloud     = "K_SERVICE=gate"
	withIAM     = "FLUXGATE_AUTH=iam"
	secretS     = "projects/p/secrets/S/versions/latest"
	secretT     = "projects/p/secrets/T/versions/latest"
	fromSecretS = "FLUXGATE_TOKENS_SECRET=projects/p/secrets/S"
	fromSecretT = "FLUXGATE_ADMIN_TOKENS_SECRET=projects/p/secrets/T"
)

func configured(t testing.TB, environ ...string) *config.Config {
	t.Helper()
	cfg, err := config.Load(context.Background(), environ)
	require.NoError(t, err)
	return cfg
}

func newAuthenticator(t testing.TB, environ ...string) *Authenticator {
	t.Helper()
	b, err := New(configured(t, environ...), nil, secrets.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return b
}

// request makes a request of lines such as "Authorization: Bearer x".
func request(target string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader("{}"))
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// vault is Secret Manager as far as it is asked here. The real client against
// the real service is tested in package keys.
type vault struct {
	mu       sync.Mutex
	payloads map[string]string
	failures map[string]error
	calls    int
}

var _ secrets.Accessor = (*vault)(nil)

func (v *vault) Access(_ context.Context, version string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls++
	if err := v.failures[version]; err != nil {
		return nil, err
	}
	text, ok := v.payloads[version]
	if !ok {
		return nil, errors.New("no such secret")
	}
	return []byte(text), nil
}

func (v *vault) set(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
}

func (v *vault) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls
}

// public is what others learn of a caller.
func public(c Caller) Caller {
	c.token = nil
	return c
}
