package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/resources"
)

func TestReadReferences(t *testing.T) {
	for body, want := range map[string]References{
		`{}`:                    {},
		`{"a":{"text":"abcd"}}`: {texts: 4},
		`{"a":["ab","cd"],"b":[[["ef"]]],"c":1e999,"d":null,"e":true}`:                   {texts: 6},
		`{"inlineData":{"data":"AAAA","mimeType":"image/png"}}`:                          {Media: true, images: 1},
		`{"inline_data":{"mime_type":"application/pdf","data":"AAAAAAAA"}}`:              {Media: true, documents: 6},
		`{"fileData":{"fileUri":"files/a"},"x":{"file_uri":"files/a"}}`:                  {Media: true, Resources: []string{"files/a"}},
		`{"cachedContent":"cachedContents/b"}`:                                           {Media: true, Resources: []string{"cachedContents/b"}},
		`{"file\u0055ri":"files/a"}`:                                                     {Media: true, Resources: []string{"files/a"}},
		`{"image_url":{"url":"data:image/png;base64,AAAA"}}`:                             {Media: true, images: 1},
		`{"image_url":{"url":"https://example.com/a.png"}}`:                              {Media: true, images: 1},
		`{"input_audio":{"data":"AAAA","format":"wav"}}`:                                 {Media: true, documents: 3, texts: 3},
		`{"file":{"file_data":"data:application/pdf;base64,AAAA"}}`:                      {Media: true, documents: 24},
		`{"url":"https://example.com"}`:                                                  {texts: 19},
		`{"functionCall":{"args":{"fileUri":"files/a","data":"x"}}}`:                     {texts: 19},
		`{"functionResponse":{"response":{"a":[{"cachedContent":"cachedContents/a"}]}}}`: {texts: 30},
		`{"tools":[{"fileSearch":{"fileSearchStoreNames":["fileSearchStores/a"]}}]}`:     {Stores: true, Resources: []string{"fileSearchStores/a"}, texts: 18},
		`{"tools":[{"file_search":{"file_search_store_names":["fileSearchStores/a"]}}]}`: {Stores: true, Resources: []string{"fileSearchStores/a"}, texts: 18},
		`{"functionCall":{"args":{"fileSearch":{"a":"b"}}}}`:                             {texts: 12},
		// The bytes of multimodal answers of functions do count.
		`{"functionResponse":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}`: {Media: true, images: 1},
	} {
		got, err := ReadReferences([]byte(body))
		require.NoError(t, err, body)
		assert.Equal(t, want, *got, body)
	}
	for _, body := range []string{
		``, ` `, `null`, `[]`, `"x"`, `1`, `{`, `{}{}`, `{"a":}`, `{"a":1,}`, `{a:1}`, "\uFEFF{}",
		strings.Repeat(`{"a":`, 1000) + `1` + strings.Repeat(`}`, 1000), `{"a":` + strings.Repeat(`[`, 1000) + strings.Repeat(`]`, 1000) + `}`,
	} {
		_, err := ReadReferences([]byte(body))
		assert.Error(t, err, "%.40q", body)
	}
}

func TestResourceName(t *testing.T) {
	for text, want := range map[string]string{
		"files/abc-1": "files/abc-1", "cachedContents/a_B": "cachedContents/a_B",
		"https://generativelanguage.googleapis.com/v1beta/files/abc":          "files/abc",
		"https://generativelanguage.googleapis.com/v1/files/abc?alt=media":    "files/abc",
		"http://127.0.0.1:8080/prefix/v1beta/files/abc#x":                     "files/abc",
		"https://generativelanguage.googleapis.com/v1beta/files/abc:download": "",
		"https://example.com/files/abc":                                       "",
		"https://example.com/?x=/v1beta/files/abc":                            "",
		"gs://bucket/v1beta/files/abc":                                        "",
		"files/":                                                              "", "files/a/b": "", "files/..": "", "files/a%2fb": "", "xfiles/a": "", "": "",
		"files/" + strings.Repeat("a", 129): "",
	} {
		assert.Equal(t, want, ResourceName(text), text)
	}
}

