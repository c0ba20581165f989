package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/geminisim"
)

// However a reference is spelled, it is found before it is read with the project's key.
func TestResourcesAreFoundInAnySpelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		id := strings.TrimPrefix(w.makeFile(aliceToken, ""), "files/")
		bobs := w.makeFile(bobToken, "")
		before := len(w.sim.RequestLog())
		for _, body := range []string{
			mention("HTTPS://generativelanguage.googleapis.com/v1beta/files/ID"), mention("https://generativelanguage.googleapis.com/v1beta/files/ID:download?alt=media"),
			mention("files/ID:download"), mention("files%2FID"), mention("%66iles/ID"), mention("FILES/ID"), mention(`f\u0069les\/ID`), mention("generativelanguage.googleapis.com/files/ID"),
			mention(" files/ID"), mention(`files\\ID`), mention("files//ID"), mention("files/ID/."),
			`{"contents":[{"parts":[{"fileData":{"fileUri":"` + bobs + `","fileUri":"files/ID"}}]}]}`,
			`{"contents":[{"parts":[{"fileData":{"fileUri":"files/ID","fileUri":"` + bobs + `"}}]}]}`,
			`{"contents":[{"parts":[{"file_data":{"file_uri":["files/ID"]}}]}]}`, `{"contents":[{"parts":[{"FileData":{"FileUri":"files/ID"}}]}]}`,
			`{'contents':[{'parts':[{'fileData':{'fileUri':'files/ID'}}]}]}`, `{contents:[{parts:[{"file_data":{"file_uri":"fi\les\/ID",}}]}]}`,
			`{"contents":[{"parts":[{"fileData":{"fileUri":"HTTPS://generativelanguage.googleapis.com/v1beta/files/ID"}},]}]}`,
			`{"contents":[{"parts":[{"fileData":{"fileUri":"files/ID"}}]}]} // so`, `{"contents":[{"parts":[{"fileData":{"fileUri":"\U00000066iles/ID", "x":"files/ID:download"}}]}]}`,
		} {
			body = strings.ReplaceAll(body, "ID", id)
			for _, path := range []string{unaryPath, streamPath, "/v1beta/models/gemini-2.5-pro:countTokens", "/v1alpha/models/auto:generateContent", "/models/auto:generateContent", "/v1beta/cachedContents"} {
				w.do("POST", path, body, as(bobToken)...).failed(http.StatusNotFound)
			}
		}
		for _, part := range []string{
			`{"type":"file","file":{"file_id":"files/ID"}}`, `{"type":"image_url","image_url":{"url":"https://generativelanguage.googleapis.com/v1beta/files/ID"}}`,
			`{"type":"image_url","image_url":"files/ID"}`, `{"type":"input_file","file_url":"files/ID:download"}`,
		} {
			for _, form := range []string{`{"model":"auto","messages":[{"role":"user","content":[%s]}]}`, `{'model':"auto",'messages':[{'role':"user",'content':[%s]}],}`} {
				a := w.do("POST", "/openai/v1/chat/completions", fmt.Sprintf(form, strings.ReplaceAll(part, "ID", id)), as(bobToken)...)
				assert.Equal(t, http.StatusNotFound, a.Code, "%s: %s", part, a.Body)
			}
		}
		for _, path := range []string{"/v1beta/files/ID:download", "/v1beta/files/%49D", "/files/ID", "/v1alpha/files/ID", "//v1beta/files/ID", "/v1beta/v1beta/files/ID", "/v1beta/files/../files/ID"} {
			a := w.do("GET", strings.ReplaceAll(path, "ID", id), "", as(bobToken)...)
			assert.Contains(t, []int{http.StatusNotFound, http.StatusTemporaryRedirect, http.StatusMovedPermanently}, a.Code, path)
		}
		assert.Len(t, w.sim.RequestLog(), before, "upstream was asked")
	})
}

