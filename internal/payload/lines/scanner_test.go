package lines

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scan returns what a file refers to, read in pieces of at most so many bytes, by a scanner of its own
// each.
func scan(t *testing.T, rule Rule, file string, most int) (names []string, unreadable bool) {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(len(file)), uint64(most)))
	found := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	s := &Scanner{Rule: rule, Found: found}
	for rest := file; rest != ""; {
		n := min(len(rest), 1+random.IntN(most))
		_, err := s.Write([]byte(rest[:n]))
		require.NoError(t, err)
		rest = rest[n:]
		state := s.State()
		assert.Less(t, len(state), 6<<10)
		s = &Scanner{Rule: rule, Found: found}
		require.NoError(t, s.Resume(state))
	}
	s.End()
	return names, s.Unreadable()
}

// A reference is found in whatever pieces its file comes, and however it is spelt.
func TestScan(t *testing.T) {
	long := strings.Repeat("word ", 4000)
	media := `{"request":{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"` + strings.Repeat("iVBORw0KGgo/", 1500) + `"}},%]}]}}` + "\n"
	in := func(part string) string { return strings.Replace(media, "%", part, 1) }
	for file, want := range map[string][]string{
		in(`{"fileData":{"fileUri":"files/a"}}`):                                                                                     {"files/a"},
		in(`{"file_data":{"file_uri":"https://generativelanguage.googleapis.com/v1beta/files/a"}}`):                                  {"files/a"},
		in(`{"fileData":{"file\u0055ri":"\u0066iles\/a"}}`):                                                                          {"files/a"},
		in(`{"fileData":{"fileUri":"files%2Fa"}}`):                                                                                   {"files/a"},
		in(`{"fileData":{"fileUri":" https://GenerativeLanguage.googleapis.com//v1beta/x/../files/a?alt=media"}}`):                   {"files/a"},
		in(`{"text":"` + long + `"},{"x":"files/a"}`):                                                                                {"files/a"}, // whatever the member is called
		in(`{"fileData":{"fileUri":"https://h/` + strings.Repeat("x", maxText) + `/v1beta/files/a"}}`):                               {"files/a"},
		in(`{"fileData":{"fileUri":"https://h/v1beta/files/a?` + strings.Repeat("x", maxText) + `"}}`):                               {"files/a"},
		`{"request":{"cachedContent":"cachedContents/b"}}` + "\n" + in(`{"x":1}`) + `{"request":{"fileData":{"fileUri":"files/c"}}}`: {"cachedContents/b", "files/c"},
		`{"request":{"tools":[{"fileSearch":{"fileSearchStoreNames":["fileSearchStores/a","fileSearchStores/b"]}}]}}`:                {"fileSearchStores/a", "fileSearchStores/b"},
		in(`{"text":"see files/a, \"files/b\" and 'files/c' of ` + long + ` files/d"}`):                                              nil, // that is prose
		`{"key":"a/files/b","request":{"fileData":{"displayName":"docs/files/x"}}}`:                                                  nil,
		// Other parsers find other strings.
		in(`{'fileData':{'fileUri':'files/a'}}`):                                                {"files/a"},
		in(`{fileData:{fileUri:"https://generativelanguage.googleapis.com/v1beta/files%2Fa"}}`): {"files/a"},
		in(`{"text":"a ` + "\n" + `b"},{"x":"files/a"}`):                                        {"files/a"},
		in(`{"x":1 /* " */,"fileUri":'files/a'}`):                                               {"files/a"},
		in(`{"x":"\q"},{"fileUri":"\U0066iles/a"}`):                                             {"files/a"},
		in(`{"x":1} // ` + long + "\n" + `,{"fileUri":"fi\les\/a"}`):                            {"files/a"},
		"\uFEFF" + in(`{"fileUri":"https://h/`+strings.Repeat("x", 3*maxEnd)+`/v1/files/a"}`):   {"files/a"},
	} {
		for _, most := range []int{1, 7, 499, 1 << 20} {
			if most < 100 && len(file) > 1000 {
				continue // it takes long
			}
			names, unreadable := scan(t, Gemini, file, most)
			assert.Equal(t, want, names, "%d: %.300s", most, file[max(0, len(file)-300):])
			assert.False(t, unreadable, "%.300s", file)
		}
	}
	for _, file := range []string{"%PDF-1.7\n\x00\x01", "\x89PNG\r\n\x1a\n", "{\"a\":\"\x00\"}", "\xff\xfe{\x00}\x00", "{\"a\":\"\xff\"}", "{'a':\xfe}", "--x\nContent-Transfer-Encoding: Base64\n\nAAAA"} {
		_, unreadable := scan(t, Gemini, file, 2)
		assert.True(t, unreadable, "%q", file)
	}
}

