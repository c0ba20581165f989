package gemini

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/upstream"
)

const ownTokenText = "ya29.a-token-of-this-program-0123456789"

func withToken(t *testing.T, base string, token func(context.Context) (string, error), rt roundTrip) *Client {
	t.Helper()
	c, err := New(Config{BaseURL: base, Transport: rt, Token: token})
	require.NoError(t, err)
	return c
}

func always(context.Context) (string, error) { return ownTokenText, nil }

// A project without a key is called with the program's own token, and counts against
// that project, whatever the caller says.
func TestWithoutKey(t *testing.T) {
	var got http.Header
	c := withToken(t, "", always, func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return reply(r, 200, "{}"), nil
	})
	for _, path := range []string{"v1beta/models", "v1beta/openai/chat/completions"} {
		ctx := upstream.WithKey(t.Context(), upstream.WithoutKey("search-prod"))
		r, err := c.NewRequest(ctx, http.MethodPost, path, strings.NewReader("{}"))
		require.NoError(t, err)
		r.Header.Set("X-Goog-User-Project", "callers-own")
		r.Header.Set("Authorization", "Bearer callers-own")
		r.Header.Set("X-Goog-Api-Key", "callers-own")
		_, err = c.Do(r)
		require.NoError(t, err)
		assert.Equal(t, []string{"Bearer " + ownTokenText}, got.Values("Authorization"), path)
		assert.Equal(t, []string{"search-prod"}, got.Values("X-Goog-User-Project"), path)
		assert.Empty(t, got.Values("X-Goog-Api-Key"), path)
		assert.NotContains(t, fmt.Sprintf("%v %+v", ctx, r), ownTokenText)
	}
	// A key's requests have neither.
	r, err := c.NewRequest(upstream.WithKey(t.Context(), testKey), http.MethodGet, "v1beta/models", nil)
	require.NoError(t, err)
	_, err = c.Do(r)
	require.NoError(t, err)
	assert.Empty(t, got.Values("Authorization"))
	assert.Empty(t, got.Values("X-Goog-User-Project"))
}

// A token is good for more than Gemini, and goes to nobody but Google.
func TestTokensGoToGoogleAlone(t *testing.T) {
	for _, base := range []string{
		"http://generativelanguage.googleapis.com", "https://gemini.test", "https://googleapis.com.evil.test", "https://evilgoogleapis.com",
		"https://generativelanguage.googleapis.com:8443", "http://127.0.0.1:9000",
	} {
		sent := false
		c := withToken(t, base, always, func(r *http.Request) (*http.Response, error) {
			sent = true
			return reply(r, 200, "{}"), nil
		})
		_, err := c.ListModels(t.Context(), upstream.WithoutKey("search-prod"))
		e := asError(t, err)
		assert.ErrorIs(t, err, upstream.ErrForeignHost, base)
		assert.Equal(t, upstream.ClassCaller, e.Class, base)
		assert.False(t, sent, base)
		assert.True(t, e.SentAt.IsZero(), base)
	}
}

// Nothing that comes back shows the token, in whatever form.
func TestTokensAreRedacted(t *testing.T) {
	// One without the prefix that Google's have today is known by its value.
	for _, token := range []string{ownTokenText, "another/kind of token"[:7] + "0123456789+abc/def=="} {
		c := withToken(t, "", func(context.Context) (string, error) { return token, nil }, func(r *http.Request) (*http.Response, error) {
			return reply(r, 403, fmt.Sprintf(`{"error":{"code":403,"status":"PERMISSION_DENIED","message":"no: %s","details":[{"token":%q}]}}`, token, token)), nil
		})
		_, err := c.ListModels(t.Context(), upstream.WithoutKey("search-prod"))
		e := asError(t, err)
		assert.NotContains(t, fmt.Sprintf("%v %+v %s", e, e, e.Body), token)
		assert.Contains(t, e.Message, "no: ")
		assert.NotContains(t, c.Classify(403, []byte(`{"error":{"message":"`+token+`"}}`), upstream.WithoutKey("search-prod")).Message, token)
	}
	// Nor does one that another request had.
	assert.NotContains(t, upstream.NewRedactor("").Text("Bearer "+ownTokenText), "0123456789")
}

// Where there is no token nothing is sent, and nobody says that a key is at fault.
func TestNoToken(t *testing.T) {
	c := withToken(t, "", func(context.Context) (string, error) { return "", errors.New("metadata server is out") },
		func(*http.Request) (*http.Response, error) { return nil, errors.New("must not be sent") })
	_, err := c.ListModels(t.Context(), upstream.WithoutKey("search-prod"))
	e := asError(t, err)
	assert.NotEqual(t, upstream.ClassKeyInvalid, e.Class)
	assert.True(t, e.SentAt.IsZero())
	assert.ErrorContains(t, c.CheckIdentity(t.Context()), "metadata server is out")
	c = withToken(t, "", func(context.Context) (string, error) { return "two\r\nlines", nil },
		func(*http.Request) (*http.Response, error) { return nil, errors.New("must not be sent") })
	_, err = c.ListModels(t.Context(), upstream.WithoutKey("search-prod"))
	assert.ErrorIs(t, err, upstream.ErrBadKey)
}
