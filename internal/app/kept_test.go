package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/anthropicsim"
	"fluxgate.dev/fluxgate/internal/openaisim"
	"fluxgate.dev/fluxgate/internal/simserver"
	"fluxgate.dev/fluxgate/internal/simserver/simtest"
)

// The callers of these tests: two, and an administrator.
const (
	alice = "0123456789abcdef-alice"
	bob   = "0123456789abcdef-bob"
	root  = "0123456789abcdef-root"
)

// They find the ID of a response, of one of its items, and of its container in an answer.
var (
	regexpID   = regexp.MustCompile(`resp_[0-9a-f]+`)
	regexpItem = regexp.MustCompile(`msg_[0-9a-f]+`)

	regexpContainer = regexp.MustCompile(`container_of_[0-9]`)
)

const moreAnthropicKey = "sk-ant-of-the-test-0002"

// mixCallers is mix with them, and a second organisation of Anthropic's.
func mixCallers(t *testing.T, env ...string) *mixture {
	t.Helper()
	m := mix(t, append([]string{
		"FLUXGATE_TOKENS=alice:" + alice + ",bob:" + bob, "FLUXGATE_ADMIN_TOKENS=root:" + root,
		"ANTHROPIC_KEY_2=" + moreAnthropicKey, "ANTHROPIC_PROJECT_2=org-e",
		`FLUXGATE_LIMITS={"openai/gpt-5.5":{"rpm":1000},"anthropic/claude-sonnet-5":{"rpm":1000}}`,
	}, env...)...)
	m.anthropic.SetKey(anthropicsim.Key{Value: moreAnthropicKey, Project: "org-e"})
	return m
}

// as asks for a caller.
func (m *mixture) as(t *testing.T, token, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return m.ask(t, method, path, body, append([]string{"Authorization", "Bearer " + token}, headers...)...)
}

// field returns a text of an answer.
func field(t *testing.T, rec *httptest.ResponseRecorder, name string) string {
	t.Helper()
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	var object map[string]any
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &object), rec.Body)
	text, _ := object[name].(string)
	require.NotEmpty(t, text, rec.Body)
	return text
}

// ids returns those of a list.
func ids(t *testing.T, rec *httptest.ResponseRecorder) []string {
	t.Helper()
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	var list struct{ Data []struct{ ID string } }
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &list), rec.Body)
	out := []string{}
	for _, x := range list.Data {
		out = append(out, x.ID)
	}
	return out
}

// last is the last request that came to a simulated provider.
func last(all []simserver.Request) simserver.Request { return all[len(all)-1] }

// restart replaces the instance.
func (m *mixture) restart(t *testing.T) {
	t.Helper()
	assert.NoError(t, m.Close(t.Context()))
	m.App = m.instance(t, nil)
}

// hidden checks that what one caller has isn't there for another, who gets the answer that what was
// never made gets, and that nobody is asked for it.
func (m *mixture) hidden(t *testing.T, method, path, id, body string) {
	t.Helper()
	synctest.Wait() // until all is known that an administrator asked for
	before := len(m.openai.Requests()) + len(m.anthropic.Requests())
	none := id[:len(id)-1] + "-"
	theirs, nobodys := m.as(t, bob, method, path, body), m.as(t, bob, method, strings.ReplaceAll(path, id, none), strings.ReplaceAll(body, id, none))
	assert.Equal(t, http.StatusNotFound, theirs.Code, "%s %s: %s", method, path, theirs.Body)
	plain := func(rec *httptest.ResponseRecorder) string {
		return strings.ReplaceAll(strings.ReplaceAll(rec.Body.String(), none, id), rec.Header().Get("X-Fluxgate-Request-Id"), "")
	}
	assert.Equal(t, plain(nobodys), plain(theirs))
	after := len(m.openai.Requests()) + len(m.anthropic.Requests())
	assert.Equal(t, before, after, "%s %s went to a provider", method, path)
}

