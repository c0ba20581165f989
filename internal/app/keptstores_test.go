package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/simserver/simtest"
	"fluxgate.dev/fluxgate/storage"
)

// several is a mixture whose callers are told apart, and another instance of it. They take turns.
func several(t *testing.T) (m *mixture, turn func()) {
	m = mixCallers(t)
	other := m.instance(t, nil)
	one := m.App
	t.Cleanup(func() {
		assert.NoError(t, one.Close(context.WithoutCancel(t.Context())))
		assert.NoError(t, other.Close(context.WithoutCancel(t.Context())))
	})
	return m, func() { m.App, other = other, m.App }
}

const (
	responses  = "/openai/v1/responses"
	stores     = "/openai/v1/vector_stores"
	containers = "/openai/v1/containers"
)

// spread makes something until there is one in each of OpenAI's two organisations, and returns them by those.
func spread(t *testing.T, made func() (id, project string)) map[string]string {
	t.Helper()
	all := map[string]string{}
	for range 20 {
		id, project := made()
		if all[project] = id; len(all) == 2 {
			return all
		}
		time.Sleep(10 * time.Second) // there are limits
	}
	t.Fatal("all are in one organisation")
	return nil
}

// output returns the IDs of a response's items, and the containers that it was made with.
func output(t *testing.T, text []byte) (items, containers []string) {
	t.Helper()
	var response struct {
		Output []struct {
			ID        string
			Container string `json:"container_id"`
		}
	}
	require.NoError(t, json.Unmarshal(text, &response), string(text))
	for _, x := range response.Output {
		items = append(items, x.ID)
		if x.Container != "" {
			containers = append(containers, x.Container)
		}
	}
	return items, containers
}

// Items of responses stand for what they say where they are: in the organisation of their response, for its caller,
// whichever instance is asked.
func TestItemsAreTheirCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, turn := several(t)
		of := map[bool]map[string]string{}
		for _, stream := range []bool{false, true} {
			of[stream] = spread(t, func() (string, string) {
				rec := m.as(t, alice, "POST", responses, fmt.Sprintf(`{"model":"gpt-5.5","input":"Hello","stream":%v}`, stream))
				require.Equal(t, http.StatusOK, rec.Code, rec.Body)
				id := regexpItem.FindString(rec.Body.String())
				require.NotEmpty(t, id, rec.Body)
				return id, last(m.openai.Requests()).Project
			})
			for project, id := range of[stream] {
				for _, item := range []string{`{"type":"item_reference","id":"` + id + `"}`, `{ "id":"` + id + `"}`} {
					turn()
					time.Sleep(time.Minute)
					body := `{ "model":"gpt-5.5","input":[` + item + `,{"role":"user","content":"And?"}],"store":false}`
					rec := m.as(t, alice, "POST", responses, body)
					require.Equal(t, http.StatusOK, rec.Code, rec.Body)
					assert.Equal(t, project, last(m.openai.Requests()).Project)
					assert.Equal(t, body, string(last(m.openai.Requests()).Body))
					require.Equal(t, http.StatusOK, m.as(t, root, "POST", responses, body).Code, "an administrator's may be anybody's")
					assert.Equal(t, project, last(m.openai.Requests()).Project)
					m.hidden(t, "POST", responses, id, body)
				}
			}
		}
		// What is of two organisations nobody can read.
		for _, more := range []string{`{"type":"item_reference","id":"` + of[true]["org-b"] + `"}`, `{"role":"user","content":"x"}],"tools":[{"type":"file_search","vector_store_ids":["` + m.store1(t, "org-b") + `"]}`} {
			before := len(m.openai.Requests())
			rec := m.as(t, alice, "POST", responses, `{"model":"gpt-5.5","input":[{"type":"item_reference","id":"`+of[false]["org-a"]+`"},`+more+`]}`)
			assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
			assert.Contains(t, rec.Body.String(), "of two projects")
			assert.Contains(t, rec.Body.String(), of[false]["org-a"])
			assert.Len(t, m.openai.Requests(), before)
		}
		// What isn't kept can't be referred to.
		rec := m.as(t, alice, "POST", responses, `{"model":"gpt-5.5","input":"Hello","store":false}`)
		items, _ := output(t, rec.Body.Bytes())
		rec = m.as(t, alice, "POST", responses, `{"model":"gpt-5.5","input":[{"type":"item_reference","id":"`+items[0]+`"}]}`)
		assert.Equal(t, http.StatusNotFound, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "in its place")
	})
}

