//go:build unix

package remote

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/remote/googleid"
)

const audience = "https://fluxgate-x.run.app"

// idToken is shaped like Google's; only its end is ever read.
func idToken(name string, expires time.Time) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"RS256"}`) + "." + part(fmt.Sprintf(`{"sub":%q,"exp":%d}`, name, expires.Unix())) + ".c2ln"
}

// credentials become the application default ones.
func credentials(t *testing.T, content map[string]string) {
	t.Helper()
	data, err := json.Marshal(content)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "credentials.json")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", name)
}

// userCredentials are those of `gcloud auth application-default login`, for which there are no ID tokens.
func userCredentials(t *testing.T) {
	credentials(t, map[string]string{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"})
}

// gcloud puts a script in gcloud's place and returns what it was called with, one call a line.
func gcloud(t *testing.T, script string) func() []string {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	text := "#!/bin/sh\necho \"$*\" >>'" + log + "'\n" + script + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gcloud"), []byte(text), 0o700))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+"/usr/bin"+string(os.PathListSeparator)+"/bin")
	return func() []string {
		data, err := os.ReadFile(log)
		if os.IsNotExist(err) {
			return nil
		}
		require.NoError(t, err)
		return strings.Split(strings.TrimSpace(string(data)), "\n")
	}
}

func TestIdentityOfAUser(t *testing.T) {
	userCredentials(t)
	want := idToken("user", time.Now().Add(time.Hour))
	calls := gcloud(t, `case "$*" in *--audiences*) echo "ERROR: Invalid account type for --audiences" >&2; exit 1;; esac
echo `+want)
	identity := NewIdentity(audience, googleid.Default)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			token, err := identity.Token(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, want, string(token))
		})
	}
	all.Wait()
	assert.Equal(t, []string{
		"auth print-identity-token --quiet --audiences=" + audience, "auth print-identity-token --quiet",
	}, calls(), "once for all who ask")
}

func TestIdentityIsReplacedBeforeItEnds(t *testing.T) {
	userCredentials(t)
	calls := gcloud(t, "echo "+idToken("user", time.Now().Add(identityMargin-time.Second)))
	identity := NewIdentity(audience, googleid.Default)
	for range 2 {
		_, err := identity.Token(t.Context())
		require.NoError(t, err)
	}
	assert.Len(t, calls(), 2)
}

func TestIdentityOfAServiceAccount(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	want := idToken("service", time.Now().Add(time.Hour))
	asked := make(chan string, 9)
	google := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := base64.RawURLEncoding.DecodeString(strings.Split(r.FormValue("assertion"), ".")[1])
		assert.NoError(t, err)
		var c struct {
			Audience string `json:"target_audience"`
		}
		assert.NoError(t, json.Unmarshal(claims, &c))
		asked <- c.Audience
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"id_token": want})
	}))
	defer google.Close()
	credentials(t, map[string]string{
		"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "token_uri": google.URL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	calls := gcloud(t, "exit 1")
	identity := NewIdentity(audience, googleid.Default)
	for range 3 {
		token, err := identity.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, string(token))
	}
	require.Len(t, asked, 1)
	assert.Equal(t, audience, <-asked)
	assert.Empty(t, calls())
}

func TestNoIdentity(t *testing.T) {
	userCredentials(t)
	gcloud(t, "echo secret-half-of-a-token; echo 'ERROR: You do not currently have an active account selected.' >&2; echo more >&2; exit 1")
	_, err := NewIdentity(audience, googleid.Default).Token(t.Context())
	assert.ErrorContains(t, err, "application default credentials: ")
	assert.ErrorContains(t, err, "You do not currently have an active account selected.")
	assert.NotContains(t, err.Error(), "secret-half")
	assert.NotContains(t, err.Error(), "\n")

	gcloud(t, "echo not a token")
	_, err = NewIdentity(audience, googleid.Default).Token(t.Context())
	assert.ErrorContains(t, err, "something else than a token")

	t.Setenv("PATH", t.TempDir())
	_, err = NewIdentity(audience, googleid.Default).Token(t.Context())
	assert.ErrorContains(t, err, "executable file not found")

	if testing.Short() { // which leaves out what waits in real time
		return
	}
	gcloud(t, "sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = NewIdentity(audience, googleid.Default).Token(ctx)
	assert.Error(t, err)
	assert.Less(t, time.Since(begin), 10*time.Second)
}

// Fluxgate refuses a request with two credentials. Of the two headers that Cloud Run takes one isn't Fluxgate's.
func TestIdentityIsSent(t *testing.T) {
	userCredentials(t)
	want := idToken("user", time.Now().Add(time.Hour))
	gcloud(t, "echo "+want)
	client, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error":{"message":"no `+want+`"}}`)
	})
	client.access.Identity = NewIdentity(audience, googleid.Default)
	_, err := client.Status(t.Context())
	assert.EqualError(t, err, "403: no REDACTED")
	client.access.Token = ""
	_, err = client.Status(t.Context())
	assert.EqualError(t, err, "403: no REDACTED")

	require.Len(t, asked(), 2)
	both, alone := asked()[0].header, asked()[1].header
	assert.Equal(t, token, both.Get("X-Fluxgate-Token"))
	assert.Equal(t, "Bearer "+want, both.Get("X-Serverless-Authorization"))
	assert.Empty(t, both.Get("Authorization"))
	assert.Equal(t, "Bearer "+want, alone.Get("Authorization"))
	assert.Empty(t, alone.Get("X-Serverless-Authorization"))
}
