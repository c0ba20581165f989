package app

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// What belongs to one caller isn't read by another in whatever shape it is named: an endpoint may be more
// lenient than its format is.
func TestReferencesInOtherShapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		const batches = "/openai/v1/batches"
		answer := m.as(t, alice, "POST", responses, `{"model":"gpt-5.5","input":"Hello"}`)
		response, item := field(t, answer, "id"), regexpItem.FindString(answer.Body.String())
		conversation := field(t, m.as(t, alice, "POST", "/openai/v1/conversations", `{}`, "X-Fluxgate-Provider", "openai"), "id")
		file, _ := m.upload(t, alice, "/openai/v1/files", "hers")
		his, _ := m.upload(t, bob, "/openai/v1/files", "his")
		for _, c := range []struct{ path, member, id string }{
			{responses, `"previous_response_id":%s`, response},
			{responses, `"Previous_Response_Id":%s`, response},
			{responses, `"previousResponseId":%s`, response},
			{responses, `"conversation":%s`, conversation},
			{responses, `"conversation":{"id":%s}`, conversation},
			{responses, `"Conversation":{"ID":%s}`, conversation},
			{responses, `"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":%s}}]`, file},
			{responses, `"tools":[{"type":"code_interpreter","container":{"type":"auto","fileIds":[0,%s]}}]`, file},
			{responses, `"input":[{"role":"user","content":[{"type":"input_file","file_id":%s}]}]`, file},
			{responses, `"input":[{"type":"item_reference","id":%s}]`, item},
			{responses, `"Input":{"Type":"item_reference","Id":%s}`, item},
			{"/openai/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":%s}}]}]`, file},
			{batches, `"endpoint":"/v1/responses","completion_window":"24h","input_file_id":%s`, file},
			{batches, `"endpoint":"/v1/responses","completion_window":"24h","input_file_id":"` + his + `","inputFileId":%s`, file},
		} {
			for _, shape := range []string{`%s`, `[%s]`, `[null,%s]`, `[["x",[%s]]]`, `{"id":%s}`, `[{"a":[0,{}],"id":%s}]`, `{"id":[%s]}`} {
				body := fmt.Sprintf(`{"model":"gpt-5.5",%s}`, fmt.Sprintf(c.member, fmt.Sprintf(shape, `"`+c.id+`"`)))
				before := len(m.openai.Requests())
				rec := m.as(t, bob, "POST", c.path, body)
				assert.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, rec.Code, "%s %s", body, rec.Body)
				assert.Len(t, m.openai.Requests(), before, "%s went to a provider", body)
			}
		}
	})
}