// Who knows the ID of another's item and gives it to one of its own doesn't get the other by that, though the
// provider should keep it and list it; and the thoughts of a model are an item like others.
func TestItemsAreNotTakenByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := several(t)
		items, _ := output(t, m.as(t, alice, "POST", responses, `{"model":"gpt-5.5","input":"Hello"}`).Body.Bytes())
		project := last(m.openai.Requests()).Project
		mine := func() (id, project string) {
			rec := m.as(t, bob, "POST", responses, `{"model":"gpt-5.5","input":[{"type":"message","id":"`+items[0]+`","role":"assistant","status":"completed","content":[{"type":"output_text","text":"x"}]}]}`)
			return field(t, rec, "id"), last(m.openai.Requests()).Project
		}
		for id := range spreadAll(t, mine) {
			rec := m.as(t, bob, "GET", responses+"/"+id+"/input_items", "")
			require.Equal(t, []string{items[0]}, ids(t, rec))
		}
		for _, item := range []string{
			`{"type":"item_reference","id":"` + items[0] + `"}`,
			`{"type":"reasoning","id":"` + items[0] + `","summary":[]}`, `{"type":"reasoning","id":"` + items[0] + `","summary":[],"encrypted_content":null}`,
		} {
			body := `{"model":"gpt-5.5","input":[` + item + `,{"role":"user","content":"And?"}]}`
			m.hidden(t, "POST", responses, items[0], body)
			rec := m.as(t, alice, "POST", responses, body)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			assert.Equal(t, project, last(m.openai.Requests()).Project)
			assert.Equal(t, body, string(last(m.openai.Requests()).Body))
		}
		// What it thought passes anywhere where it is there in full.
		for _, item := range []string{`"encrypted_content":"gAAAA"`, `"encrypted_content":"gAAAA","content":[]`} {
			rec := m.as(t, bob, "POST", responses, `{"model":"gpt-5.5","input":[{"type":"reasoning","id":"rs_of_any_other","summary":[],`+item+`},{"role":"user","content":"And?"}]}`)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		}
	})
}

// spreadAll makes things until each organisation has one, and returns all of them, with where they are.
func spreadAll(t *testing.T, one func() (id, project string)) map[string]string {
	t.Helper()
	all := map[string]string{}
	spread(t, func() (string, string) {
		id, project := one()
		all[id] = project
		return id, project
	})
	return all
}

// store1 makes a vector store of alice's in an organisation, beside a file there.
func (m *mixture) store1(t *testing.T, project string) string {
	t.Helper()
	files := spread(t, func() (string, string) {
		time.Sleep(11 * time.Minute) // so that it needn't lie beside the last
		return m.upload(t, alice, "/openai/v1/files", "x")
	})
	return field(t, m.as(t, alice, "POST", stores, `{"file_ids":["`+files[project]+`"]}`, "X-Fluxgate-Provider", "openai"), "id")
}

// Without tokens an instance knows the items of what it made; for what it doesn't know it says what to do.
func TestItemsWithoutTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mix(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		bodies := map[string]string{}
		for project, id := range spread(t, func() (string, string) {
			items, _ := output(t, m.ask(t, "POST", responses, `{"model":"gpt-5.5","input":"Hello"}`).Body.Bytes())
			return items[0], last(m.openai.Requests()).Project
		}) {
			bodies[project] = `{"model":"gpt-5.5","input":[{"type":"item_reference","id":"` + id + `"}]}`
			rec := m.ask(t, "POST", responses, bodies[project])
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			assert.Equal(t, project, last(m.openai.Requests()).Project)
		}
		m.restart(t)
		rec := m.ask(t, "POST", responses, bodies["org-a"])
		assert.Equal(t, http.StatusNotFound, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "in its place")
	})
}

