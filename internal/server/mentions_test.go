package server

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadMentions(t *testing.T) {
	for body, want := range map[string]mentions{
		`{}`:                    {},
		`{"a":{"text":"abcd"}}`: {texts: 4},
		`{"a":["ab","cd"],"b":[[["ef"]]],"c":1e999,"d":null,"e":true}`:                   {texts: 6},
		`{"inlineData":{"data":"AAAA","mimeType":"image/png"}}`:                          {media: true, images: 1},
		`{"inline_data":{"mime_type":"application/pdf","data":"AAAAAAAA"}}`:              {media: true, documents: 6},
		`{"fileData":{"fileUri":"files/a"},"x":{"file_uri":"files/a"}}`:                  {media: true, resources: []string{"files/a"}},
		`{"cachedContent":"cachedContents/b"}`:                                           {media: true, resources: []string{"cachedContents/b"}},
		`{"file\u0055ri":"files/a"}`:                                                     {media: true, resources: []string{"files/a"}},
		`{"image_url":{"url":"data:image/png;base64,AAAA"}}`:                             {media: true, images: 1},
		`{"image_url":{"url":"https://example.com/a.png"}}`:                              {media: true, images: 1},
		`{"input_audio":{"data":"AAAA","format":"wav"}}`:                                 {media: true, documents: 3, texts: 3},
		`{"file":{"file_data":"data:application/pdf;base64,AAAA"}}`:                      {media: true, documents: 24},
		`{"url":"https://example.com"}`:                                                  {texts: 19},
		`{"functionCall":{"args":{"fileUri":"files/a","data":"x"}}}`:                     {texts: 19},
		`{"functionResponse":{"response":{"a":[{"cachedContent":"cachedContents/a"}]}}}`: {texts: 30},
		// The bytes of multimodal answers of functions do count.
		`{"functionResponse":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}`: {media: true, images: 1},
	} {
		got, err := readMentions([]byte(body))
		require.NoError(t, err, body)
		assert.Equal(t, want, *got, body)
	}
	for _, body := range []string{
		``, ` `, `null`, `[]`, `"x"`, `1`, `{`, `{}{}`, `{"a":}`, `{"a":1,}`, `{a:1}`, "\uFEFF{}",
		strings.Repeat(`{"a":`, 1000) + `1` + strings.Repeat(`}`, 1000), `{"a":` + strings.Repeat(`[`, 1000) + strings.Repeat(`]`, 1000) + `}`,
	} {
		_, err := readMentions([]byte(body))
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
		assert.Equal(t, want, resourceName(text), text)
	}
}

// Whatever the sizes of its pieces, a tail is the end of what was written, of
// bounded size, and knows the last value of its names.
func TestTail(t *testing.T) {
	for _, size := range []int{1, 7, 4096, 32 << 10, 64 << 10, 300 << 10} {
		var all bytes.Buffer
		end := newTail("usage")
		for i := 0; all.Len() < 400<<10; i++ {
			piece := bytes.Repeat([]byte{'a' + byte(i%26)}, size)
			if i%3 == 0 && all.Len() < 200<<10 {
				piece = append(piece, `"usage":{"n":`+string(rune('1'+i%9))+`}`...)
			}
			all.Write(piece)
			n, err := end.Write(piece)
			if err != nil || n != len(piece) || cap(end.buf) > 4*tailSize || len(end.buf) < min(all.Len(), tailSize) {
				t.Fatalf("pieces of %d: %d bytes of %d kept", size, len(end.buf), all.Len())
			}
		}
		require.True(t, bytes.HasSuffix(all.Bytes(), end.buf))
		var got, want struct{ N int }
		require.True(t, lastObject(all.Bytes(), "usage", &want))
		require.True(t, end.last("usage", &got), size)
		assert.Equal(t, want, got, size)
	}
}