// OpenAI's files are named by IDs alone, so the member counts; and what it goes on from.
func TestScanForOpenAI(t *testing.T) {
	line := func(body string) string {
		return `{"custom_id":"file-1","method":"POST","url":"/v1/responses","body":` + body + "}\n"
	}
	const conv, resp = "conv_68cdaf5b2e7c81", "resp_67ccd2bed1ec8190b14f964abc054267"
	for file, want := range map[string][]string{
		line(`{"input":[{"content":[{"type":"input_file","file_id":"file-a"}]}]}`):   {"files/file-a"},
		line(`{"tools":[{"container":{"file_ids":["file-a", "file-b"]}}]}`):          {"files/file-a", "files/file-b"},
		line(`{"messages":[{"content":[{"file":{"file\u005fid":"file\u002da"}}]}]}`): {"files/file-a"},
		line(`{"previous_response_id":"resp_1"}`):                                    {"responses/resp_1"},
		line(`{"previous_response_id":[null,["resp_1"]]}`):                           {"responses/resp_1"},
		line(`{"previousResponseID":{"x":1,"y":"resp_1"},"fileId":"file-a"}`):        {"files/file-a"},
		line(`{"PREVIOUS_RESPONSE_ID":"resp_1","Conversation":["conv_1"]}`):          {"responses/resp_1", "conversations/conv_1"},
		line(`{"file_ids":[{"id":"file-68cdaf5b2e7c81f0"}],"Input_File_ID":["f"]}`):  {"files/file-68cdaf5b2e7c81f0", "files/f"},
		line(`{"prompt_cache_options":{"comparison_response_id":"resp_1"}}`):         {"responses/resp_1"},
		line(`{"conversation":"conv_1"}`):                                            {"conversations/conv_1"},
		line(`{"conversation":{"x":{"y":1},"id":"` + conv + `"}}`):                   {"conversations/" + conv},
		line(`{"x":"` + resp + `"}`):                                                 {"responses/" + resp},
		line(`{"input":"file-a, resp_1"}`) + line(`{"file_id":null,"x":"file-b"}`):   nil,
		line(`{"file_id":"","x":{"y":"file-b"}}`):                                    nil,
		// Behind what stands in a list of names, and is none or has members.
		line(`{"file_ids":[{"x":"a"},"file-a"]}`):                                                               {"files/file-a"},
		line(`{"file_ids":[[{"x":["a",{"y":"b"}]}],1,["file-a"]],"y":"file-b"}`):                                {"files/file-a"},
		line(`{"vector_store_ids":[{"x":{"id":"a"}},"vs_1",{"x":"a","id":"vs_2","y":"b"}]}`):                    {"vector_stores/vs_1", "vector_stores/vs_2"},
		line(`{"container":{"x":[],"id":"cntr_1"},"previous_response_id":[{"x":"a"},"resp_1"]}`):                {"containers/cntr_1", "responses/resp_1"},
		line(`{"conversation":{"x":[{"id":"a"}],"id":"conv_1"}}`) + line(`{"x":["file-a"]}`):                    {"conversations/conv_1"},
		line(`{"vector_store_ids":[{"id":["vs_1"]},{"id":{"x":"a","id":"vs_2"}}],"file_id":{"id":["file-a"]}}`): {"vector_stores/vs_1", "vector_stores/vs_2", "files/file-a"},
		// Some parsers take numbers that JSON doesn't have, escapes, and control characters.
		line(`{"x":"a` + "\t" + `b","file_id":"file-a"}`):                            {"files/file-a"},
		line(`{"x":"a\'\q","file_id":"fi\le-a"}`):                                    {"files/file-a"},
		line(`{"x":NaN,"file_id":"file-a"}`):                                         {"files/file-a"},
		line(`{"x":[-Infinity,Infinity],"previous_response_id":"resp_1"}`):           {"responses/resp_1"},
		line(`{"x":"a","file_ids":[NaN,"file-a"],"y":Infinity,"id":"` + resp + `"}`): {"files/file-a", "responses/" + resp},
		"]}" + line(`{"x":[`) + line(`{"file_ids":[{"x":"a"},"file-a"]}`):            {"files/file-a"},
	} {
		for _, most := range []int{1, 7, 1 << 20} {
			names, unreadable := scan(t, OpenAI, file, most)
			assert.Equal(t, want, names, "%d: %s", most, file)
			assert.False(t, unreadable)
		}
	}
	// No provider reads what is so deep.
	_, unreadable := scan(t, OpenAI, line(strings.Repeat("[", maxDepth)+strings.Repeat("]", maxDepth)), 7)
	assert.True(t, unreadable)
	// Uploads are forms, and lines that are no JSON are the provider's to refuse.
	form := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{a.jsonl\"\r\n%s\r\n" +
		line(`{'x':"`) + line(`{"x":"a`+"\n") + "--{\n" + line(`{"file_id":"file-a"}`) + "\r\n--x--\r\n"
	for _, most := range []int{1, 7, 1 << 20} {
		names, unreadable := scan(t, OpenAI, fmt.Sprintf(form, ""), most)
		assert.Equal(t, []string{"files/file-a"}, names)
		assert.False(t, unreadable)
		_, unreadable = scan(t, OpenAI, fmt.Sprintf(form, "content-Transfer-encoding: base64\r\n"), most)
		assert.True(t, unreadable)
	}
}

// What is kept of a file between two pieces is at most the string in which one ends, and nothing of a
// prompt.
func TestStateHoldsNoPrompt(t *testing.T) {
	s := &Scanner{Rule: Gemini, Found: func(string) {}}
	for _, piece := range []string{`{"request":{"contents":[{"parts":[{"text":"The secret is`, ` out`} {
		_, err := s.Write([]byte(piece))
		require.NoError(t, err)
		assert.NotContains(t, string(s.State()), "VGhlIHNlY3Jld") // in base64
		assert.Less(t, len(s.State()), 100)
	}
}

// What readers of URLs leave out parts no name, wherever what is looked through together ends.
func TestLooseNamesInPieces(t *testing.T) {
	for _, name := range []string{"files/abc", "fi\tles/abc", "f\v\fi\rles/a\tbc", "fil\x7fes/\x7fabc", "fi\nles/a\nbc", `fi\tles\/abc`, "%66iles/abc"} {
		for pad := range 2 * len(name) {
			file := "{'x':'" + strings.Repeat("a b ", maxText/4-10) + strings.Repeat("c", pad+20-len(name)/2) + "','fileUri':'" + name + "'}" + strings.Repeat(" ", 100)
			names, unreadable := scan(t, Gemini, file, 1<<20)
			assert.False(t, unreadable)
			assert.Contains(t, names, "files/abc", "%q behind %d", name, pad)
		}
	}
}
