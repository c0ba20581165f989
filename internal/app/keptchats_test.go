package app

import (
	"net/http"
	"regexp"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const chats = "/openai/v1/chat/completions"

// Chats that are kept are their callers', and stay where they were made: whole or streamed, whichever instance is
// asked. Those that aren't kept, as most, leave nothing behind here.
func TestKeptChatsAreTheirCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, turn := several(t)
		provider := []string{"X-Fluxgate-Provider", "openai"}
		made := map[string]string{}
		for _, stream := range []string{"", `"stream":true,`} {
			for id, project := range spreadAll(t, func() (string, string) {
				body := `{ "model":"gpt-5.5",` + stream + `"store":true,"metadata":{"a":"b"},"messages":[{"role":"user","content":"Hello"}]}`
				rec := m.as(t, alice, "POST", chats, body)
				require.Equal(t, http.StatusOK, rec.Code, rec.Body)
				assert.Equal(t, body, string(last(m.openai.Requests()).Body))
				return regexp.MustCompile(`chatcmpl-[0-9a-f]+`).FindString(rec.Body.String()), last(m.openai.Requests()).Project
			}) {
				made[id] = project
			}
		}
		for id, project := range made {
			turn()
			for _, path := range []string{"/" + id, "/" + id + "/messages?limit=5"} {
				require.Equal(t, http.StatusOK, m.as(t, alice, "GET", chats+path, "").Code)
				assert.Equal(t, project, last(m.openai.Requests()).Project)
				require.Equal(t, http.StatusOK, m.as(t, root, "GET", chats+path, "", provider...).Code, "an administrator's may be anybody's")
			}
			change := `{ "metadata":{"c":"d"}}`
			require.Contains(t, m.as(t, alice, "POST", chats+"/"+id, change).Body.String(), `"c":"d"`)
			assert.Equal(t, change, string(last(m.openai.Requests()).Body))
			m.hidden(t, "GET", chats+"/"+id, id, "")
			m.hidden(t, "GET", chats+"/"+id+"/messages", id, "")
			m.hidden(t, "POST", chats+"/"+id, id, change)
			m.hidden(t, "DELETE", chats+"/"+id, id, "")
		}
		assert.Len(t, ids(t, m.as(t, alice, "GET", chats, "", provider...)), len(made))
		assert.Empty(t, ids(t, m.as(t, bob, "GET", chats, "", provider...)))
		for id := range made {
			require.Equal(t, http.StatusOK, m.as(t, alice, "DELETE", chats+"/"+id, "").Code)
			assert.Equal(t, http.StatusNotFound, m.as(t, alice, "GET", chats+"/"+id, "").Code)
		}
		for _, store := range []string{"", `"store":false,`, `"store":null,`} {
			id := field(t, m.as(t, alice, "POST", chats, `{"model":"gpt-5.5",`+store+`"messages":[{"role":"user","content":"Hello"}]}`), "id")
			before := len(m.openai.Requests())
			assert.Equal(t, http.StatusNotFound, m.as(t, alice, "GET", chats+"/"+id, "").Code)
			assert.Len(t, m.openai.Requests(), before)
		}
	})
}