// A response goes on where it was made, for its caller, whichever instance is asked and after a
// restart; for others it isn't there.
func TestResponsesAreTheirCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		made := map[string]string{} // projects by IDs
		for range 6 {
			id := field(t, m.as(t, alice, "POST", responses, `{"model":"gpt-5.5","input":"Hello"}`), "id")
			made[id] = last(m.openai.Requests()).Project
		}
		rec := m.as(t, alice, "POST", responses, `{"model":"openai/gpt-5.5","input":"Hello","stream":true}`)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		streamed := regexpID.FindString(rec.Body.String())
		made[streamed] = last(m.openai.Requests()).Project

		other := m.instance(t, nil)
		defer func() { assert.NoError(t, other.Close(t.Context())) }()
		one := m.App
		for _, instance := range []*App{one, other} {
			m.App = instance
			for id, project := range made {
				next := `{ "model":"gpt-5.5", "previous_response_id":"` + id + `","input":"And?","store":false, "unheard_of":{"a":[1]}}`
				rec := m.as(t, alice, "POST", responses, next)
				require.Equal(t, http.StatusOK, rec.Code, rec.Body)
				assert.Equal(t, project, last(m.openai.Requests()).Project)
				assert.Equal(t, next, string(last(m.openai.Requests()).Body))
				for _, token := range []string{alice, root} {
					for _, path := range []string{"/" + id, "/" + id + "/input_items?order=asc"} {
						rec = m.as(t, token, "GET", responses+path, "")
						require.Equal(t, http.StatusOK, rec.Code, rec.Body)
						if token == alice { // an administrator's may be looked for everywhere
							assert.Equal(t, project, last(m.openai.Requests()).Project)
						}
					}
				}
				m.hidden(t, "POST", responses, id, next)
				m.hidden(t, "POST", responses, id, `{"model":"openai/gpt-5.5","previous\u005fresponse_id":"`+id+`","input":"x"}`)
				m.hidden(t, "GET", responses+"/"+id, id, "")
				m.hidden(t, "GET", responses+"/"+id+"/input_items", id, "")
				m.hidden(t, "DELETE", responses+"/"+id, id, "")
				m.hidden(t, "POST", responses+"/"+id+"/cancel", id, "")
				time.Sleep(time.Minute)
			}
		}
		m.App = one
		m.restart(t)
		rec = m.as(t, alice, "POST", responses+"/"+streamed+"/cancel", "")
		assert.Equal(t, http.StatusBadRequest, rec.Code, "the provider says so: %s", rec.Body)
		assert.Contains(t, rec.Body.String(), "synchronous")
		rec = m.as(t, alice, "DELETE", responses+"/"+streamed, "")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		rec = m.as(t, alice, "GET", responses+"/"+streamed, "")
		assert.Equal(t, http.StatusNotFound, rec.Code, rec.Body)

		// What isn't kept there isn't kept here.
		unkept := field(t, m.as(t, alice, "POST", responses, `{"model":"gpt-5.5","input":"Hello","store":false}`), "id")
		before := len(m.openai.Requests())
		assert.Equal(t, http.StatusNotFound, m.as(t, alice, "GET", responses+"/"+unkept, "").Code)
		assert.Len(t, m.openai.Requests(), before)
	})
}

// Conversations are their callers' as responses are.
func TestConversationsAreTheirCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		const conversations = "/openai/v1/conversations"
		header := []string{"X-Fluxgate-Provider", "openai"}
		for range 4 {
			id := field(t, m.as(t, alice, "POST", conversations, `{"metadata":{"a":"b"}}`, header...), "id")
			project := last(m.openai.Requests()).Project
			for _, named := range []string{`"` + id + `"`, `{"id":"` + id + `"}`} {
				next := `{"model":"gpt-5.5","conversation":` + named + `,"input":"And?"}`
				rec := m.as(t, alice, "POST", "/openai/v1/responses", next)
				require.Equal(t, http.StatusOK, rec.Code, rec.Body)
				assert.Equal(t, project, last(m.openai.Requests()).Project)
				m.hidden(t, "POST", "/openai/v1/responses", id, next)
			}
			rec := m.as(t, alice, "GET", conversations+"/"+id, "")
			require.Equal(t, http.StatusOK, rec.Code, "whose it is says which provider: %s", rec.Body)
			m.hidden(t, "GET", conversations+"/"+id, id, "")
			m.hidden(t, "DELETE", conversations+"/"+id, id, "")
			m.hidden(t, "GET", conversations+"/"+id+"/items", id, "")
			require.Equal(t, http.StatusOK, m.as(t, alice, "DELETE", conversations+"/"+id, "").Code)
			assert.Equal(t, http.StatusNotFound, m.as(t, alice, "GET", conversations+"/"+id, "").Code)
		}
	})
}

// Where callers aren't told apart everybody uses everything, and what an instance doesn't remember
// it asks all organisations for.
func TestKeptIsFoundWithoutTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		for range 4 {
			id := field(t, m.ask(t, "POST", "/openai/v1/responses", `{"model":"gpt-5.5","input":"Hello"}`), "id")
			asked := func() string {
				return last(slices.DeleteFunc(m.openai.Requests(), func(r simserver.Request) bool { return r.Method != http.MethodPost })).Project
			}
			project := asked()
			m.restart(t)
			rec := m.ask(t, "POST", "/openai/v1/responses", `{"model":"gpt-5.5","input":"And?","previous_response_id":"`+id+`"}`)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			assert.Equal(t, project, asked())
			rec = m.ask(t, "GET", "/openai/v1/responses/"+id, "")
			assert.Equal(t, http.StatusOK, rec.Code, rec.Body)
		}
		before := len(m.openai.Requests())
		for _, id := range []string{"..", "a/b", "%2e%2e"} {
			rec := m.ask(t, "POST", "/openai/v1/responses", `{"model":"gpt-5.5","input":"And?","previous_response_id":"`+id+`/x"}`)
			assert.Contains(t, []int{http.StatusNotFound, http.StatusServiceUnavailable}, rec.Code, rec.Body)
		}
		for _, r := range m.openai.Requests()[before:] {
			assert.True(t, strings.HasPrefix(r.Path, "/v1/responses/"), r.Path)
			assert.NotContains(t, r.Path, "..")
		}
	})
}

