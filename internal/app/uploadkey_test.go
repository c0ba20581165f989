package app

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simserver/simtest"
)

// An upload that is the first to meet a revoked key goes to another project with all of its body, if
// that is short. Of what is long the bytes are gone: it is said that it may be sent again, and then it
// is served.
func TestUploadsMeetARevokedKey(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		token   string
		held    bool
	}{
		"short":                       {"content", alice, true},
		"short, of an administrator":  {"content", root, true},
		"long":                        {strings.Repeat("content ", 20_000), alice, false},
		"as long as it may be, about": {strings.Repeat("content ", 8_000), alice, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := mixCallers(t)
				defer func() { assert.NoError(t, m.Close(t.Context())) }()
				_, project := m.upload(t, c.token, "/openai/v1/files", "what came before")
				key := openAIKey
				if project != "org-a" {
					key = otherKey
				}
				m.openai.SetKey(openaisim.Key{Value: key, Project: project, State: openaisim.Revoked})
				before := len(m.openai.Requests())
				files := func() (answered []int) {
					for _, r := range m.openai.Requests()[before:] {
						if r.Method == http.MethodPost {
							answered = append(answered, r.Status)
						}
					}
					return answered
				}
				if !c.held {
					body, kind := simtest.Form(t, "a.jsonl", "purpose", "batch", "@file", c.content)
					rec := m.as(t, c.token, "POST", "/openai/v1/files", body, "Content-Type", kind, "X-Fluxgate-Provider", "openai")
					require.Equal(t, http.StatusServiceUnavailable, rec.Code, rec.Body)
					assert.Contains(t, rec.Body.String(), "The key that was chosen can't be used any more. Please retry")
					assert.NotEmpty(t, rec.Header().Get("Retry-After"))
					assert.Equal(t, []int{http.StatusUnauthorized}, files())
				}
				_, other := m.upload(t, c.token, "/openai/v1/files", c.content)
				assert.NotEqual(t, project, other)
				answered := files()
				assert.Equal(t, http.StatusOK, answered[len(answered)-1])
				if c.token == alice {
					assert.Equal(t, []int{http.StatusUnauthorized, http.StatusOK}, answered, "it belongs beside what was there")
				}
			})
		})
	}
}
