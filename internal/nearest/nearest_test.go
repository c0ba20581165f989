package nearest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/nearest"
)

// A route is near that has a word in common with what was asked for, or nearly; where the
// paths are alike only in what says nothing, none is.
func TestTo(t *testing.T) {
	var routes nearest.Routes
	for _, r := range []nearest.Route{
		{Methods: "POST", Path: "/v1beta/models/{model}:generateContent"}, {Methods: "POST", Path: "/v1beta/files"}, {Methods: "GET", Path: "/v1beta/files"},
		{Methods: "GET", Path: "/v1beta/files/{id}"}, {Methods: "POST", Path: "/v1beta/openai/chat/completions"},
	} {
		routes.Add(r.Methods, r.Path)
	}
	for path, want := range map[string]string{
		"/v1/file":                            "GET, POST /v1beta/files",
		"/v1beta/file/abc":                    "GET /v1beta/files/{id}",
		"/v1beta/m:generate_content":          "POST /v1beta/models/{model}:generateContent",
		"/v2/projects/p/models/m:generateCon": "POST /v1beta/models/{model}:generateContent",
		"/chat/completion":                    "POST /v1beta/openai/chat/completions",
		"/v1beta":                             "", "/v1beta/openai/threads": "", "/v1beta/users/abc": "", "/": "", "": "", "/{id}": "", "/:": "",
	} {
		got, ok := routes.To(path)
		assert.Equal(t, want != "", ok, path)
		if ok {
			assert.Equal(t, want, got.String(), path)
		}
	}
}