// Whatever is found in bodies is of a kind whose callers are known.
func TestKindsHaveCallers(t *testing.T) {
	for _, kind := range resourceKinds {
		k, ok := strings.CutSuffix(kind, "/")
		assert.True(t, ok && slices.ContainsFunc(resources.Kinds, func(x resources.Kind) bool { return x.Name == k && x.Mentioned }), kind)
	}
}

// A reference is found however it is spelled, wherever upstream might read one. What is
// found too much costs its caller an answer, what is missed is read with another's key.
func TestReferencesInAnySpelling(t *testing.T) {
	const file = `{"fileData":{"fileUri":"%s"}}`
	for _, spelling := range []string{
		"files/abc", " files/abc ", "/files/abc", "/v1beta/files/abc", "v1beta/files/abc", "FILES/abc", "Files/abc", "files//abc", `files\\abc`,
		`files\/abc`, `\u0066iles\u002fabc`, "%66iles/abc", "files%2Fabc", "files/%61bc", "files%252fabc", `fi\nles/abc`, `files/\tabc`, `files/abc\u0000`,
		"files/abc:download", "files/abc:download?alt=media", "files/abc/", "files/abc/../abc", "files/abc?x#y", "files/abc.", "x?name=files/abc",
		"https://generativelanguage.googleapis.com/v1beta/files/abc", "HTTPS://generativelanguage.googleapis.com/v1beta/files/abc",
		"https://GenerativeLanguage.GoogleAPIs.com:443/v1beta//files/abc:download?alt=media", "https://generativelanguage.googleapis.com./files/abc",
		"https://generativelanguage.google%61pis.com/v1beta/files/abc", "https://user@generativelanguage.googleapis.com/v1beta/files/abc",
		"generativelanguage.googleapis.com/v1beta/files/abc", "//generativelanguage.googleapis.com/v1beta/files/abc", "ftp://generativelanguage.googleapis.com/files/abc",
		"https://generativelanguage.googleapis.com/download/v1beta/files/abc:download", "http://127.0.0.1:8080/v1beta/files/abc:download",
	} {
		m, err := ReadReferences([]byte(strings.ReplaceAll(file, "%s", spelling)))
		require.NoError(t, err, spelling)
		assert.Contains(t, m.Resources, "files/abc", spelling)
		assert.True(t, m.Media, spelling)
		// Nor does it matter whether that is JSON of the standard, Google's, or neither.
		for _, form := range []string{`{"fileData":{"fileUri":"%s"},}`, `{'fileData':{'fileUri':'%s'}}`, "\uFEFF" + file, file + file, "[" + file + "]", file + "\x00", "/**/" + file} {
			b, err := Read([]byte(strings.ReplaceAll(form, "%s", spelling)), plenty)
			require.NoError(t, err, form)
			assert.Contains(t, b.References.Resources, "files/abc", "%s in %q", spelling, form)
		}
	}
	for _, form := range []string{"%s", "\uFEFF%s"} {
		for size := 1; size <= 4; size *= 2 {
			var wide []byte // UTF-16 and UTF-32
			for _, r := range strings.ReplaceAll(form, "%s", `{"fileUri":"files/abc"}`) {
				wide = append(append(wide, byte(r), byte(r>>8)), 0, 0)[:len(wide)+size]
			}
			b, err := Read(wide, plenty)
			require.NoError(t, err)
			if size > 1 || form == "%s" {
				assert.Contains(t, b.References.Resources, "files/abc", "%q", wide)
			}
		}
	}
	for _, form := range []string{`{"fileUri":"%s","a":1,}`, `{"fileUri":"%s"`} {
		b, err := Read([]byte(strings.ReplaceAll(form, "%s", "x/"+strings.Repeat("x", 3000)+"/../files/abc")), plenty)
		require.NoError(t, err)
		assert.Contains(t, b.References.Resources, "files/abc", form)
	}
	for _, body := range []string{
		`{"fileUri":"files/abc","fileUri":"x"}`, `{"fileUri":"x","fileUri":"files/abc"}`, `{"FileUri":"files/abc"}`, `{"FILE_URI":"files/abc"}`,
		`{"fileUri":["files/abc"]}`, `{"fileData":[[{"file_uri":"files/abc"}]]}`, `{"generateContentRequest":{"contents":[{"parts":{"fileData":{"fileUri":"files/abc"}}}]}}`,
		`{"messages":[{"content":[{"type":"file","file":{"file_id":"files/abc"}}]}]}`, `{"messages":[{"content":[{"image_url":{"url":"https://generativelanguage.googleapis.com/v1beta/files/abc"}}]}]}`,
		`{"messages":[{"content":[{"image_url":"files/abc"}]}]}`, `{"input_file":{"file_url":"files/abc"}}`, `{"inputConfig":{"file_name":"files/abc"}}`,
		`{"fi_leu_ri":"files/abc"}`, `{"a":{"_u__r_i_":"files/abc"}}`, `{"ca_ched_content":"files/abc"}`, `{"fi_leNa_me":"files/abc"}`,
		`{"functionResponse":{"parts":[{"fileData":{"fileUri":"files/abc"}}]}}`, `{"a":"files/abc:download","b":1,}`, `{"a":"HTTPS://x.googleapis.com/files/abc",}`,
	} {
		b, err := Read([]byte(body), plenty)
		require.NoError(t, err, body)
		assert.Contains(t, b.References.Resources, "files/abc", body)
	}
	for _, text := range []string{
		"https://example.com/files/abc", "https://www.youtube.com/watch?v=files/x", "gs://bucket/files/x", "profiles/abc", "files/", "files/..", "files/%2e%2e", "my-files/abc",
	} {
		m, err := ReadReferences([]byte(strings.ReplaceAll(file, "%s", text)))
		require.NoError(t, err, text)
		assert.Empty(t, m.Resources, text)
	}
	for _, body := range []string{
		`{"text":"files/abc"}`, `{"displayName":"files/abc"}`, `{"file":{"filename":"data/files/report.pdf"}}`, `{"args":{"fileUri":"files/abc"}}`,
		`{"contents":["files/abc"]}`, `{"text":"see https://generativelanguage.googleapis.com/v1beta/files/abc",}`,
	} {
		b, err := Read([]byte(body), plenty)
		require.NoError(t, err, body)
		assert.Empty(t, b.References.Resources, body)
	}
}

