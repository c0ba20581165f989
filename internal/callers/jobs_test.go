package callers

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	jobsAccount  = "jobs@p.iam.gserviceaccount.com"
	jobsAudience = "https://gate.example"
	withJobs     = "FLUXGATE_JOBS_ACCOUNT=" + jobsAccount
	forJobs      = "FLUXGATE_JOBS_AUDIENCE=https://other.example," + jobsAudience
)

// google signs identity tokens and publishes its certificates.
type google struct {
	key     *rsa.PrivateKey
	asked   atomic.Int64
	answers func(*http.Request) (*http.Response, error) // instead of the certificates
}

// googlesKey is made once: that takes a while.
var googlesKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newGoogle(t *testing.T) *google {
	t.Helper()
	key, err := googlesKey()
	require.NoError(t, err)
	return &google{key: key}
}

func certsAnswer(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"Cache-Control": {"public, max-age=3600, must-revalidate"}},
	}
}

// RoundTrip implements http.RoundTripper.
func (g *google) RoundTrip(r *http.Request) (*http.Response, error) {
	g.asked.Add(1)
	if g.answers != nil {
		return g.answers(r)
	}
	if r.URL.String() != "https://www.googleapis.com/oauth2/v3/certs" {
		return nil, errors.New("asked at " + r.URL.String())
	}
	n := base64.RawURLEncoding.EncodeToString(g.key.N.Bytes())
	e := base64.RawURLEncoding.EncodeToString(big.NewInt(int64(g.key.E)).Bytes())
	return certsAnswer(http.StatusOK, `{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"one","n":"`+n+`","e":"`+e+`"}]}`), nil
}

// token returns a signed identity token, as of now, with some claims changed.
func (g *google) token(t *testing.T, changed map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": "https://accounts.google.com", "aud": jobsAudience, "sub": "123", "azp": "123",
		"email": jobsAccount, "email_verified": true,
		"iat": time.Now().Add(-time.Minute).Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changed)
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	signed := part(`{"alg":"RS256","kid":"one","typ":"JWT"}`) + "." + part(string(payload))
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, g.key, crypto.SHA256, digest[:])
	require.NoError(t, err)
	return signed + "." + part(string(signature))
}