// Whose a file is can't be told from an ID alone, which upstream may take for its name, so
// nothing is sent that names one so, whatever else it names.
func TestFilesAreNamedInFull(t *testing.T) {
	w := newWorld(t, setup{ // one project, so that it would be hers
		keys: projects("alpha"), sim: func(c *geminisim.Config) { c.UploadGranularity = 1 },
		env: []string{"FLUXGATE_TOKENS=alice:" + aliceToken + ",bob:" + bobToken},
	})
	line := `{"key":"one","request":{"contents":[{"parts":[{"text":"banana"}]}]}}`
	hers := w.uploadTo("/upload/v1beta/files", "{}", line, aliceToken).field("file.name")
	his := w.uploadTo("/upload/v1beta/files", "{}", line, bobToken).field("file.name")
	store := w.do("POST", "/v1beta/fileSearchStores", `{}`, as(bobToken)...).field("name")
	before := len(w.sim.RequestLog())
	for path, bodies := range map[string][]string{
		"/v1beta/models/gemini-2.5-flash:batchGenerateContent": {
			`{"batch":{"inputConfig":{"fileName":"ID"}}}`, `{"batch":{"input_config":{"file_name":"ID"}}}`, `{"Batch":{"INPUT_config":{"Filename":"ID"}}}`,
			`{"batch":{"inputConfig":{"fileName":"HIS","file_name":"ID"}}}`, `{'batch':{inputConfig:{"fileName":"ID",}}}`,
			`{"batch":{"displayName":"HIS"},"batch":{"inputConfig":{"fileName":"ID"}}}`,
		},
		"/v1beta/models/gemini-embedding-001:asyncBatchEmbedContent": {`{"batch":{"inputConfig":{"fileName":"ID"}}}`},
		"/v1beta/" + store + ":importFile":                           {`{"fileName":"ID"}`, `{"fileName":"HIS","file_name":"ID"}`, `{"fileName":"ID","customMetadata":[{"key":"file","stringValue":"HIS"}]}`},
		"/openai/v1/batches":                                         {`{"input_file_id":"ID","endpoint":"/v1/chat/completions"}`, `{"input_file_id":"ID","metadata":{"file":"HIS"}}`},
	} {
		for _, body := range bodies {
			body = strings.NewReplacer(`"ID"`, `"`+strings.TrimPrefix(hers, "files/")+`"`, "HIS", his).Replace(body)
			a := w.do("POST", path, body, as(bobToken)...)
			assert.Equal(t, http.StatusBadRequest, a.Code, "%s %s: %s", path, body, a.Body)
			assert.Contains(t, a.Body.String(), "files/…", "it is said")
		}
	}
	w.do("POST", "/v1beta/"+store+":importFile", `{"fi_leName":"`+hers+`"}`, as(bobToken)...).failed(http.StatusNotFound)
	assert.Len(t, w.sim.RequestLog(), before, "upstream was asked")
	batch := w.do("POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", `{"batch":{"inputConfig":{"fileName":"`+his+`"}}}`, as(bobToken)...).field("name")
	before = len(w.sim.RequestLog())
	for _, method := range []string{"updateGenerateContentBatch", "updateEmbedContentBatch"} {
		w.do("PATCH", "/v1beta/"+batch+":"+method, `{"input_config":{"fileName":"`+strings.TrimPrefix(hers, "files/")+`"}}`, as(bobToken)...).failed(http.StatusBadRequest)
	}
	assert.Len(t, w.sim.RequestLog(), before, "upstream was asked")
	assert.NotEmpty(t, w.do("POST", "/v1beta/"+store+":importFile", `{"file_name":"`+his+`"}`, as(bobToken)...).field("name"))
}

// A store that is to be searched is found like a file.
func TestStoresAreFoundInAnySpelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		id := strings.TrimPrefix(w.do("POST", "/v1beta/fileSearchStores", `{}`, as(aliceToken)...).field("name"), "fileSearchStores/")
		before := len(w.sim.RequestLog())
		for _, spelt := range []string{
			"fileSearchStores/ID", "FileSearchStores/ID", " fileSearchStores/ID", "fileSearchStores%2FID", "fileSearchStores//ID", `fileSearchStores\/ID`, "fileSearchStores/ID:query",
			"https://generativelanguage.googleapis.com/v1beta/fileSearchStores/ID", "generativelanguage.googleapis.com/fileSearchStores/ID",
		} {
			spelt = strings.ReplaceAll(spelt, "ID", id)
			for _, member := range []string{"fileSearchStoreNames", "file_search_store_names", "FileSearchStoreNames"} {
				tool := fmt.Sprintf(`{"fileSearch":{%q:["%s"]}}`, member, spelt)
				w.do("POST", unaryPath, `{"contents":[{"parts":[{"text":"Hi"}]}],"tools":[`+tool+`]}`, as(bobToken)...).failed(http.StatusNotFound)
				turn := fmt.Sprintf(`{"model":"auto","input":"Hi","tools":[{"type":"file_search",%q:["%s"]}]}`, member, spelt)
				assert.Equal(t, http.StatusNotFound, w.do("POST", interactionsPath, turn, as(bobToken)...).Code, turn)
			}
		}
		assert.Len(t, w.sim.RequestLog(), before, "upstream was asked")
	})
}
