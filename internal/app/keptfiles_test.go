package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/dispatch/placing"
	"fluxgate.dev/fluxgate/internal/simserver/simtest"
	"fluxgate.dev/fluxgate/internal/usage"
)

// upload uploads a file for a caller, and returns its ID and the project that has it.
func (m *mixture) upload(t *testing.T, token, path, content string, header ...string) (id, project string) {
	t.Helper()
	body, kind := simtest.Form(t, "a.jsonl", "purpose", "batch", "@file", content)
	header = append(header, "Content-Type", kind, "X-Fluxgate-Provider", strings.Split(path, "/")[1])
	rec := m.as(t, token, "POST", path, body, header...)
	id = field(t, rec, "id")
	requests := m.openai.Requests
	if strings.HasPrefix(path, "/anthropic") {
		requests = m.anthropic.Requests
	}
	got := last(requests())
	assert.Equal(t, body, string(got.Body), "byte for byte")
	assert.Equal(t, kind, got.Header.Get("Content-Type"))
	return id, got.Project
}

// What the lines of a file name that a batch is made of is their caller's too.
func TestOpenAILinesNameTheCallersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		const line = `{"custom_id":"file-1","method":"POST","url":"/v1/responses","body":{"model":"gpt-5.5","input":[{"role":"user","content":[{"type":"input_file",%s}]}]}}` + "\n"
		batch := func(id string) int {
			return m.as(t, bob, "POST", "/openai/v1/batches", `{"input_file_id":"`+id+`","endpoint":"/v1/responses","completion_window":"24h"}`).Code
		}
		for range 3 {
			hers, _ := m.upload(t, alice, "/openai/v1/files", "hers")
			his, at := m.upload(t, bob, "/openai/v1/files", "his")
			response := field(t, m.as(t, alice, "POST", "/openai/v1/responses", `{"model":"gpt-5.5","input":"Hello"}`), "id")
			for _, named := range []string{`"file_id":"` + hers + `"`, `"file\u005fid":"` + hers + `"`, `"x":0},{"previous_response_id":"` + response + `"`, `"y":"` + response + `"`} {
				file, _ := m.upload(t, bob, "/openai/v1/files", fmt.Sprintf(line, `"file_id":null`)+fmt.Sprintf(line, named))
				before := len(m.openai.Requests())
				assert.Equal(t, http.StatusBadRequest, batch(file), named)
				assert.Len(t, m.openai.Requests(), before, "upstream was asked")
			}
			file, project := m.upload(t, bob, "/openai/v1/files", fmt.Sprintf(line, `"file_id":"`+his+`"`))
			assert.Equal(t, project == at, batch(file) == http.StatusOK, "his own is there in its own organisation alone")
			file, _ = m.upload(t, bob, "/openai/v1/files", fmt.Sprintf(line, `"file_data":"data:text/plain;base64,QUJD"`))
			assert.Equal(t, http.StatusOK, batch(file))
		}
	})
}

