package answers

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever the sizes of its pieces, a tail is the end of what was written, of
// bounded size, and knows the last value of its names.
func TestTail(t *testing.T) {
	for _, size := range []int{1, 7, 4096, 32 << 10, 64 << 10, 300 << 10} {
		var all bytes.Buffer
		end := &Tail{names: []string{`"usage"`}}
		for i := 0; all.Len() < 400<<10; i++ {
			piece := bytes.Repeat([]byte{'a' + byte(i%26)}, size)
			if i%3 == 0 && all.Len() < 200<<10 {
				piece = append(piece, `{"usage":{"n":`+string(rune('1'+i%9))+`}}`...)
			}
			all.Write(piece)
			n, err := end.Write(piece)
			if err != nil || n != len(piece) || cap(end.buf) > 4*tailSize || len(end.buf) < min(all.Len(), tailSize) {
				t.Fatalf("pieces of %d: %d bytes of %d kept", size, len(end.buf), all.Len())
			}
		}
		require.True(t, bytes.HasSuffix(all.Bytes(), end.buf))
		var got, want []byte
		into := func(to *[]byte) func([]byte) bool {
			return func(value []byte) bool { *to = value; return len(value) > 0 }
		}
		require.True(t, lastMember(all.Bytes(), `"usage"`, false, into(&want)))
		require.True(t, end.last(`"usage"`, into(&got)), size)
		assert.Equal(t, want, got, size)
	}
}

func TestOpeningOf(t *testing.T) {
	for text, want := range map[string]Opening{
		"": Undecided, " \r\n": Undecided, "[": Undecided, "[\n {": Undecided, `{"err`: Undecided, `{"error"`: Undecided, `{"error": `: Undecided,
		"d": Undecided, "data:": Undecided, "event: error": Undecided, "ev": Undecided, ": hi\n": Undecided,
		`{"error": {`: Spoiled, "[{\n  \"error\": {": Spoiled, "data: {\"error\":{": Spoiled, "event: x\ndata:{\"error\":\"x\"}": Spoiled,
		`{"error": null`: Sound, `{"candidates"`: Sound, `data: {"choices"`: Sound, "data: [DONE]": Sound, "hello": Sound, `{"errors"`: Sound, "{}": Sound, "evil": Sound,
	} {
		assert.Equal(t, want, OpeningOf([]byte(text)), "%q", text)
	}
}

func seeds(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("..", "testdata", "relay", "*"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
}

// FuzzAnswers: what is read from an answer doesn't depend on how it was cut, and
// nothing in it makes us fail.
func FuzzAnswers(f *testing.F) {
	seeds(f)
	f.Add([]byte(`[{"error":{"code":429}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, pieces := NewTail(GeminiUsage), NewTail(GeminiUsage)
		_, _ = whole.Write(text)
		for i := range text {
			_, _ = pieces.Write(text[i : i+1])
		}
		if GeminiUsage.Read(whole) != GeminiUsage.Read(pieces) || OpenAIUsage.Read(whole) != OpenAIUsage.Read(pieces) {
			t.Fatal("the pieces matter")
		}
		for i := range min(len(text), 64) {
			if before := OpeningOf(text[:i]); before != Undecided && before != OpeningOf(text) {
				t.Fatalf("decided too early at %d", i)
			}
		}
		if OpeningOf(text) == Spoiled && bytes.IndexByte(text, '{') < 0 {
			t.Fatal("an error without an object")
		}
		if object := LastError(text); object != nil && !json.Valid(object) {
			t.Fatalf("error %q", object)
		}
		if OpeningOf(text) == Spoiled && len(FirstError(text, io.MultiReader())) == 0 {
			t.Fatal("no error")
		}
	})
}