func seeds(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "relay", "*"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
}

// FuzzReadReferences: it takes exactly what encoding/json takes for one object, so
// nothing goes upstream unread.
func FuzzReadReferences(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := ReadReferences(body)
		var fields map[string]json.RawMessage
		valid := json.Unmarshal(body, &fields) == nil && fields != nil
		if err == nil && !valid {
			t.Fatal("it takes what is no object")
		}
		if err != nil && valid && !strings.Contains(err.Error(), errTooDeep.Error()) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		for _, name := range m.Resources {
			if ResourceName(name) != name || strings.ContainsAny(name, ".%?#\\ ") {
				t.Fatalf("resource %q", name)
			}
		}
		if m.Estimate() < 1 || m.texts < 0 || m.documents < 0 {
			t.Fatal("negative size")
		}
	})
}

// FuzzRenameModel: of a body's members only "model" changes, and of the bytes
// only its value.
func FuzzRenameModel(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := ReadReferences(body); err != nil {
			return
		}
		in, err := readChat(body)
		if err != nil {
			return
		}
		out, err := renameModel(body, "gemini-x")
		if err != nil {
			t.Fatal(err)
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal(body, &before) != nil || json.Unmarshal(out, &after) != nil {
			t.Fatalf("no object any more: %q", out)
		}
		members := len(before)
		isModel := func(name string, _ json.RawMessage) bool { return Spells([]byte(name), "model") }
		maps.DeleteFunc(before, isModel)
		maps.DeleteFunc(after, isModel)
		if len(before) < members {
			again, err := readChat(out)
			if err != nil || strings.TrimPrefix(again.Model, "models/") != "gemini-x" {
				t.Fatalf("model %q: %v", again.Model, err)
			}
		} else if in.Model != "" {
			t.Fatal("a model from nowhere")
		}
		if len(before) != len(after) {
			t.Fatalf("members lost: %q", out)
		}
		for name, value := range before {
			if !bytes.Equal(value, after[name]) {
				t.Fatalf("%q changed", name)
			}
		}
		// What it was is what comes back, byte for byte.
		if before["model"] == nil && in.Model != "" && len(out) < len(body)-maxModelName-len(in.Model)*6 {
			t.Fatal("bytes lost")
		}
	})
}