// Vector stores are their callers' and lie in one organisation, with the files that are put into them.
func TestVectorStoresAreTheirCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, turn := several(t)
		provider := []string{"X-Fluxgate-Provider", "openai"}
		id := field(t, m.as(t, alice, "POST", stores, `{ "name":"mine"}`, provider...), "id")
		project := last(m.openai.Requests()).Project
		for range 3 {
			turn()
			file, at := m.upload(t, alice, "/openai/v1/files", "x")
			assert.Equal(t, project, at, "so that it can be put into it")
			body := `{ "file_id":"` + file + `","attributes":{"a":1}}`
			require.Equal(t, http.StatusOK, m.as(t, alice, "POST", stores+"/"+id+"/files", body).Code)
			assert.Equal(t, body, string(last(m.openai.Requests()).Body))
			m.hidden(t, "POST", stores+"/"+id+"/files", id, body)
		}
		next := field(t, m.as(t, alice, "POST", stores, `{}`, provider...), "id")
		assert.Equal(t, project, last(m.openai.Requests()).Project, "where the caller's others are")
		search := `{"model":"gpt-5.5","input":"Hello","tools":[{"type":"file_search","vector_store_ids":["` + id + `","` + next + `"]}]}`
		for range 4 {
			turn()
			require.Equal(t, http.StatusOK, m.as(t, alice, "POST", responses, search).Code)
			assert.Equal(t, project, last(m.openai.Requests()).Project)
			m.hidden(t, "POST", responses, id, search)
		}
		for _, c := range []struct{ method, path, body string }{
			{"GET", "", ""}, {"GET", "/files", ""}, {"POST", "/search", `{"query":"x"}`}, {"DELETE", "", ""},
		} {
			m.hidden(t, c.method, stores+"/"+id+c.path, id, c.body)
			rec := m.as(t, alice, c.method, stores+"/"+id+c.path, c.body)
			require.Equal(t, http.StatusOK, rec.Code, "%s %s: %s", c.method, c.path, rec.Body)
			assert.Equal(t, project, last(m.openai.Requests()).Project)
		}
		assert.Equal(t, []string{next}, ids(t, m.as(t, alice, "GET", stores, "", provider...)))
		assert.Empty(t, ids(t, m.as(t, bob, "GET", stores, "", provider...)))
		assert.Equal(t, http.StatusNotFound, m.as(t, alice, "GET", stores+"/"+id, "").Code)
		// A file of another's isn't there for it, and one of another organisation is refused in words.
		his, at := m.upload(t, bob, "/openai/v1/files", "x")
		for at == project {
			time.Sleep(11 * time.Minute)
			his, at = m.upload(t, bob, "/openai/v1/files", "x")
		}
		assert.Equal(t, http.StatusNotFound, m.as(t, alice, "POST", stores+"/"+next+"/files", `{"file_id":"`+his+`"}`).Code)
		rec := m.as(t, root, "POST", stores+"/"+next+"/files", `{"file_id":"`+his+`"}`)
		assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "of two projects")
	})
}

