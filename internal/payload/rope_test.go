package payload

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload/escape"
)

// Whatever a rope consists of and however it is read, its text is that of its parts, and
// as long as it says.
func TestRopeIsTheTextOfItsParts(t *testing.T) {
	long := strings.Repeat(`\u00e9"x`, 10_000)
	for name, c := range map[string]struct {
		add  func(r *Rope)
		want string
	}{
		"nothing": {func(*Rope) {}, ""},
		"texts":   {func(r *Rope) { r.AddString("ab"); r.Add(nil); r.Add([]byte("cd")) }, "abcd"},
		"JSON as text": {func(r *Rope) { r.AddAsText([]byte("{\"a\":\"\\n\",\n\t\"b\":1}")) },
			`{\"a\":\"\\n\",\u000a\u0009\"b\":1}`},
		"a string":               {func(r *Rope) { r.AddQuoted([]byte(`"a\u00e9\ud83d\ude00\\ud800é"`)) }, `"a\u00e9\ud83d\ude00\\ud800é"`},
		"half a pair":            {func(r *Rope) { r.AddQuoted([]byte(`"\ud83dx\ude00\ud83d\ud83d\ude00"`)) }, `"\ufffdx\ufffd\ufffd\ud83d\ude00"`},
		"not UTF-8":              {func(r *Rope) { r.AddQuoted([]byte("\"é\xffa\xc3\"")) }, `"é\ufffda\ufffd"`},
		"what stands for it":     {func(r *Rope) { r.AddQuoted([]byte(`"\ufffd�"`)) }, `"\ufffd�"`},
		"long, through a filter": {func(r *Rope) { r.AddAsText([]byte(long)) }, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(long)},
	} {
		t.Run(name, func(t *testing.T) {
			var r Rope
			c.add(&r)
			assert.EqualValues(t, len(c.want), r.Len())
			for _, wrap := range []func(io.Reader) io.Reader{
				func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader,
			} {
				for _, open := range []func() io.Reader{r.Open, func() io.Reader { return r.reader() }} {
					text, err := io.ReadAll(wrap(open()))
					require.NoError(t, err)
					require.Equal(t, c.want, string(text))
				}
			}
		})
	}
}

// What stands in a body as a string means the same when it is sent, as far as it means
// something.
func FuzzAddQuoted(f *testing.F) {
	for _, text := range []string{`"a"`, `"\ud83d\ude00"`, `"\ud800"`, "\"\xff\"", `"\\\"\u0000"`, `"\ud800\u0041"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, quoted []byte) {
		var want, got string
		if json.Unmarshal(quoted, &want) != nil || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
			return
		}
		var r Rope
		r.AddQuoted(quoted)
		text := flat(&r)
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got)
		require.True(t, escape.IsUnicode(text))

		var outer Rope
		outer.AddString(`"`)
		outer.AddAsText(quoted)
		outer.AddString(`"`)
		require.NoError(t, json.Unmarshal(flat(&outer), &got))
		require.Equal(t, strings.ToValidUTF8(string(quoted), "\ufffd"), strings.ToValidUTF8(got, "\ufffd"))
	})
}

// Once it is closed, nothing reads the text any more: neither a reader that somebody
// still has nor another of the same.
func TestClosedRopeReadsNothing(t *testing.T) {
	text := bytes.Repeat([]byte("x"), putTogether+1)
	r := Open(text).(*RopeReader)
	assert.EqualValues(t, len(text), r.Len())
	n, err := io.CopyN(io.Discard, r, 10)
	require.NoError(t, err)
	require.EqualValues(t, 10, n)
	again := r.Again()
	whole, err := io.ReadAll(again)
	require.NoError(t, err)
	require.True(t, bytes.Equal(text, whole), "from its beginning")
	Close(r)
	for _, reader := range []io.Reader{r, again, r.Again()} {
		_, err := reader.Read(make([]byte, 1))
		require.Error(t, err)
	}
}

// net/http writes a small body at once with its header, if it finds it in memory.
func TestSmallRopesAreKnownToNetHTTP(t *testing.T) {
	var r Rope
	r.AddString("{")
	r.AddString("}")
	for _, body := range []io.Reader{r.Open(), Open([]byte("{}"))} {
		req, err := http.NewRequest(http.MethodPost, "http://localhost", body)
		require.NoError(t, err)
		assert.EqualValues(t, 2, req.ContentLength)
		assert.NotNil(t, req.GetBody)
	}
}