func part(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// newJobsAuthenticator returns one that asks g for certificates.
func newJobsAuthenticator(t *testing.T, g *google, environ ...string) *Authenticator {
	t.Helper()
	environ = append(environ, withJobs, forJobs)
	b := newAuthenticator(t, environ...)
	require.NotNil(t, b.jobs)
	var err error
	b.jobs, err = newJobVerifier(t.Context(), configured(t, environ...), g)
	require.NoError(t, err)
	return b
}

func TestJobs(t *testing.T) {
	g := newGoogle(t)
	otherKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	other := &google{key: otherKey}
	b := newJobsAuthenticator(t, g, onCloud, tokensOfAll)
	good := g.token(t, nil)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for _, tt := range []struct {
		name  string
		token string
		good  bool
	}{
		{name: "a job's", token: good, good: true},
		{name: "for the other audience", token: g.token(t, map[string]any{"aud": "https://other.example"}), good: true},
		{name: "Google's other name", token: g.token(t, map[string]any{"iss": "accounts.google.com"}), good: true},
		{name: "an address in another case", token: g.token(t, map[string]any{"email": "Jobs@P.iam.gserviceaccount.com"}), good: true},

		{name: "for another service", token: g.token(t, map[string]any{"aud": "https://gate.example/"})},
		{name: "for several", token: g.token(t, map[string]any{"aud": []string{jobsAudience}})},
		{name: "for nobody", token: g.token(t, map[string]any{"aud": ""})},
		{name: "another account's", token: g.token(t, map[string]any{"email": "jobs@q.iam.gserviceaccount.com"})},
		{name: "nobody's", token: g.token(t, map[string]any{"email": ""})},
		{name: "an address that isn't verified", token: g.token(t, map[string]any{"email_verified": false})},
		{name: "an address of which nothing is said", token: g.token(t, map[string]any{"email_verified": nil})},
		{name: "expired", token: g.token(t, map[string]any{"exp": time.Now().Add(-time.Second).Unix()})},
		{name: "without an end", token: g.token(t, map[string]any{"exp": nil})},
		{name: "another issuer's", token: g.token(t, map[string]any{"iss": "https://securetoken.google.com/p"})},
		{name: "forged", token: other.token(t, nil)},
		{name: "signed for other claims", token: head + "." + part(`{"aud":"`+jobsAudience+`","email":"`+jobsAccount+
			`","email_verified":true,"iss":"https://accounts.google.com","exp":99999999999}`) + "." + signature},
		{name: "an unknown certificate's", token: part(`{"alg":"RS256","kid":"two"}`) + "." + rest},
		{name: "without a signature", token: head + "." + payload + "."},
		{name: "as Cloud Run hands it on", token: head + "." + payload + ".SIGNATURE_REMOVED_BY_GOOGLE"},
		{name: "not signed at all", token: part(`{"alg":"none"}`) + "." + payload + "."},
		{name: "signed by a secret", token: part(`{"alg":"HS256","kid":"one"}`) + "." + rest},
		// The validator believes what a token says of its algorithm, and reads
		// signatures of the other one without looking how long they are.
		{name: "of another product, too short", token: part(`{"alg":"ES256","kid":"one"}`) + "." + payload + "." + part("x")},
		{name: "of another product", token: ecToken(t, payload)},
		{name: "not a token", token: "a.b.c"},
		{name: "too long", token: head + "." + payload + "." + strings.Repeat("x", maxIdentity)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := b.Authenticate(request("/validate", "Authorization: Bearer "+tt.token))
			if tt.good {
				require.NoError(t, err)
				assert.Equal(t, Caller{Name: "scheduler", Admin: true}, public(got))
				return
			}
			require.ErrorIs(t, err, ErrWrong)
			assert.Equal(t, Caller{}, got)
		})
	}
	assert.EqualValues(t, 1, g.asked.Load(), "the certificates are kept")

	// The token has one place.
	for _, r := range []*http.Request{
		request("/validate", "x-goog-api-key: "+good), request("/validate?key=" + good), request("/validate", "X-Fluxgate-Token: "+good),
		request("/validate", "Authorization: "+basic("", good)), request("/validate", "X-Serverless-Authorization: Bearer "+good, "x-goog-api-key: "+good),
	} {
		_, err := b.Authenticate(r)
		assert.ErrorIs(t, err, ErrWrong)
	}
	_, err = b.Authenticate(request("/validate", "Authorization: Bearer "+good, "x-goog-api-key: "+aliceToken))
	assert.ErrorIs(t, err, ErrConflict)
	// Callers' tokens are what they were, and nobody's token is looked into that
	// can't be a job's.
	got, err := b.Authenticate(request("/x", "Authorization: Bearer "+aliceToken))
	require.NoError(t, err)
	assert.Equal(t, Caller{Name: "alice"}, public(got))
}

// ecToken is signed well, by a key and an algorithm that aren't Google's for
// accounts.
func ecToken(t *testing.T, payload string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	signed := part(`{"alg":"ES256","kid":"one"}`) + "." + payload
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	require.NoError(t, err)
	return signed + "." + part(string(r.FillBytes(make([]byte, 32)))+string(s.FillBytes(make([]byte, 32))))
}

// Without the setting no identity makes an administrator.
func TestNoJobs(t *testing.T) {
	g := newGoogle(t)
	token := "Authorization: Bearer " + g.token(t, nil)
	_, err := newAuthenticator(t, onCloud, tokensOfAll).Authenticate(request("/validate", token))
	assert.ErrorIs(t, err, ErrWrong)
	got, err := newAuthenticator(t, onCloud, withIAM).Authenticate(request("/validate", token))
	require.NoError(t, err)
	assert.Equal(t, Caller{Name: jobsAccount}, public(got))
	// Nor does the setting open a door that is shut.
	_, err = newJobsAuthenticator(t, g, onCloud).Authenticate(request("/validate", token))
	assert.ErrorIs(t, err, ErrUnguarded)
	assert.Zero(t, g.asked.Load())
}

