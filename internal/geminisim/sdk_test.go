package geminisim

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genai"

	"fluxgate.dev/fluxgate/internal/geminisim/credentials"
)

// sdkClient returns the official Go client, with its base URL changed.
func sdkClient(t *testing.T, url, key string) *genai.Client {
	t.Helper()
	c, err := genai.NewClient(t.Context(), &genai.ClientConfig{Backend: genai.BackendGeminiAPI, APIKey: key,
		HTTPClient: &http.Client{}, HTTPOptions: genai.HTTPOptions{BaseURL: url}})
	require.NoError(t, err)
	return c
}

func codeOf(err error) int {
	var e genai.APIError
	errors.As(err, &e)
	return e.Code
}

// TestSDKFiles: the official client uploads in several chunks, finds, uses and
// deletes its files, and understands the refusals.
func TestSDKFiles(t *testing.T) {
	s := New(Config{Keys: []Key{{Value: key1, Project: "alpha"}, {Value: key2}}})
	server := httptest.NewServer(s)
	defer server.Close()
	ctx := t.Context()
	mine, other := sdkClient(t, server.URL, key1), sdkClient(t, server.URL, key2)
	// Two full chunks: the client can't know that there is no third, and sends an
	// empty one.
	content := strings.Repeat("x", 2*granularity)
	f, err := mine.Files.Upload(ctx, strings.NewReader(content), &genai.UploadFileConfig{MIMEType: "application/pdf", DisplayName: "A name"})
	require.NoError(t, err)
	assert.Equal(t, genai.FileStateActive, f.State)
	assert.Equal(t, genai.FileSourceUploaded, f.Source)
	assert.Equal(t, "application/pdf", f.MIMEType)
	assert.Equal(t, "A name", f.DisplayName)
	assert.EqualValues(t, len(content), *f.SizeBytes)
	assert.Equal(t, hashOf(content), f.Sha256Hash)
	assert.Equal(t, server.URL+"/v1beta/"+f.Name, f.URI)
	assert.Equal(t, 48*time.Hour, f.ExpirationTime.Sub(f.CreateTime))

	second, err := mine.Files.Upload(ctx, strings.NewReader("x"), &genai.UploadFileConfig{MIMEType: "text/plain", Name: "second"})
	require.NoError(t, err)
	assert.Equal(t, "files/second", second.Name)
	got, err := mine.Files.Get(ctx, f.Name, nil)
	require.NoError(t, err)
	assert.Equal(t, f, got)
	var names []string
	page, err := mine.Files.List(ctx, &genai.ListFilesConfig{PageSize: 1})
	for err == nil {
		for _, item := range page.Items {
			names = append(names, item.Name)
		}
		page, err = page.Next(ctx)
	}
	require.ErrorIs(t, err, genai.ErrPageDone)
	assert.Equal(t, []string{second.Name, f.Name}, names)

	contents := []*genai.Content{genai.NewContentFromParts([]*genai.Part{genai.NewPartFromURI(f.URI, f.MIMEType)}, genai.RoleUser)}
	counted, err := mine.Models.CountTokens(ctx, flash, contents, nil)
	require.NoError(t, err)
	assert.EqualValues(t, 258*len(content)/pageBytes, counted.TotalTokens)
	answer, err := mine.Models.GenerateContent(ctx, flash, contents, nil)
	require.NoError(t, err)
	assert.Equal(t, counted.TotalTokens, answer.UsageMetadata.PromptTokenCount)
	_, err = other.Models.GenerateContent(ctx, flash, contents, nil)
	assert.Equal(t, 403, codeOf(err))
	_, err = other.Files.Get(ctx, f.Name, nil)
	assert.Equal(t, 403, codeOf(err))
	_, err = mine.Files.Delete(ctx, f.Name, nil)
	require.NoError(t, err)
	_, err = mine.Files.Get(ctx, f.Name, nil)
	assert.Equal(t, 403, codeOf(err))

	for _, r := range s.RequestLog() {
		assert.Len(t, r.Credentials, 1, r.Path)
		assert.Equal(t, credentials.FormAPIKeyHeader, r.Credentials[0].Form, r.Path)
	}
}

func TestSDKCaches(t *testing.T) {
	s := New(Config{Keys: []Key{{Value: key1, Project: "alpha"}, {Value: key2}}})
	server := httptest.NewServer(s)
	defer server.Close()
	ctx := t.Context()
	mine, other := sdkClient(t, server.URL, key1), sdkClient(t, server.URL, key2)
	k, err := mine.Caches.Create(ctx, flash, &genai.CreateCachedContentConfig{TTL: 10 * time.Minute, DisplayName: "A name",
		Contents: genai.Text(words(2000)), SystemInstruction: genai.NewContentFromText("word", genai.RoleUser)})
	require.NoError(t, err)
	assert.Equal(t, "A name", k.DisplayName)
	assert.Equal(t, "models/"+flash, k.Model)
	assert.Equal(t, 10*time.Minute, k.ExpireTime.Sub(k.CreateTime))
	assert.EqualValues(t, 2001, k.UsageMetadata.TotalTokenCount)
	got, err := mine.Caches.Get(ctx, k.Name, nil)
	require.NoError(t, err)
	assert.Equal(t, k, got)
	later := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second)
	got, err = mine.Caches.Update(ctx, k.Name, &genai.UpdateCachedContentConfig{ExpireTime: later})
	require.NoError(t, err)
	assert.Equal(t, later, got.ExpireTime)
	_, err = mine.Caches.Update(ctx, k.Name, &genai.UpdateCachedContentConfig{TTL: time.Minute})
	require.NoError(t, err)
	page, err := mine.Caches.List(ctx, nil)
	require.NoError(t, err)
	require.Len(t, page.Items, 1)

	generate := func(ctx context.Context, c *genai.Client, model string) (*genai.GenerateContentResponse, error) {
		return c.Models.GenerateContent(ctx, model, genai.Text("word"), &genai.GenerateContentConfig{CachedContent: k.Name})
	}
	answer, err := generate(ctx, mine, flash)
	require.NoError(t, err)
	assert.EqualValues(t, 2002, answer.UsageMetadata.PromptTokenCount)
	assert.EqualValues(t, 2001, answer.UsageMetadata.CachedContentTokenCount)
	_, err = generate(ctx, mine, "gemini-2.5-pro")
	assert.Equal(t, 400, codeOf(err))
	_, err = generate(ctx, other, flash)
	assert.Equal(t, 403, codeOf(err))
	_, err = other.Caches.Delete(ctx, k.Name, nil)
	assert.Equal(t, 403, codeOf(err))
	_, err = mine.Caches.Delete(ctx, k.Name, nil)
	require.NoError(t, err)
	_, err = mine.Caches.Get(ctx, k.Name, nil)
	assert.Equal(t, 403, codeOf(err))
}
