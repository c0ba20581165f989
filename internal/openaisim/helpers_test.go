package openaisim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
)

const (
	key1 = "sk-proj-aaaaaaaaaaaaaaaaaaaaaaaa1111"
	key2 = "sk-proj-bbbbbbbbbbbbbbbbbbbbbbbb2222"
	mini = "gpt-5.5-mini"
)

// keys are two keys of one project, and one of another.
func keys() []openaisim.Key {
	return []openaisim.Key{{Value: key1, Project: "org-a"}, {Value: "sk-other", Project: "org-a"}, {Value: key2, Project: "org-b"}}
}

func sim(limits ...simquota.Limit) *openaisim.Server {
	return openaisim.New(openaisim.Config{Keys: keys(), Limits: map[string][]simquota.Limit{"": limits}})
}

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	body   string
}

// at returns a member of a JSON answer, by its path.
func (r reply) at(t *testing.T, path string) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(r.body), &v), r.body)
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			require.NotEmpty(t, x, path)
			v = x[0]
		default:
			require.Failf(t, "no such member", "%s of %s", path, r.body)
		}
	}
	return v
}

func send(t *testing.T, s *openaisim.Server, key, method, path, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://openai.test"+path, strings.NewReader(body))
	require.NoError(t, err)
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return do(t, s, req)
}

func do(t *testing.T, s *openaisim.Server, req *http.Request) reply {
	t.Helper()
	resp, err := s.Transport().RoundTrip(req)
	require.NoError(t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return reply{resp.StatusCode, resp.Header, string(raw)}
}

// ask sends a chat of one text.
func ask(t *testing.T, s *openaisim.Server, key, text string, more ...string) reply {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(`{"model":"` + mini + `","messages":[{"role":"user","content":"` + text + `"}]`)
	for _, m := range more {
		b.WriteString("," + m)
	}
	b.WriteString("}")
	return send(t, s, key, http.MethodPost, "/v1/chat/completions", b.String())
}