// A route without a model goes by the header, else by whose the resource is, else to the only
// provider; else it is 400.
func TestRoutesWithoutAModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		m.groq.SetKey(openaisim.Key{Value: groqKey, Project: "org-d"})
		body, kind := simtest.Form(t, "a.jsonl", "purpose", "batch", "@file", "x")
		rec := m.as(t, alice, "POST", "/openai/v1/files", body, "Content-Type", kind)
		assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "openai, groq")
		for _, path := range []string{"/openai/v1/files", "/openai/v1/batches"} {
			rec = m.as(t, alice, "GET", path, "")
			assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
			rec = m.as(t, alice, "GET", path, "", "X-Fluxgate-Provider", "anthropic")
			assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
		}
		byHeader := func(provider string) string {
			return field(t, m.as(t, alice, "POST", "/openai/v1/files", body, "Content-Type", kind, "X-Fluxgate-Provider", provider), "id")
		}
		groqs := byHeader("groq")
		assert.Equal(t, "org-d", last(m.groq.Requests()).Project)
		byHeader("openai")
		openAIs := byHeader("openai")
		require.Equal(t, http.StatusOK, m.as(t, alice, "GET", "/openai/v1/files/"+groqs, "").Code)
		for _, path := range []string{"/openai/v1/files/" + openAIs, "/v1/files/" + openAIs} {
			rec = m.as(t, alice, "GET", path, "")
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			assert.Equal(t, openAIs, field(t, rec, "id"))
		}
		rec = m.as(t, alice, "GET", "/openai/v1/files/"+openAIs, "", "X-Fluxgate-Provider", "groq")
		if groqs != openAIs {
			assert.Equal(t, http.StatusNotFound, rec.Code, rec.Body)
		}
		// Gemini's own are as before: its file says which project.
		rec = m.as(t, alice, "POST", "/openai/v1/batches", `{"input_file_id":"files/of-nobody"}`)
		assert.Equal(t, http.StatusNotFound, rec.Code, rec.Body)
		rec = m.as(t, alice, "GET", "/anthropic/v1/files", "")
		assert.Equal(t, http.StatusOK, rec.Code, "the only one of its format: %s", rec.Body)
	})
}

// Images and audio go where their model is, in JSON and in forms, byte for byte but for the
// provider's name before the model's.
func TestMediaOfOtherProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		const image, heard, spoken = "gpt-image-1", "gpt-4o-transcribe", "gpt-4o-mini-tts"
		for _, c := range []struct{ path, model, body string }{
			{"images/generations", image, `{"model":"%s", "prompt":"a banana","unheard_of":1}`},
			{"audio/speech", spoken, `{"model":"%s", "input":"Hello","voice":"alloy"}`},
		} {
			for _, prefix := range []string{"", "openai/"} {
				rec := m.as(t, alice, "POST", "/openai/v1/"+c.path, fmt.Sprintf(c.body, prefix+c.model))
				require.Equal(t, http.StatusOK, rec.Code, "%s: %s", c.path, rec.Body)
				assert.Equal(t, fmt.Sprintf(c.body, c.model), string(last(m.openai.Requests()).Body))
				assert.Equal(t, "openai/"+c.model, rec.Header().Get("X-Fluxgate-Model"))
				if c.model == spoken {
					assert.Equal(t, "audio/mpeg", rec.Header().Get("Content-Type"))
					assert.Equal(t, make([]byte, 5), rec.Body.Bytes())
				}
			}
		}
		for _, c := range []struct{ path, model, file string }{
			{"images/edits", image, "@image[]"}, {"images/variations", image, "@image"}, {"audio/transcriptions", heard, "@file"}, {"audio/translations", heard, "@file"},
		} {
			for _, prefix := range []string{"", "openai/"} {
				form := func(model string) string {
					const bytes = "\x00\xff\r\n\r\nopenai/" + heard + "\r\n"
					body, kind := simtest.Form(t, "a.jsonl", "prompt", "openai/"+c.model, c.file, bytes, "model", model, "unheard_of", "x")
					return strings.ReplaceAll(body, strings.TrimPrefix(kind, "multipart/form-data; boundary="), "B0undary")
				}
				rec := m.as(t, alice, "POST", "/openai/v1/"+c.path, form(prefix+c.model), "Content-Type", "multipart/form-data; boundary=B0undary")
				require.Equal(t, http.StatusOK, rec.Code, "%s: %s", c.path, rec.Body)
				assert.Equal(t, form(c.model), string(last(m.openai.Requests()).Body), c.path)
				assert.Equal(t, "openai/"+c.model, rec.Header().Get("X-Fluxgate-Model"))
			}
		}
		rec := m.as(t, alice, "POST", "/openai/v1/audio/speech", `{"model":"gemini-2.5-pro","input":"x"}`)
		assert.Equal(t, http.StatusNotImplemented, rec.Code, rec.Body)
	})
}