func TestBeginning(t *testing.T) {
	for text, want := range map[string]opening{
		"": undecided, " \r\n": undecided, "[": undecided, "[\n {": undecided, `{"err`: undecided, `{"error"`: undecided, `{"error": `: undecided,
		"d": undecided, "data:": undecided, "event: error": undecided, "ev": undecided, ": hi\n": undecided,
		`{"error": {`: spoiled, "[{\n  \"error\": {": spoiled, "data: {\"error\":{": spoiled, "event: x\ndata:{\"error\":\"x\"}": spoiled,
		`{"error": null`: sound, `{"candidates"`: sound, `data: {"choices"`: sound, "data: [DONE]": sound, "hello": sound, `{"errors"`: sound, "{}": sound, "evil": sound,
	} {
		assert.Equal(t, want, beginning([]byte(text)), "%q", text)
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

// FuzzReadMentions: it takes exactly what encoding/json takes for one object, so
// nothing goes upstream unread.
func FuzzReadMentions(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := readMentions(body)
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
		for _, name := range m.resources {
			if resourceName(name) != name || strings.ContainsAny(name, ".%?#\\ ") {
				t.Fatalf("resource %q", name)
			}
		}
		if m.estimate() < 1 || m.texts < 0 || m.documents < 0 {
			t.Fatal("negative size")
		}
	})
}

// FuzzRenameModel: of a body's members only "model" changes, and of the bytes
// only its value.
func FuzzRenameModel(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := readMentions(body); err != nil {
			return
		}
		in, err := readOpenAI(body)
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
		if _, ok := before["model"]; ok {
			again, err := readOpenAI(out)
			if err != nil || strings.TrimPrefix(again.model, "models/") != "gemini-x" {
				t.Fatalf("model %q: %v", again.model, err)
			}
		} else if in.model != "" {
			t.Fatal("a model from nowhere")
		}
		delete(before, "model")
		delete(after, "model")
		if len(before) != len(after) {
			t.Fatalf("members lost: %q", out)
		}
		for name, value := range before {
			if !bytes.Equal(value, after[name]) {
				t.Fatalf("%q changed", name)
			}
		}
		// What it was is what comes back, byte for byte.
		if before["model"] == nil && in.model != "" && len(out) < len(body)-maxModelName-len(in.model)*6 {
			t.Fatal("bytes lost")
		}
	})
}

// FuzzCounts: texts are counted, and media are read, without a panic.
func FuzzCounts(f *testing.F) {
	seeds(f)
	f.Add([]byte(`{"requests":[{},{}]}`))
	f.Add([]byte(`data:image/png;base64,iVBORw0KGgo=`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := countTexts(body); err == nil && (n < 1 || n > int64(len(body))) {
			t.Fatal(n)
		}
		if n, err := countInputs(body); err == nil && (n < 1 || n > int64(len(body))) {
			t.Fatal(n)
		}
		if part, err := inlinePart(string(body)); err == nil && (len(part.Data) == 0 || len(part.Data) > len(body)) {
			t.Fatal(len(part.Data))
		}
		if in, err := readOpenAI(body); err == nil && len(in.prompt().Parts) == 0 {
			t.Fatal("a prompt without parts can't be counted")
		}
	})
}

// FuzzAnswers: what is read from an answer doesn't depend on how it was cut, and
// nothing in it makes us fail.
func FuzzAnswers(f *testing.F) {
	seeds(f)
	f.Add([]byte(`[{"error":{"code":429}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, pieces := newTail(geminiUsage.names...), newTail(geminiUsage.names...)
		_, _ = whole.Write(text)
		for i := range text {
			_, _ = pieces.Write(text[i : i+1])
		}
		if geminiUsage.read(whole) != geminiUsage.read(pieces) || openAIUsage.read(whole) != openAIUsage.read(pieces) {
			t.Fatal("the pieces matter")
		}
		for i := range min(len(text), 64) {
			if before := beginning(text[:i]); before != undecided && before != beginning(text) {
				t.Fatalf("decided too early at %d", i)
			}
		}
		if beginning(text) == spoiled && bytes.IndexByte(text, '{') < 0 {
			t.Fatal("an error without an object")
		}
		if object := lastError(text); object != nil && !json.Valid(object) {
			t.Fatalf("error %q", object)
		}
		x := &relay{}
		if beginning(text) == spoiled {
			if e := x.refused(text, io.MultiReader(), slot{}); e == nil {
				t.Fatal("no error")
			}
		}
	})
}