// Files and batches of OpenAI's are their callers': uploaded, mentioned, made, read, listed,
// deleted.
func TestOpenAIFilesAndBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		const files, batches = "/openai/v1/files", "/openai/v1/batches"
		const line = `{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-5.5","messages":[{"role":"user","content":"Hello"}]}}` + "\n"
		bobs, _ := m.upload(t, bob, files, "b")
		var all, allBatches []string
		for range 3 {
			id, project := m.upload(t, alice, files, line)
			all = append(all, id)
			m.restart(t)
			rec := m.as(t, alice, "POST", batches, `{ "input_file_id":"`+id+`","endpoint":"/v1/chat/completions","completion_window":"24h"}`)
			batch := field(t, rec, "id")
			allBatches = append(allBatches, batch)
			assert.Equal(t, project, last(m.openai.Requests()).Project)
			mention := `{"model":"gpt-5.5","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"` + id + `"}}]}]}`
			require.Equal(t, http.StatusOK, m.as(t, alice, "POST", chat, mention).Code)
			assert.Equal(t, project, last(m.openai.Requests()).Project)
			assert.Equal(t, mention, string(last(m.openai.Requests()).Body))
			m.hidden(t, "POST", chat, id, mention)
			m.hidden(t, "POST", batches, id, `{"input_file_id":"`+id+`","endpoint":"/v1/chat/completions","completion_window":"24h"}`)
			for _, path := range []string{files + "/" + id, files + "/" + id + "/content", batches + "/" + batch} {
				rec := m.as(t, alice, "GET", path, "")
				require.Equal(t, http.StatusOK, rec.Code, rec.Body)
				named := id
				if strings.Contains(path, "batch") {
					named = batch
				}
				m.hidden(t, "GET", path, named, "")
			}
			assert.Equal(t, line, m.as(t, alice, "GET", files+"/"+id+"/content", "").Body.String())
			m.hidden(t, "DELETE", files+"/"+id, id, "")
			m.hidden(t, "POST", batches+"/"+batch+"/cancel", batch, "")

			time.Sleep(time.Minute)
			output := field(t, m.as(t, alice, "GET", batches+"/"+batch, ""), "output_file_id")
			rec = m.as(t, alice, "GET", files+"/"+output+"/content", "")
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			assert.Contains(t, rec.Body.String(), "Answer to: Hello")
			m.hidden(t, "GET", files+"/"+output+"/content", output, "")
			all = append(all, output)
		}
		m.counted(t, "openai/gpt-5.5", 6) // three of chats, and three of batches
		provider := []string{"X-Fluxgate-Provider", "openai"}
		assert.ElementsMatch(t, all, ids(t, m.as(t, alice, "GET", files, "", provider...)))
		assert.ElementsMatch(t, []string{bobs}, ids(t, m.as(t, bob, "GET", files, "", provider...)))
		assert.Len(t, ids(t, m.as(t, alice, "GET", files+"?purpose=batch", "", provider...)), 3)
		assert.ElementsMatch(t, append(all, bobs), ids(t, m.as(t, root, "GET", files, "", provider...)))
		first := ids(t, m.as(t, alice, "GET", batches+"?limit=2", "", provider...))
		rest := ids(t, m.as(t, alice, "GET", batches+"?after="+first[1], "", provider...))
		assert.ElementsMatch(t, allBatches, append(first, rest...))
		assert.Empty(t, ids(t, m.as(t, bob, "GET", batches, "", provider...)))
		require.Equal(t, http.StatusOK, m.as(t, alice, "DELETE", files+"/"+all[0], "").Code)
		assert.Equal(t, http.StatusNotFound, m.as(t, alice, "GET", files+"/"+all[0], "").Code)
		assert.Len(t, ids(t, m.as(t, alice, "GET", files, "", provider...)), len(all)-1)
	})
}

// counted checks how many answers of a model alice is told that she used, all with their tokens.
func (m *mixture) counted(t *testing.T, model string, answers int64) {
	t.Helper()
	var out usage.Report
	require.NoError(t, json.Unmarshal(m.as(t, alice, "GET", "/usage?by=model", "").Body.Bytes(), &out))
	for _, r := range out.Rows {
		if r.Model == model {
			assert.Equal(t, answers, r.Requests)
			assert.Zero(t, r.Unmetered)
			assert.Positive(t, r.Output)
			return
		}
	}
	t.Errorf("nothing of %s in %v", model, out.Rows)
}

// What a caller uploads in a row is put together by all instances, and beside what a header names.
func TestUploadsToOthersArePlaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		other := m.instance(t, nil)
		defer func() { assert.NoError(t, other.Close(t.Context())) }()
		first, project := m.upload(t, alice, "/openai/v1/files", "1")
		for range 5 {
			m.App, other = other, m.App
			_, at := m.upload(t, alice, "/openai/v1/files", "more")
			assert.Equal(t, project, at, "whichever instance it comes through")
		}
		time.Sleep(time.Hour)
		_, at := m.upload(t, alice, "/openai/v1/files", "late", placing.BesideHeader, first)
		assert.Equal(t, project, at)
		_, at = m.upload(t, alice, "/openai/v1/files", "late", placing.BesideHeader, "files/"+first)
		assert.Equal(t, project, at, "as Gemini's are named")
	})
}

