package anthropicsim_test

import (
	"net/http"
	"testing"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/simserver/simtest"
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

// request returns a request with that key; "" for none.
func request(t *testing.T, key, method, path, body string) *http.Request {
	t.Helper()
	req := simtest.Request(t, method, "http://anthropic.test"+path, body, "Anthropic-Version", "2023-06-01")
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	return req
}

func send(t *testing.T, s *anthropicsim.Server, key, method, path, body string) simtest.Reply {
	t.Helper()
	return simtest.Do(t, s, request(t, key, method, path, body))
}

// ask sends a message of one text.
func ask(t *testing.T, s *anthropicsim.Server, key, text string, more ...string) simtest.Reply {
	t.Helper()
	body := `{"model":"` + haiku + `","max_tokens":1000,"messages":[{"role":"user","content":"` + text + `"}]`
	for _, m := range more {
		body += "," + m
	}
	return send(t, s, key, http.MethodPost, "/v1/messages", body+"}")
}
