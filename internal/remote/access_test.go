package remote

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/remote/googleid"
)

func TestTokenIsNeverPrinted(t *testing.T) {
	token := Token("sesame")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{token, Access{Token: token}, &Identity{token: token}} {
			text := fmt.Sprintf(verb, value)
			assert.NotContains(t, text, "sesame", verb)
			assert.NotContains(t, text, fmt.Sprintf("%x", "sesame"), verb)
		}
	}
	data, err := json.Marshal(token)
	require.NoError(t, err)
	assert.Equal(t, `"REDACTED"`, string(data))
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token)
	assert.NotContains(t, log.String(), "sesame")
}

func TestAccessCheck(t *testing.T) {
	identity := NewIdentity("https://x.run.app", googleid.Default)
	for _, c := range []struct {
		access Access
		want   string // empty: nothing is wrong
	}{
		{Access{URL: "http://127.0.0.1:8080", Token: "t"}, ""},
		{Access{URL: "http://localhost:8080", Token: "t"}, ""},
		{Access{URL: "http://[::1]:8080", Token: "t", Identity: identity}, ""},
		{Access{URL: "https://x.run.app", Token: "t", Identity: identity}, ""},
		{Access{URL: "https://region-project.cloudfunctions.net/fluxgate", Token: "t"}, ""},
		{Access{URL: "http://10.0.0.7:8080"}, ""}, // nothing to lose
		{Access{URL: "http://10.0.0.7:8080", Token: "t"}, "unencrypted"},
		{Access{URL: "http://x.run.app", Identity: identity}, "unencrypted"},
		{Access{URL: "http://localhost.example.com", Token: "t"}, "unencrypted"},
		{Access{URL: "http://127.0.0.1.example.com", Token: "t"}, "unencrypted"},
		{Access{URL: "localhost:8080"}, "did you mean http://localhost:8080?"},
		{Access{URL: "http://:8080"}, "want http://HOST"},
		{Access{URL: "http://a:hunter2@host"}, "user name or password"},
		{Access{URL: "http://a:hunter2@host:port"}, "not an address"},
		{Access{URL: "http://host/?key=hunter2"}, "query"},
		{Access{URL: "https://host", Token: "hunter2\nX-Evil: 1"}, "token: has a blank, a line break"},
		{Access{URL: "https://host", Token: "hunter2 "}, "token: has a blank"},
		{Access{URL: "https://host", Token: "hunter2ü"}, "outside ASCII"},
	} {
		err := c.access.Check()
		if c.want == "" {
			assert.NoError(t, err, c.access.URL)
			continue
		}
		assert.ErrorContains(t, err, c.want, c.access.URL)
		assert.NotContains(t, err.Error(), "hunter2")
	}
	err := Access{URL: "x", Token: "a b"}.Check()
	assert.ErrorContains(t, err, "url:")
	assert.ErrorContains(t, err, "token:", "all that is wrong at once")
}

func TestReadTokenFile(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		name := filepath.Join(dir, "token")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	token, err := ReadTokenFile(file("  sesame\r\n"))
	require.NoError(t, err)
	assert.True(t, token == "sesame")
	for text, want := range map[string]string{
		" \n": "empty", "sesame one\n": "blank", "sesame\nopen\n": "blank", strings.Repeat("sesame", maxTokenFile): "larger",
	} {
		_, err := ReadTokenFile(file(text))
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "sesame")
	}
	_, err = ReadTokenFile(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// What a server sends may name the token, have no end, or try to move the cursor.
func TestPublic(t *testing.T) {
	a := Access{Token: "sesame", Identity: &Identity{token: "head.body.tail"}}
	assert.Equal(t, "no REDACTED, no REDACTED", a.Sanitize("no sesame, no head.body.tail"))
	assert.Equal(t, "a\uFFFD[2Jb\uFFFDc\nd", a.Sanitize("a\x1b[2Jb\xffc\nd"))
	assert.Equal(t, strings.Repeat("ä", maxMessage)+"…", a.Sanitize(strings.Repeat("ä", maxMessage+1)))
	assert.Equal(t, "plain", Access{}.Sanitize("plain"))
}

func TestGuardLeavesTheClientAlone(t *testing.T) {
	client := &http.Client{}
	assert.NotNil(t, WithoutRedirects(client).CheckRedirect)
	assert.Nil(t, client.CheckRedirect)
}