// Which of two members of one name upstream takes isn't known, or whether it takes
// both: all are counted.
func TestCountsAreOfAllMembers(t *testing.T) {
	for body, want := range map[string]int64{
		`{"requests":[{},{}]}`: 2,
		`{"requests":[{},{},{}],"a":{"requests":[{}]},"requests":[{}]}`: 4,
		`{"requests":[{},{}],"re\u0071uests":[{}],"requests":null}`:     3,
		`{"requests":[{}],"Requests":[{},{}],"req_uests":[{}]}`:         4,
		`{"requests":{"a":1}}`: 1, // as protobuf's parsers may take one for a list of one
		// These are upstream's to refuse.
		`{"requests":[]}`: 1, `{"requests":7}`: 1, `{}`: 1, ``: 1, `hello`: 1,
		`{"requests":[{},{},{}`: 3, // at most
	} {
		assert.Equal(t, want, bodyOf([]byte(body)).CountTexts(), body)
	}
	for body, want := range map[string]int64{
		`{"input":"a"}`:                   1,
		`{"input":["a","b"],"input":"c"}`: 3,
		`{"input":"c","input":["a","b"]}`: 3,
		`{"input":"c","Input":["a","b"]}`: 3,
		`{"input":""}`:                    0, `{"input":[]}`: 0, `{}`: 0,
	} {
		in, err := readChat([]byte(body))
		require.NoError(t, err, body)
		n, err := in.CountInputs()
		assert.Equal(t, want, n, body)
		assert.Equal(t, want == 0, err != nil, body)
	}
}

// FuzzCounts: texts are counted, and media are read, without a panic.
func FuzzCounts(f *testing.F) {
	seeds(f)
	f.Add([]byte(`{"requests":[{},{}]}`))
	f.Add([]byte(`data:image/png;base64,iVBORw0KGgo=`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if n := bodyOf(body).CountTexts(); n < 1 || n > int64(max(1, len(body))) {
			t.Fatal(n)
		}
		if n, err := (&Chat{inputs: inputsOf(body)}).CountInputs(); err == nil && (n < 1 || n > int64(len(body))) {
			t.Fatal(n)
		}
		if media, err := parseMedia(body); err == nil {
			var r Rope
			r.AddMedia(media)
			data, err := base64.StdEncoding.DecodeString(string(flat(&r)))
			if err != nil || len(data) == 0 || len(data) > len(body) {
				t.Fatal(len(data), err)
			}
		}
		if in, err := readChat(body); err == nil {
			if all, _ := in.Pieces(); len(all) == 0 {
				t.Fatal("a prompt without parts can't be counted")
			}
		}
	})
}

// A name is found however long underscores and escapes make it.
func TestLongNames(t *testing.T) {
	escaped := func(name string) (out string) {
		for _, c := range name {
			out += fmt.Sprintf(`\u%04x`, c)
		}
		return out
	}
	for _, long := range []string{strings.Repeat("_", 2*maxName), escaped(strings.Repeat("_", maxName))} {
		for _, name := range []string{"model" + long, "mo" + long + "del", escaped("mo") + long + escaped("del")} {
			for text, known := range map[string]bool{
				`{"model":"a","` + name + `":"b"}`: true,
				`{'model':'a',"` + name + `":"b"}`: false,
			} {
				body, err := Read([]byte(text), func(int64) error { return nil })
				require.NoError(t, err)
				assert.Equal(t, known, body.JSON != nil)
				if !known {
					continue
				}
				in, err := body.Chat()
				require.NoError(t, err)
				assert.Equal(t, "b", in.Model, "the last counts")
				renamed, err := body.Rename("c")
				require.NoError(t, err)
				out, err := io.ReadAll(renamed.Open())
				require.NoError(t, err)
				assert.Equal(t, 2, strings.Count(string(out), `"c"`))
			}
		}
		for _, name := range []string{escaped("file") + long + escaped("Uri"), escaped("fileUri") + long} {
			refs, err := ReadReferences([]byte(`{"contents":[{"parts":[{"fileData":{"` + name + `":"files/hers"}}]}]}`))
			require.NoError(t, err)
			assert.Equal(t, []string{"files/hers"}, refs.Resources)
		}
	}
}