// Containers are their callers', those that a response opens too.
func TestContainersAreTheirCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, turn := several(t)
		provider := []string{"X-Fluxgate-Provider", "openai"}
		opened := spread(t, func() (string, string) {
			rec := m.as(t, alice, "POST", responses, `{"model":"gpt-5.5","input":"Hello","store":false,"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}`)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			_, containers := output(t, rec.Body.Bytes())
			return containers[0], last(m.openai.Requests()).Project
		})
		made := field(t, m.as(t, alice, "POST", containers, `{"name":"mine"}`, provider...), "id")
		all := map[string]string{made: last(m.openai.Requests()).Project}
		for project, id := range opened {
			all[id] = project
		}
		for id, project := range all {
			turn()
			body := `{ "model":"gpt-5.5","input":"Hello","tools":[{"type":"code_interpreter","container":"` + id + `"}]}`
			require.Equal(t, http.StatusOK, m.as(t, alice, "POST", responses, body).Code)
			assert.Equal(t, project, last(m.openai.Requests()).Project)
			m.hidden(t, "POST", responses, id, body)
			require.Equal(t, http.StatusOK, m.as(t, alice, "GET", containers+"/"+id, "").Code)
			m.hidden(t, "GET", containers+"/"+id, id, "")
			m.hidden(t, "GET", containers+"/"+id+"/files", id, "")

			file, at := m.upload(t, alice, "/openai/v1/files", "x")
			form, kind := simtest.Form(t, "a", "file_id", file)
			rec := m.as(t, alice, "POST", containers+"/"+id+"/files", form, "Content-Type", kind)
			if at != project {
				assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
				assert.Contains(t, rec.Body.String(), "of two projects")
				continue
			}
			require.Equal(t, http.StatusOK, rec.Code, rec.Body)
			assert.Equal(t, form, string(last(m.openai.Requests()).Body), "byte for byte")
			within := field(t, rec, "id")
			require.Equal(t, []string{within}, ids(t, m.as(t, alice, "GET", containers+"/"+id+"/files", "")))
			turn()
			mention := `{"model":"gpt-5.5","input":[{"role":"user","content":[{"type":"input_file","file_id":"` + within + `"}]}]}`
			m.hidden(t, "POST", responses, within, mention)
			m.as(t, alice, "POST", responses, mention) // whatever comes of it
			assert.Equal(t, project, last(m.openai.Requests()).Project)
			assert.Equal(t, mention, string(last(m.openai.Requests()).Body))
			cited := `{"model":"gpt-5.5","input":[{"type":"message","id":"msg_0","role":"assistant","status":"completed","content":[{"type":"output_text","text":"x","annotations":[` +
				`{"type":"container_file_citation","container_id":"` + id + `","file_id":"cfile_by_code","filename":"x","start_index":0,"end_index":1}]}]},{"role":"user","content":"And?"}]}`
			require.Equal(t, http.StatusOK, m.as(t, alice, "POST", responses, cited).Code)
			assert.Equal(t, project, last(m.openai.Requests()).Project)
			m.hidden(t, "POST", responses, id, cited)
		}
		his, _ := m.upload(t, bob, "/openai/v1/files", "x")
		form, kind := simtest.Form(t, "a", "file_id", his)
		assert.Equal(t, http.StatusNotFound, m.as(t, alice, "POST", containers+"/"+made+"/files", form, "Content-Type", kind).Code)
		assert.Equal(t, http.StatusBadRequest, m.as(t, alice, "POST", containers+"/"+made+"/files", "x"+form, "Content-Type", kind).Code)
		listed := ids(t, m.as(t, alice, "GET", containers, "", provider...))
		assert.Subset(t, listed, slices.Collect(maps.Keys(all)))
		for id := range all {
			m.hidden(t, "DELETE", containers+"/"+id, id, "")
			require.Equal(t, http.StatusOK, m.as(t, alice, "DELETE", containers+"/"+id, "").Code)
		}
		assert.Len(t, ids(t, m.as(t, alice, "GET", containers, "", provider...)), len(listed)-len(all))
	})
}

// An upload in parts is its caller's and stays in one organisation, through whichever instances its parts come.
// Its lines aren't looked through in their order, so that no batch is made of it.
func TestUploadsInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, turn := several(t)
		const uploads = "/openai/v1/uploads"
		provider := []string{"X-Fluxgate-Provider", "openai"}
		id := field(t, m.as(t, alice, "POST", uploads, `{ "filename":"a.txt","purpose":"batch","bytes":6,"mime_type":"text/plain"}`, provider...), "id")
		project := last(m.openai.Requests()).Project
		var parts []string
		for _, text := range []string{"abc", "def"} {
			turn()
			form, kind := simtest.Form(t, "part", "@data", text)
			m.hidden(t, "POST", uploads+"/"+id+"/parts", id, form)
			parts = append(parts, field(t, m.as(t, alice, "POST", uploads+"/"+id+"/parts", form, "Content-Type", kind), "id"))
			assert.Equal(t, project, last(m.openai.Requests()).Project)
			assert.Equal(t, form, string(last(m.openai.Requests()).Body), "byte for byte")
		}
		turn()
		complete := fmt.Sprintf(`{ "part_ids":[%q,%q]}`, parts[0], parts[1])
		m.hidden(t, "POST", uploads+"/"+id+"/complete", id, complete)
		rec := m.as(t, alice, "POST", uploads+"/"+id+"/complete", complete)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		var made struct{ File struct{ ID string } }
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &made))
		turn()
		content := "/openai/v1/files/" + made.File.ID + "/content"
		assert.Equal(t, "abcdef", m.as(t, alice, "GET", content, "").Body.String())
		m.hidden(t, "GET", content, made.File.ID, "")
		_, at := m.upload(t, alice, "/openai/v1/files", "x")
		assert.Equal(t, project, at, "beside it")
		batch := `{"input_file_id":"` + made.File.ID + `","endpoint":"/v1/chat/completions","completion_window":"24h"}`
		rec = m.as(t, alice, "POST", "/openai/v1/batches", batch)
		assert.Equal(t, http.StatusBadRequest, rec.Code, rec.Body)
		assert.Contains(t, rec.Body.String(), "No batch is made of this file")
		next := field(t, m.as(t, alice, "POST", uploads, `{}`, provider...), "id")
		m.hidden(t, "POST", uploads+"/"+next+"/cancel", next, "")
		require.Equal(t, http.StatusOK, m.as(t, alice, "POST", uploads+"/"+next+"/cancel", "").Code)
	})
}

