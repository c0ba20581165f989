package references

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/race"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, body string
		anthropic  bool
		names      []string
	}{
		{name: "nothing", body: `{"model":"m","messages":[{"role":"user","content":"Hello"}]}`},
		{name: "a response's", body: `{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"},{"type":"input_image","file_id" : "file-2"}]}]}`, names: []string{"files/file-1", "files/file-2"}},
		{name: "a chat's", body: `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}},{"type":"file","file":{"file_id":"file-1"}}]}]}`, names: []string{"files/file-1"}},
		{name: "a batch's", body: `{"input_file_id":"file-1","endpoint":"/v1/chat/completions"}`, names: []string{"files/file-1"}},
		{name: "a tool's", body: `{"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["file-1" , "file-2",3]}}]}`, names: []string{"files/file-1", "files/file-2"}},
		{name: "a message's", anthropic: true, body: `{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_1"}},{"type":"container_upload","file_id":"file_2"}]}]}`, names: []string{"files/file_1", "files/file_2"}},
		{name: "names in other letters", body: `{"\u0066ile_id":"file-\u0031"}`, names: []string{"files/file-1"}},
		{name: "said, not meant", body: `{"messages":[{"role":"user","content":"\"file_id\":\"file-1\""}],"instructions":"\\"}`},
		{name: "a tool is called with one", anthropic: true, body: `{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"file_id":"file_1"}}]}],"tools":[{"name":"x","input_schema":{"default":{"file_id":"y"}}}]}`},
		{name: "a function is, and behind it one is meant", body: `{"input":[{"type":"function_call","arguments":"{\"file_id\":\"x\"}"}],"metadata":{"file_id":"y"},"a":{"file_id":"file-1"}}`, names: []string{"files/file-1"}},
		{name: "in a list, deeper, and behind what is no ID", body: `{"file_ids":[7,"file-1",null,["file-2",[["file-3"]]],{"a":1},"file-4"]}`, names: []string{"files/file-1", "files/file-2", "files/file-3", "files/file-4"}},
		{name: "by what says its ID", body: `{"file_id":{"a":["x",{"id":"y"}],"id":"file-1"},"file_ids":[{"id":"file-2","b":"x"},{"ID":["file-3"]}],"a":{"id":"x"},"container":[{"id":"cntr_1"}]}`, names: []string{"files/file-1", "files/file-2", "files/file-3", "containers/cntr_1"}},
		{name: "a batch's, in a list", body: `{"input_file_id":["file-1"]}`, names: []string{"files/file-1"}},
		{name: "in other cases", body: `{"File_ID":"file-1","fileId":"file-2","INPUTFILEID":"file-3","file_id\u017f":["file-4"],"vectorStoreIds":["vs_1"],"Container":"cntr_1"}`, names: []string{"files/file-1", "files/file-2", "files/file-3", "files/file-4", "vector_stores/vs_1", "containers/cntr_1"}},
		{name: "items in other cases, and by no text", body: `{"Input":[{"ID":"msg_1"},{"Type":"Item_Reference","id":"msg_2"},{"type":"item_reference","id":["msg_3"]}]}`, names: []string{"items/msg_1", "items/msg_2", "items/?"}},
		{name: "one item, not in a list", body: `{"input":{"type":"item_reference","id":"msg_1"}}`, names: []string{"items/msg_1"}},
		{name: "none", body: `{"file_id":null,"file_ids":{"a":1},"x":{"file_id":""}}`},
		{name: "longer than any", body: `{"file_id":"` + strings.Repeat("x", 2000) + `"}`, names: []string{"files/?"}},
		{name: "an item", body: `{"input":[{"type":"item_reference","id":"msg_1"},{"id":"rs_1"},{"id":"rs_2","type":null}]}`, names: []string{"items/msg_1", "items/rs_1", "items/rs_2"}},
		{name: "an item, in other letters and twice", body: `{"\u0069nput":[{"id":"msg_1","type":"message","\u0069d":"msg_2","type":"item\u005freference"}]}`, names: []string{"items/msg_1", "items/msg_2"}},
		{name: "items that are added to a conversation", body: `{"items":[{"id":"msg_1"}]}`, names: []string{"items/msg_1"}},
		{name: "items in full", body: `{"input":[{"type":"message","id":"msg_1","role":"user","content":"x"},{"role":"user","id":"x","content":"y"},{"type":"function_call_output","id":"fc_1"},"text",7]}`},
		{name: "images by the IDs of their calls", body: `{"input":[{"type":"image_generation_call","id":"ig_1"},{"id":"ig_2","result":null,"type":"image_generation_call"},{"type":"message","id":"ig_3","type":"image_generation_call","result":"x","result":""}]}`, names: []string{"items/ig_1", "items/ig_2", "items/ig_3"}},
		{name: "an image in full", body: `{"input":[{"type":"image_generation_call","id":"ig_1","result":"iVBO"},{"type":"image_generation_call"},{"type":"web_search_call","id":"ws_1","result":null}]}`},
		{name: "a response to compare with", body: `{"prompt_cache_options":{"comparison_response_id":"resp_1"},"x":{"ComparisonResponseId":["resp_2",null]}}`, names: []string{"responses/resp_1", "responses/resp_2"}},
		{name: "vector stores", body: `{"tools":[{"type":"file_search","vector_store_ids":["vs_1","vs_2"]}],"vector_store_id":"vs_3"}`, names: []string{"vector_stores/vs_1", "vector_stores/vs_2", "vector_stores/vs_3"}},
		{name: "containers", body: `{"tools":[{"type":"code_interpreter","container":"cntr_1"},{"type":"shell","environment":{"type":"container_reference","container_id":"cntr_2"}}]}`, names: []string{"containers/cntr_1", "containers/cntr_2"}},
		{name: "a container that is to be made", body: `{"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["file-1"]}}]}`, names: []string{"files/file-1"}},
		{name: "what an answer cites of a container", body: `{"input":[{"role":"assistant","content":[{"annotations":[{"type":"container_file_citation","container_id":"cntr_1","file_id":"cfile_1"}]}]}]}`, names: []string{"containers/cntr_1"}},
		{name: "the same in other letters", body: `{"input":[{"content":[{"annot\u0061tions":[{"container_id":"cntr_1","file_id":"\u0063file_1"},{"file_id":"file-1"}]}]}],"x":{"annotations":null}}`, names: []string{"containers/cntr_1", "files/file-1"}},
		{name: "a file of a container that nothing cites", body: `{"input":[{"annotations":[{"file_id":"cfile_1"}],"content":[{"type":"input_file","file_id":"cfile_2"}]}],"tools":[{"container":{"file_ids":["cfile_3","cfile_2"]}}]}`, names: []string{"items/cfile_2", "items/cfile_3"}},
		{name: "annotations within one another", body: `{"annotations":[{"annotations":[{"file_id":"cfile_1"}],"file_id":"file-1"}],"file_id":"cfile_2"}`, names: []string{"files/file-1", "items/cfile_2"}},
		{name: "thoughts by their IDs", body: `{"input":[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"x"}]},{"type":"reasoning","id":"rs_2","encrypted_content":null,"content":[ ]},{"type":"reasoning","id":"rs_3","encrypted_content":"x","encrypted_content":""}]}`, names: []string{"items/rs_1", "items/rs_2", "items/rs_3"}},
		{name: "thoughts in full", body: `{"input":[{"type":"reasoning","id":"rs_1","encrypted_content":"gAAA","summary":[]},{"type":"reasoning","id":"rs_2","content":[{"type":"reasoning_text","text":"x"}]},{"type":"reasoning","summary":[]}]}`},
		{name: "a message's container", anthropic: true, body: `{"container":"container_1"}`, names: []string{"containers/container_1"}},
		{name: "a message's container with skills", anthropic: true, body: `{"container":{"id":"container_1","skills":[{"type":"custom","skill_id":"skill_1"}]}}`, names: []string{"containers/container_1"}},
		{name: "a message's tool is called with items", anthropic: true, body: `{"messages":[],"items":[{"id":"x"}],"input":[{"id":"y"}]}`},
		{name: "the schema of one", body: `{"type":{"const":"item_reference"},"text":"item_reference"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			names, err := Read([]byte(c.body), c.anthropic)
			require.NoError(t, err)
			assert.Equal(t, c.names, names)
		})
	}
}

func TestMost(t *testing.T) {
	var b strings.Builder
	for i := range Most {
		fmt.Fprintf(&b, `{"file_id":"file-%d"},`, i)
	}
	names, err := Read([]byte(`{"input":[`+b.String()+`{}]}`), false)
	require.NoError(t, err)
	assert.Len(t, names, Most)
	_, err = Read([]byte(`{"input":[`+b.String()+`{"file_id":"file-more"}]}`), false)
	assert.ErrorIs(t, err, ErrMany)
}

// A large body that names one thing over and over takes no memory for each time.
func TestNamesAreNotCopied(t *testing.T) {
	race.Skip(t)
	for _, unit := range []string{
		`{"type":"item_reference","id":"x"},`, `{"id":"x"},`, `{"file_id":"file-x"},`, `{"file_id":"cfile_x"},`, `{"annotations":[{"file_id":"cfile_x"}]},`,
		`{"container":{"id":"x"}},`, `{"arguments":"x"},`, `{"a member of a name that is longer than most":"x","file_id":""},`,
	} {
		body := []byte(`{"vector_store_id":"","input":[` + strings.Repeat(unit, 4<<20/len(unit)) + `{}]}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(body, false)
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), unit)
	}
}

// Whatever is JSON is read to its end: nothing else comes here.
func FuzzRead(f *testing.F) {
	for _, text := range []string{`{"file_id":"a"}`, `{"a":"\""}`, `""`, `{"input":[{"id":"a"}]}`, `{"container":{"id":"a"}}`, `{"file_ids":["a"]}`, `{"input":null}`, `{"type":"item_reference"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			t.Skip("not JSON")
		}
		_, _ = Read(text, false)
		_, _ = Read(text, true)
	})
}
