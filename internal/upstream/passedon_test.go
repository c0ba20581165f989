package upstream

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPassedOn: how soon requests arrive isn't measured where a connection is to another program that passes them on.
func TestPassedOn(t *testing.T) {
	proxy := func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.test:3128") }
	for _, c := range []struct {
		to    string
		proxy func(*http.Request) (*url.URL, error)
		want  bool
	}{
		{"https://api.openai.com/v1", nil, false},
		{"https://10.0.0.7/v1", nil, false},
		{"https://api.openai.com/v1", proxy, true},
		{"https://api.openai.com/v1", func(*http.Request) (*url.URL, error) { return nil, nil }, false},
		{"https://api.openai.com/v1", func(*http.Request) (*url.URL, error) { return nil, errors.New("which isn't one") }, true},
		{"http://localhost:4000/v1", nil, true},
		{"http://127.0.0.1:4000/v1", nil, true},
		{"http://[::1]:4000/v1", nil, true},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.to, nil)
		require.NoError(t, err)
		assert.Equal(t, c.want, passedOn(&http.Transport{Proxy: c.proxy}, r), c.to)
	}
}