// So are those of Anthropic's messages: the answer names the one that its code ran in (documented), whole and in pieces.
func TestContainersOfMessages(t *testing.T) {
	for _, stream := range []string{"", `"stream":true,`} {
		synctest.Test(t, func(t *testing.T) {
			m, turn := several(t)
			var asked http.Header // last
			m.transport["api.anthropic.com"] = roundTripper(func(r *http.Request) (*http.Response, error) {
				asked = r.Header.Clone()
				text := `{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn",` +
					`"usage":{"input_tokens":5,"output_tokens":5},"container":{"id":"container_of_` + r.Header.Get("X-Api-Key")[len(anthropicKey)-1:] + `","expires_at":"2026-12-01T00:00:00Z"}}`
				kind := "application/json"
				if stream != "" {
					text, kind = "event: message_start\ndata: "+`{"type":"message_start","message":`+text+"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", "text/event-stream"
				}
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)), Request: r}, nil
			})
			opened := spread(t, func() (string, string) {
				rec := m.as(t, alice, "POST", message, strings.Replace(messageOf("claude-sonnet-5"), "{", "{"+stream, 1))
				require.Equal(t, http.StatusOK, rec.Code, rec.Body)
				return regexpContainer.FindString(rec.Body.String()), asked.Get("X-Api-Key")
			})
			for key, id := range opened {
				for _, container := range []string{`"` + id + `"`, `{"id":"` + id + `","skills":[]}`} {
					turn()
					body := strings.Replace(messageOf("claude-sonnet-5"), "{", `{"container":`+container+",", 1)
					require.Equal(t, http.StatusOK, m.as(t, alice, "POST", message, body).Code)
					assert.Equal(t, key, asked.Get("X-Api-Key"))
					m.hidden(t, "POST", message, id, body)
				}
			}
		})
	}
}

// recordReads counts how often a record is read.
type recordReads struct {
	storage.Store
	n atomic.Int64
}

func (s *recordReads) Record(ctx context.Context, name string) ([]byte, error) {
	s.n.Add(1)
	return s.Store.Record(ctx, name)
}

// An administrator's request may name thousands of items. Where they are is looked up once for all of them.
func TestManyItemsAreLookedUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mixCallers(t)
		items, _ := output(t, m.as(t, alice, "POST", responses, `{"model":"gpt-5.5","input":"Hello"}`).Body.Bytes())
		project := last(m.openai.Requests()).Project
		reads := &recordReads{Store: m.store}
		m.store = reads
		m.restart(t)
		defer func() { assert.NoError(t, m.Close(t.Context())) }()
		body := `{"model":"gpt-5.5","input":[{"type":"item_reference","id":"` + items[0] + `"}`
		for i := range 100 {
			body += fmt.Sprintf(`,{"type":"item_reference","id":"msg_nobodys%d"}`, i)
		}
		before := reads.n.Load()
		m.as(t, root, "POST", responses, body+`]}`)
		assert.LessOrEqual(t, reads.n.Load()-before, int64(64))
		assert.Equal(t, body+`]}`, string(last(m.openai.Requests()).Body), "upstream knows whether they are there")
		assert.Equal(t, project, last(m.openai.Requests()).Project)
	})
}
