package batch

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func planOf(t *testing.T, o Options) (*plan, error) {
	t.Helper()
	o, err := o.withDefaults()
	require.NoError(t, err)
	return newPlan(&o)
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func bodyOf(t *testing.T, o Options, it *item) map[string]any {
	t.Helper()
	data, err := it.body(&o)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(data, &fields))
	return fields
}

func TestPlanOfJSONL(t *testing.T) {
	half, wait := 0.5, 1500*time.Millisecond
	o := Options{
		// A byte order mark, blank lines and a missing last line break are ordinary.
		Inputs: []string{write(t, "in.jsonl", "\uFEFF{\"prompt\":\"a <b>\"}\r\n\n"+
			`{"id":"x","prompt":"c","system":"s2","model":"m2","mode":"pro_only","max_tokens":9,"temperature":0}`)},
		System: "s", Model: "m", Mode: "both", MaxTokens: 5, Temperature: &half, MaxWait: &wait,
	}
	p, err := planOf(t, o)
	require.NoError(t, err)
	require.Len(t, p.items, 2)
	assert.Equal(t, map[string]any{"prompt": "a <b>", "system": "s", "model": "m", "mode": "both", "max_tokens": 5.0,
		"temperature": 0.5, "max_wait": 1.5}, bodyOf(t, o, &p.items[0]))
	// A line's own settings win, a temperature of zero among them.
	assert.Equal(t, map[string]any{"prompt": "c", "system": "s2", "model": "m2", "mode": "pro_only", "max_tokens": 9.0,
		"temperature": 0.0, "max_wait": 1.5}, bodyOf(t, o, &p.items[1]))
	assert.Equal(t, "x", p.items[1].id)
}

func TestPlanOfChunks(t *testing.T) {
	text := write(t, "book.txt", "One two three.\n\nFour five six.\n\n"+strings.Repeat(" \n", 40))
	o := Options{Inputs: []string{text, "testdata/film.srt"}, ChunkTokens: 4, Instructions: "Translate."}
	p, err := planOf(t, o)
	require.NoError(t, err)
	assert.Equal(t, "Translate.\n\nOne two three.\n\n", bodyOf(t, o, &p.items[0])["prompt"])
	assert.Equal(t, "book.txt#1", p.items[0].id)
	for _, it := range p.items {
		assert.NotEmpty(t, strings.TrimSpace(it.text), "white space alone is not worth a request")
	}
	assert.True(t, strings.HasPrefix(p.items[len(p.items)-1].id, "film.srt#"), "inputs keep their order")
	assert.Empty(t, p.warnings)
}

func TestPlanOfStandardInput(t *testing.T) {
	srt, err := os.ReadFile("testdata/film.srt")
	require.NoError(t, err)
	vtt, err := os.ReadFile("testdata/film.vtt")
	require.NoError(t, err)
	assert.Equal(t, FormatSRT, sniff(string(srt)))
	assert.Equal(t, FormatVTT, sniff(string(vtt)))
	assert.Equal(t, FormatJSONL, sniff(" {\"prompt\":1}"))
	assert.Equal(t, FormatText, sniff("12\nmonkeys"))
	p, err := planOf(t, Options{Inputs: []string{"-"}, Stdin: strings.NewReader("Some text.")})
	require.NoError(t, err)
	assert.Equal(t, "stdin#1", p.items[0].id)
}

func TestPlanIdentity(t *testing.T) {
	in := write(t, "in.txt", "One two three.\n\nFour five six.")
	id := func(o Options) string {
		o.Inputs = []string{in}
		p, err := planOf(t, o)
		require.NoError(t, err)
		return p.id()
	}
	base := id(Options{})
	// What changes no request may change between runs; what changes one makes another job.
	assert.Equal(t, base, id(Options{Concurrency: 3, URL: "https://other", Token: "t", Timeout: time.Hour}))
	assert.Equal(t, base, id(Options{MaxWait: new(time.Duration)}), "as batch itself says to do")
	assert.NotEqual(t, base, id(Options{Instructions: "x"}))
	assert.NotEqual(t, base, id(Options{ChunkTokens: 4}))
	assert.NotEqual(t, base, id(Options{Mode: "both"}))
}

func TestPlanRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"empty":              {"in.txt", "", "nothing to send"},
		"only white space":   {"in.txt", " \n\t\n", "nothing to send"},
		"empty JSONL":        {"in.jsonl", "\n\n", "nothing to send"},
		"empty subtitles":    {"in.srt", "", "nothing to send"},
		"not UTF-8":          {"in.txt", "caf\xe9", "not UTF-8"},
		"no cues":            {"in.srt", "just text", "no cues"},
		"unknown extension":  {"in.docx", "x", "can't tell the format"},
		"misspelt field":     {"in.jsonl", `{"prompt":"a"}` + "\n" + `{"promt":"a"}`, `unknown field "promt"`},
		"no prompt":          {"in.jsonl", `{"id":"a"}`, "line 1: no prompt"},
		"two values":         {"in.jsonl", `{"prompt":"a"}{"prompt":"b"}`, "more than one JSON value"},
		"unknown mode":       {"in.jsonl", `{"prompt":"a","mode":"fast"}`, "want one of"},
		"negative tokens":    {"in.jsonl", `{"prompt":"a","max_tokens":-1}`, "max_tokens -1"},
		"nothing but a null": {"in.jsonl", `null`, "no prompt"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := planOf(t, Options{Inputs: []string{write(t, c.file, c.text)}})
			assert.ErrorContains(t, err, c.want)
		})
	}
	_, err := planOf(t, Options{Inputs: []string{write(t, "in.jsonl", `{"prompt":"a"}`)}, Instructions: "x"})
	assert.ErrorContains(t, err, "use system instead", "instructions that go nowhere must not be dropped silently")
	_, err = planOf(t, Options{Inputs: []string{"testdata"}, Format: FormatText})
	assert.ErrorContains(t, err, "is a directory")
}

// The parser of the subtitle library fails on files that players accept, and panics on some; they are sent all the same.
func TestFaultySubtitlesAreSentWithAWarning(t *testing.T) {
	for name, text := range map[string]string{
		"bad.srt": "1\n00:00:01,000 -->\nHello\n",
		"bad.vtt": "WEBVTT\n\n00:01.000 --> 00:02.000 region:unheard-of\nHello\n",
	} {
		p, err := planOf(t, Options{Inputs: []string{write(t, name, text)}})
		require.NoError(t, err)
		assert.Len(t, p.items, 1)
		assert.Len(t, p.warnings, 1)
	}
}

func TestInputSizeIsBounded(t *testing.T) {
	_, err := readText(strings.NewReader("12345"), 0, 4)
	assert.ErrorIs(t, err, errTooLarge)
	_, err = readText(strings.NewReader("1234"), 5, 4)
	assert.ErrorIs(t, err, errTooLarge, "a size that is known is refused before it is read")
	text, err := readText(strings.NewReader("1234"), 4, 4)
	require.NoError(t, err)
	assert.Equal(t, "1234", text)
}

func TestLoadInstructions(t *testing.T) {
	for value, want := range map[string]string{
		"plain": "plain", "": "", "@@home": "@home", "@" + write(t, "i.txt", "from a file\n"): "from a file",
	} {
		got, err := LoadInstructions(value)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := LoadInstructions("@/nonexistent/file")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestOptionsNameEveryProblem(t *testing.T) {
	negative := -time.Second
	cold := -1.0
	_, err := Options{
		Inputs: []string{"-", "-"}, Format: "doc", Mode: "fast", ChunkTokens: -1, Concurrency: -1, MaxTokens: -1,
		Temperature: &cold, MaxWait: &negative, Timeout: -1, Token: "a\nb", URL: "http://user:secret@host", Progress: "loud",
	}.withDefaults()
	require.Error(t, err)
	for _, word := range []string{"standard input", "format", "mode", "chunk tokens", "concurrency", "max tokens", "temperature",
		"max wait", "timeout", "token:", "url:", "progress"} {
		assert.ErrorContains(t, err, word)
	}
	assert.NotContains(t, err.Error(), "secret")
}

func TestDefaultOutput(t *testing.T) {
	o, err := Options{Inputs: []string{"a/b.txt", "c.txt"}}.withDefaults()
	require.NoError(t, err)
	assert.Equal(t, filepath.FromSlash("a/b.txt.results.jsonl"), o.Output)
	o, err = Options{Inputs: []string{"-"}}.withDefaults()
	require.NoError(t, err)
	assert.Equal(t, "-", o.Output)
}