// The same of Anthropic's, whose batches have their requests in themselves, and say by a URL where
// their results are.
func TestAnthropicFilesAndBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		const files, batches = "/anthropic/v1/files", "/anthropic/v1/messages/batches"
		bobs, _ := m.upload(t, bob, files, "b")
		var all, allBatches []string
		for range 3 {
			id, project := m.upload(t, alice, files, "content")
			all = append(all, id)
			m.restart(t)
			params := `{"model":"claude-sonnet-5","max_tokens":16,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"` + id + `"}},{"type":"text","text":"Hello"}]}]}`
			require.Equal(t, http.StatusOK, m.as(t, alice, "POST", message, params).Code)
			assert.Equal(t, project, last(m.anthropic.Requests()).Project)
			m.hidden(t, "POST", message, id, params)
			m.hidden(t, "POST", message+"/count_tokens", id, params)
			body := `{ "requests":[{"custom_id":"1","params":` + params + `}]}`
			m.hidden(t, "POST", batches, id, body)
			batch := field(t, m.as(t, alice, "POST", batches, body), "id")
			allBatches = append(allBatches, batch)
			assert.Equal(t, body, string(last(m.anthropic.Requests()).Body))
			assert.Equal(t, project, last(m.anthropic.Requests()).Project)
			for _, path := range []string{"/" + batch, "/" + batch + "/results"} {
				m.hidden(t, "GET", batches+path, batch, "")
			}
			m.hidden(t, "POST", batches+"/"+batch+"/cancel", batch, "")
			m.hidden(t, "DELETE", batches+"/"+batch, batch, "")
			m.hidden(t, "GET", files+"/"+id, id, "")
			m.hidden(t, "DELETE", files+"/"+id, id, "")

			time.Sleep(time.Minute)
			rec := m.as(t, alice, "GET", batches+"/"+batch, "")
			assert.Equal(t, "http://localhost"+batches+"/"+batch+"/results", field(t, rec, "results_url"), "clients follow it")
			rec = m.as(t, alice, "GET", batches+"/"+batch+"/results", "")
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			assert.Contains(t, rec.Body.String(), "Answer to: Hello")
		}
		m.counted(t, "anthropic/claude-sonnet-5", 6) // three of messages, and three of batches
		assert.ElementsMatch(t, all, ids(t, m.as(t, alice, "GET", files, "")))
		assert.ElementsMatch(t, append(all, bobs), ids(t, m.as(t, root, "GET", files, "")))
		page := m.as(t, alice, "GET", files+"?limit=2", "")
		assert.Subset(t, all, ids(t, page))
		assert.ElementsMatch(t, all, append(ids(t, page), ids(t, m.as(t, alice, "GET", files+"?limit=2&page="+field(t, page, "next_page"), ""))...))
		assert.Equal(t, all[1:2], ids(t, m.as(t, alice, "GET", files+"?ids="+all[1]+"&ids="+bobs, "")))
		list := m.as(t, alice, "GET", batches, "")
		assert.ElementsMatch(t, allBatches, ids(t, list))
		assert.NotContains(t, list.Body.String(), "api.anthropic.com")
		assert.JSONEq(t, `{"data":[],"first_id":null,"last_id":null,"has_more":false,"next_page":null}`, m.as(t, bob, "GET", batches, "").Body.String())
		first := ids(t, m.as(t, alice, "GET", batches+"?limit=2", ""))
		rest := ids(t, m.as(t, alice, "GET", batches+"?limit=2&after_id="+first[1], ""))
		assert.ElementsMatch(t, allBatches, append(first, rest...))
		assert.Equal(t, first, ids(t, m.as(t, alice, "GET", batches+"?limit=2&before_id="+rest[0], "")))
		require.Equal(t, http.StatusOK, m.as(t, alice, "DELETE", batches+"/"+allBatches[0], "").Code)
		assert.Equal(t, http.StatusNotFound, m.as(t, alice, "GET", batches+"/"+allBatches[0], "").Code)
	})
}
