package gemini

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/upstream"
)

func TestRawRequests(t *testing.T) {
	var got *http.Request
	c := memory(t, func(r *http.Request) (*http.Response, error) {
		got = r
		if r.Body != nil {
			io.Copy(io.Discard, r.Body)
		}
		return reply(r, 200, "raw"), nil
	})
	request := func(ctx context.Context, path string) *http.Request {
		u := strings.TrimSuffix(c.base.URL().String(), "/") + path
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, u, strings.NewReader("{}"))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer callers-own")
		r.Header.Set("X-Goog-Api-Key", "callers-own")
		r.Header.Set("Cookie", "a=b")
		r.Header.Set("X-Goog-User-Project", "callers-own")
		r.Header.Set("X-Custom", "kept")
		r.Host = "fluxgate.example"
		return r
	}

	ctx := upstream.WithKey(context.Background(), testKey)
	resp, err := c.Do(request(ctx, "/v1beta/models/m:streamGenerateContent?alt=sse&key=callers-own&a=%2F&%6Bey=callers-own&access_token=x"))
	require.NoError(t, err)
	assert.Equal(t, "alt=sse&a=%2F", got.URL.RawQuery, "the rest of the query as it came")
	assert.Equal(t, []string{testKey}, got.Header.Values("X-Goog-Api-Key"))
	assert.NotContains(t, fmt.Sprint(got.Header), "callers-own")
	assert.Empty(t, got.Header.Values("Authorization"))
	assert.Equal(t, "kept", got.Header.Get("X-Custom"))
	assert.Empty(t, got.Host, "not the name that the caller used for us")
	assert.Equal(t, "callers-own", resp.Request.Header.Get("X-Goog-Api-Key"), "the answer refers to the caller's request, not to the one with the key")
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "raw", string(raw))
	_, sent := upstream.Sent(ctx)
	assert.True(t, sent)

	_, err = c.Do(request(upstream.WithKey(context.Background(), testKey), "/v1beta/openai/chat/completions"))
	require.NoError(t, err)
	assert.Equal(t, []string{"Bearer " + testKey}, got.Header.Values("Authorization"), "this endpoint documents Bearer only")
	assert.Empty(t, got.Header.Values("X-Goog-Api-Key"))

	got = nil
	_, err = c.Do(request(context.Background(), "/v1beta/models"))
	assert.ErrorIs(t, err, upstream.ErrNoKey)
	for _, elsewhere := range []string{"http://evil.test/", "https://upstream.test/", "http://upstream.test:81/"} {
		ctx = upstream.WithKey(context.Background(), testKey)
		r := request(ctx, "/")
		r.URL, err = url.Parse(elsewhere)
		require.NoError(t, err)
		_, err = c.Do(r)
		require.ErrorIs(t, err, upstream.ErrForeignHost, elsewhere)
		assert.Equal(t, upstream.ClassCaller.String(), upstream.TransportError(ctx, err).Class.String())
	}
	assert.Nil(t, got, "nothing was sent")
	_, sent = upstream.Sent(context.Background())
	assert.False(t, sent)
}

func TestEnvironmentCantDivert(t *testing.T) {
	for name, value := range map[string]string{
		"GOOGLE_API_KEY": "key-from-env-1", "GEMINI_API_KEY": "key-from-env-2", "GOOGLE_GENAI_USE_VERTEXAI": "true",
		"GOOGLE_GENAI_USE_ENTERPRISE": "true", "GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "europe-west1",
		"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:1", "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	u, c := newUpstream(t, okAnswer)
	_, err := c.Generate(context.Background(), testKey, prompt())
	require.NoError(t, err)
	s := u.only(t)
	assert.Equal(t, "/v1beta/models/m:generateContent", s.uri)
	assertOneCredential(t, s, testKey)

	c, err = New(Config{})
	require.NoError(t, err)
	assert.Equal(t, DefaultBaseURL, c.base.URL().String(), "an empty base URL is Google's; reading the variable is the configuration's job")
}

func TestBaseURL(t *testing.T) {
	var path string
	c, err := New(Config{BaseURL: "http://upstream.test/prefix/", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		path = r.URL.Path
		return reply(r, 200, `{"totalTokens":1,"candidates":[{"finishReason":"STOP"}]}`), nil
	})})
	require.NoError(t, err)
	_, err = c.Generate(context.Background(), testKey, prompt())
	require.NoError(t, err)
	assert.Equal(t, "/prefix/v1beta/models/m:generateContent", path)
	_, err = c.CountPrompt(context.Background(), testKey, prompt())
	require.NoError(t, err)
	assert.Equal(t, "/prefix/v1beta/models/m:countTokens", path)
	c.base.Join("v1beta/models").Host = "changed"
	assert.Equal(t, "upstream.test", c.base.Join("v1beta/models").Host, "a copy: changing it must not redirect keys")

	for _, bad := range []string{"upstream.test", "ftp://x/", "http://", "http://u:hunter2@x/", "http://x/?key=hunter2", "http://x/#hunter2", "http://hunter2\x7f/"} {
		_, err := New(Config{BaseURL: bad})
		require.Error(t, err, bad)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

// Nothing is sent to where a cloud has its metadata.
func TestLinkLocalIsNotCalled(t *testing.T) {
	c, err := New(Config{BaseURL: "http://169.254.169.254/"})
	require.NoError(t, err)
	_, err = c.ListModels(t.Context(), testKey)
	require.ErrorIs(t, err, upstream.ErrLinkLocal)
}

func TestKeysDontMix(t *testing.T) {
	// One client serves all keys: under concurrency each request must keep its own.
	c := memory(t, func(r *http.Request) (*http.Response, error) {
		return reply(r, 200, fmt.Sprintf(`{"candidates":[{"content":{"parts":[{"text":%q}]}}]}`, r.Header.Get("X-Goog-Api-Key"))), nil
	})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			key := fmt.Sprintf("key-number-%d", i)
			resp, err := c.Generate(context.Background(), key, prompt())
			if assert.NoError(t, err) {
				assert.Equal(t, key, resp.Text)
			}
		})
	}
	wg.Wait()
}

func TestNothingPrintsTheKey(t *testing.T) {
	_, c := newUpstream(t, "403 "+string(body(t, "403_suspended")))
	_, err := c.Generate(context.Background(), testKey, prompt())
	assertNoKey(t, asError(t, err))

	ctx, cancel := context.WithCancel(upstream.WithKey(context.Background(), testKey))
	r, rerr := c.NewRequest(ctx, http.MethodGet, "v1beta/models", nil)
	require.NoError(t, rerr)
	resp, rerr := c.Do(r)
	require.NoError(t, rerr)
	resp.Body.Close()
	cancel()
	_, callErr := c.Do(r)
	require.Error(t, callErr)
	type otherKey struct{}
	for _, v := range []any{c, *c, ctx, r, *r, resp, *resp, err, callErr, ctx.Err(), upstream.TransportError(ctx, callErr),
		context.WithValue(ctx, otherKey{}, "x")} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			assertAbsent(t, fmt.Sprintf(verb, v), testKey)
		}
	}
}
