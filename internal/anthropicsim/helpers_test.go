package anthropicsim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/simquota"
)

const (
	key1  = "sk-ant-api03-aaaa"
	key2  = "sk-ant-api03-bbbb"
	haiku = "claude-haiku-4-5"
)

// keys are two keys of one project, and one of another.
func keys() []anthropicsim.Key {
	return []anthropicsim.Key{{Value: key1, Project: "org-a"}, {Value: "sk-other", Project: "org-a"}, {Value: key2, Project: "org-b"}}
}

func sim(limits ...simquota.Limit) *anthropicsim.Server {
	return anthropicsim.New(anthropicsim.Config{Keys: keys(), Limits: map[string][]simquota.Limit{"": limits}})
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

func send(t *testing.T, s *anthropicsim.Server, key, method, path, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://anthropic.test"+path, strings.NewReader(body))
	require.NoError(t, err)
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	req.Header.Set("Anthropic-Version", "2023-06-01")
	return do(t, s, req)
}

func do(t *testing.T, s *anthropicsim.Server, req *http.Request) reply {
	t.Helper()
	resp, err := s.Transport().RoundTrip(req)
	require.NoError(t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return reply{resp.StatusCode, resp.Header, string(raw)}
}

// ask sends a message of one text.
func ask(t *testing.T, s *anthropicsim.Server, key, text string, more ...string) reply {
	t.Helper()
	body := `{"model":"` + haiku + `","max_tokens":1000,"messages":[{"role":"user","content":"` + text + `"}]`
	for _, m := range more {
		body += "," + m
	}
	return send(t, s, key, http.MethodPost, "/v1/messages", body+"}")
}
