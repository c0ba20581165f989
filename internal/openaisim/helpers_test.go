package openaisim_test

import (
	"bytes"
	"net/http"
	"testing"

	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simquota"
	"fluxgate.dev/fluxgate/internal/simserver/simtest"
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

// request returns a request with that key; "" for none.
func request(t *testing.T, key, method, path, body string) *http.Request {
	t.Helper()
	req := simtest.Request(t, method, "http://openai.test"+path, body)
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return req
}

func send(t *testing.T, s *openaisim.Server, key, method, path, body string) simtest.Reply {
	t.Helper()
	return simtest.Do(t, s, request(t, key, method, path, body))
}

// ask sends a chat of one text.
func ask(t *testing.T, s *openaisim.Server, key, text string, more ...string) simtest.Reply {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(`{"model":"` + mini + `","messages":[{"role":"user","content":"` + text + `"}]`)
	for _, m := range more {
		b.WriteString("," + m)
	}
	b.WriteString("}")
	return send(t, s, key, http.MethodPost, "/v1/chat/completions", b.String())
}
