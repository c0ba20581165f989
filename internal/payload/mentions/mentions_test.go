package mentions

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, body string
		anthropic  bool
		files      []string
		items      bool
	}{
		{name: "nothing", body: `{"model":"m","messages":[{"role":"user","content":"Hello"}]}`},
		{name: "a response's", body: `{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"},{"type":"input_image","file_id" : "file-2"}]}]}`, files: []string{"files/file-1", "files/file-2"}},
		{name: "a chat's", body: `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}},{"type":"file","file":{"file_id":"file-1"}}]}]}`, files: []string{"files/file-1"}},
		{name: "a batch's", body: `{"input_file_id":"file-1","endpoint":"/v1/chat/completions"}`, files: []string{"files/file-1"}},
		{name: "a tool's", body: `{"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["file-1" , "file-2",3]}}]}`, files: []string{"files/file-1", "files/file-2"}},
		{name: "a message's", anthropic: true, body: `{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_1"}},{"type":"container_upload","file_id":"file_2"}]}]}`, files: []string{"files/file_1", "files/file_2"}},
		{name: "names in other letters", body: `{"\u0066ile_id":"file-\u0031"}`, files: []string{"files/file-1"}},
		{name: "said, not meant", body: `{"messages":[{"role":"user","content":"\"file_id\":\"file-1\""}],"instructions":"\\"}`},
		{name: "a tool is called with one", anthropic: true, body: `{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"file_id":"file_1"}}]}],"tools":[{"name":"x","input_schema":{"default":{"file_id":"y"}}}]}`},
		{name: "a function is, and behind it one is meant", body: `{"input":[{"type":"function_call","arguments":"{\"file_id\":\"x\"}"}],"metadata":{"file_id":"y"},"a":{"file_id":"file-1"}}`, files: []string{"files/file-1"}},
		{name: "none", body: `{"file_id":null,"file_ids":{"a":1},"x":{"file_id":""}}`},
		{name: "longer than any", body: `{"file_id":"` + strings.Repeat("x", 2000) + `"}`, files: []string{"files/?"}},
		{name: "an item", body: `{"input":[{"type":"item_reference","id":"msg_1"}]}`, items: true},
		{name: "the schema of one", body: `{"type":{"const":"item_reference"},"text":"item_reference"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, items, err := Read([]byte(c.body), c.anthropic)
			require.NoError(t, err)
			assert.Equal(t, c.files, files)
			assert.Equal(t, c.items, items)
		})
	}
}

func TestMost(t *testing.T) {
	var b strings.Builder
	for i := range Most {
		fmt.Fprintf(&b, `{"file_id":"file-%d"},`, i)
	}
	files, _, err := Read([]byte(`{"input":[`+b.String()+`{}]}`), false)
	require.NoError(t, err)
	assert.Len(t, files, Most)
	_, _, err = Read([]byte(`{"input":[`+b.String()+`{"file_id":"file-more"}]}`), false)
	assert.ErrorIs(t, err, ErrMany)
}

// Whatever is no JSON is read to its end too.
func FuzzRead(f *testing.F) {
	for _, text := range []string{`{"file_id":"a"}`, `{"a":"\"`, `"`, `{"file_ids":[`, `{"input":`, `{"type":"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _, _ = Read(text, false)
		_, _, _ = Read(text, true)
	})
}
