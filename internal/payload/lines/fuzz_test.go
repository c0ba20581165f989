package lines

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/references"
)

// FuzzScan: whatever is found in a body is found in a line of a file, in whatever pieces it comes; and
// behind what isn't JSON of the standard whatever looks like a name.
func FuzzScan(f *testing.F) {
	for _, text := range []string{
		`{"request":{"contents":[{"parts":[{"fileData":{"fileUri":"https://h/v1beta/files/a?x"}}]}]}}`, `{"file\u0055ri":"\u0066iles\/a","b":["files/b",{"c":"cachedContents/d"}]}`,
		`{"fileUri":["files%2Fa"," files/b "],"text":"see \"files/c\""}`, `{"url":{"a":1,"b":"x"},"uri":"//files//x"}`, `{"file_ids":["a","b"],"file_id":"\u0063"}`,
		`{"body":{"input":[{"id":"msg_0123456789abcdef01234567","type":"item_reference"}],"tools":[{"container":{"id":"cntr_0123456789abcdef"},"vector_store_ids":["vs_1"]}]}}`,
		`{'a':'files/a',b:"fi\les/b" /* " */ "files/c"}`, `{"a":"\"}`, `{"cached_content":"cachedContents/a",}`,
	} {
		f.Add([]byte(text), uint64(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, most uint64) {
		has := func(rule Rule, file string, names []string) {
			t.Helper()
			found, unreadable := scan(t, rule, file, int(1+most%64))
			if unreadable {
				return
			}
			all := make(map[string]bool)
			for _, name := range found {
				all[string([]rune(name))] = true // what is no UTF-8 is replaced as encoding/json replaces it
			}
			for _, name := range names {
				if !all[name] {
					t.Fatalf("%q isn't found in %q", name, file)
				}
			}
		}
		if len(text) > 1<<12 {
			return
		}
		// Behind a quote: a name isn't one behind a letter, nor would Google read xfiles/a as a file's.
		has(Gemini, `x"`+string(text), payload.MentionsIn(text))
		if !json.Valid(text) {
			return
		}
		if refs, err := payload.ReadReferences(text); err == nil {
			has(Gemini, string(text), refs.Resources)
		}
		if names, err := references.Read(text, false); err == nil {
			names = slices.DeleteFunc(names, func(name string) bool { // IDs that are none of OpenAI's
				kind, id, _ := strings.Cut(name, "/")
				return kind+"/" == references.Items && !itemID.MatchString(id) || kind+"/" == references.Containers && !containerID.MatchString(id)
			})
			has(OpenAI, string(text), names)
		}
	})
}
