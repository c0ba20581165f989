package answers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Who made something is told by what upstream fills in, never by what a caller can
// have repeated.
func TestCreatedResources(t *testing.T) {
	at := time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC)
	for answer, want := range map[string][]Created{
		`{"file":{"name":"files/a","expirationTime":"2026-11-30T01:02:03Z"}}`:        {{Name: "files/a", Expires: at}},
		`{"name":"files/a","expirationTime":"2026-11-30T02:02:03+01:00"}`:            {{Name: "files/a", Expires: at}},
		`{"name":"cachedContents/b","expireTime":"2026-11-30T01:02:03Z","model":""}`: {{Name: "cachedContents/b", Expires: at}},
		`{"name":"cachedContents/b"}`:                                                {{Name: "cachedContents/b"}},
		`{"displayName":"\"name\":\"files/x\"","name":"files/a"}`:                    {{Name: "files/a"}},
		`{"metadata":{"name":"files/x"}}`:                                            nil, `{"name":"files/../x"}`: nil, `{"name":"https://h/v1/files/a"}`: {{Name: "files/a"}},
		`[]`: nil, ``: nil, `{"name":1}`: nil,
		`{"name":"files/a","expirationTime":"soon"}`: {{Name: "files/a"}},
	} {
		got := CreatedResources([]byte(answer), []string{"name", "file.name"}, "")
		require.Len(t, got, len(want), answer)
		for i := range want {
			assert.Equal(t, want[i].Name, got[i].Name, answer)
			assert.True(t, want[i].Expires.Equal(got[i].Expires), answer)
		}
	}
}

// What an answer names is a path below a version, whatever form it has there.
func TestResourceName(t *testing.T) {
	for _, tt := range []struct{ text, under, want string }{
		{"files/a", "", "files/a"},
		{"https://generativelanguage.googleapis.com/v1beta/files/abc:download?alt=media", "", "files/abc"},
		{"http://localhost:8080/download/v1beta/files/abc:download", "", "files/abc"},
		{"models/veo-3.0-generate-001/operations/x1", "", "models/veo-3.0-generate-001/operations/x1"},
		{"abc", "batches/", "batches/abc"}, {"batches/abc", "batches/", "batches/abc"}, {"video_1", "openai/videos/", "openai/videos/video_1"},
		{"abc", "", ""}, {"../x", "batches/", ""}, {"a/b/c/d/e", "", ""}, {"files/", "", ""}, {"files/a b", "", ""}, {"", "batches/", ""},
		{"https://elsewhere.example/files/a", "", ""}, {"files/..", "", ""},
	} {
		assert.Equal(t, tt.want, ResourceName(tt.text, tt.under), tt.text)
	}
}