// Where IAM guards the service, Cloud Run has verified the token and taken its
// signature out; whose it is and for whom it was made is still ours to check.
func TestJobsBehindIAM(t *testing.T) {
	g := newGoogle(t)
	job := "Bearer " + jwt(`{"aud":"https://gate.example","email":"jobs@p.iam.gserviceaccount.com","email_verified":true}`)
	alice := "Bearer " + jwt(`{"aud":"https://gate.example","email":"alice@example.com","email_verified":true}`)
	elsewhere := "Bearer " + jwt(`{"aud":"https://elsewhere.example","email":"jobs@p.iam.gserviceaccount.com","email_verified":true}`)
	unverified := "Bearer " + jwt(`{"aud":"https://gate.example","email":"jobs@p.iam.gserviceaccount.com"}`)
	for _, tt := range []struct {
		name    string
		headers []string
		want    Caller
	}{
		{"a job", []string{"Authorization: " + job}, Caller{Name: "scheduler", Admin: true}},
		{"in Cloud Run's own header", []string{"X-Serverless-Authorization: " + job}, Caller{Name: "scheduler", Admin: true}},
		{"a user", []string{"Authorization: " + alice}, Caller{Name: "alice@example.com"}},
		{"for another service", []string{"Authorization: " + elsewhere}, Caller{Name: jobsAccount}},
		{"an address that isn't verified", []string{"Authorization: " + unverified}, Caller{Name: "iam"}},
		{"in the header that Cloud Run didn't look at", []string{"X-Serverless-Authorization: " + alice, "Authorization: " + job}, Caller{Name: "alice@example.com"}},
		{"as an API key", []string{"Authorization: " + alice, "x-goog-api-key: " + strings.TrimPrefix(job, "Bearer ")}, Caller{Name: "alice@example.com"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newJobsAuthenticator(t, g, onCloud, withIAM).Authenticate(request("/validate", tt.headers...))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
	// Where callers need a token besides, a job needs none.
	b := newJobsAuthenticator(t, g, onCloud, withIAM, tokensOfAll)
	got, err := b.Authenticate(request("/validate", "Authorization: "+job))
	require.NoError(t, err)
	assert.Equal(t, Caller{Name: "scheduler", Admin: true}, public(got))
	_, err = b.Authenticate(request("/validate", "Authorization: "+alice))
	assert.ErrorIs(t, err, ErrMissing)
	assert.Zero(t, g.asked.Load())
}

// That the certificates can't be had says nothing about a token: whoever sent it
// is no administrator now, and may come again.
func TestJobsWithoutCertificates(t *testing.T) {
	for name, answers := range map[string]func(*http.Request) (*http.Response, error){
		"no connection": func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") },
		"an error":      func(*http.Request) (*http.Response, error) { return certsAnswer(http.StatusBadGateway, "{}"), nil },
		"not JSON":      func(*http.Request) (*http.Response, error) { return certsAnswer(http.StatusOK, "<html>"), nil },
		"cut off":       func(*http.Request) (*http.Response, error) { return certsAnswer(http.StatusOK, `{"keys":[`), nil },
		"without an end": func(*http.Request) (*http.Response, error) {
			return certsAnswer(http.StatusOK, strings.Repeat(" ", maxCerts+1)), nil
		},
		"nobody answers": func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
		"and the body so": func(r *http.Request) (*http.Response, error) {
			resp := certsAnswer(http.StatusOK, "")
			resp.Body = io.NopCloser(stuck{r.Context()})
			return resp, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGoogle(t)
			synctest.Test(t, func(t *testing.T) {
				b := newJobsAuthenticator(t, g, tokensOfAll)
				g.answers = answers
				token := g.token(t, nil)
				ask := func() error {
					_, err := b.Authenticate(request("/validate", "Authorization: Bearer "+token))
					return err
				}
				start := time.Now()
				require.ErrorIs(t, ask(), ErrUnavailable)
				assert.LessOrEqual(t, time.Since(start), certsTimeout)
				// Callers can't have us ask as often as they like.
				for range 100 {
					require.ErrorIs(t, ask(), ErrUnavailable)
				}
				assert.EqualValues(t, 1, g.asked.Load())
				// Whoever doesn't depend on them isn't held up.
				_, err := b.Authenticate(request("/x", "x-goog-api-key: "+aliceToken))
				require.NoError(t, err)
				_, err = b.Authenticate(request("/x", "Authorization: Bearer "+g.token(t, map[string]any{"aud": "x"})))
				require.ErrorIs(t, err, ErrWrong)

				time.Sleep(certsPause + time.Second)
				g.answers = nil
				require.NoError(t, ask())
				assert.EqualValues(t, 2, g.asked.Load())
			})
		})
	}
}

// A caller that has hung up already doesn't spoil it for the next.
func TestJobsOfCallerThatHangsUp(t *testing.T) {
	g := newGoogle(t)
	b := newJobsAuthenticator(t, g, tokensOfAll)
	g.answers = func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return nil, errors.New("reached")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := request("/validate", "Authorization: Bearer "+g.token(t, nil)).WithContext(ctx)
	_, err := b.Authenticate(r)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.NotErrorIs(t, err, context.Canceled)
}

type stuck struct{ ctx context.Context }

func (s stuck) Read([]byte) (int, error) { <-s.ctx.Done(); return 0, s.ctx.Err() }
