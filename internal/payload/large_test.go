package payload

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload/escape"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/threadtime"
)

// allocated returns how many bytes something allocates.
func allocated(do func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// large is the size of a large body.
const large = 2 << 20

// fill returns a text of some size between two others.
func fill(head, fill, tail string, size int) []byte {
	return []byte(head + strings.Repeat(fill, size/len(fill)) + tail)
}

// Reading a large body takes next to nothing beside it, whatever it consists of: nothing
// in it is copied, and nothing is kept for each of its parts.
func TestLargeBodiesAreNotCopied(t *testing.T) {
	race.Skip(t)
	const most = 3 << 19
	const size = large
	for name, body := range map[string][]byte{
		"an image":            fill(`{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"`, "iVBORw0K", `"}}]}]}`, size),
		"a text":              fill(`{"contents":[{"parts":[{"text":"`, "word ", `"}]}]}`, size),
		"a text with escapes": fill(`{"contents":[{"parts":[{"text":"`, `\u00e9\n`, `"}]}]}`, size),
		"many texts":          fill(`{"contents":[`, `{"text":"a\n"},`, `{}]}`, size),
		"names with escapes":  fill(`{"`, `\u0061`, `":1}`, size),
		"a long reference":    fill(`{"fileUri":"https:\/\/h/v1beta/files/a?`, "x", `"}`, size),
		"a long MIME type":    fill(`{"mimeType":"image\/`, "x", `"}`, size),
		"a long URL":          fill(`{"image_url":{"url":"data:image\/png;base64,`, `AAAA`, `"}}`, size),
		"features in escapes": fill(`{"a":"`, `\u0067`, `"}`, size),
		"not understood":      fill(`{"a":"`, `\u0067`, `" "}`, size),
		"empty messages":      fill(`{"messages":[`, `{},`, `{}]}`, size),
		"messages":            fill(`{"model":"auto","messages":[`, `{"content":"a"},`, `{}]}`, size),
		"a message":           fill(`{"model":"auto","messages":[{"content":"`, `a\n`, `"}]}`, size),
		"a call of a tool":    fill(`{"model":"auto","messages":[{"tool_calls":[`, `{"a":"b"},`, `{}]}]}`, size),
		"inputs":              fill(`{"model":"auto","input":[`, `"a",`, `"b"]}`, size),
		"members":             fill(`{`, `"tools":1,`, `"a":1}`, size),
		"models":              fill(`{`, `"model":"a",`, `"a":1}`, size),
		"a long model":        fill(`{"model":"`, `\u0061`, `"}`, size),
		"an image for OpenAI": fill(`{"model":"auto","messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,`, `iVBORw0K`, `"}}]}]}`, size),
		"an image of URL's":   fill(`{"model":"auto","messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,`, `_-\n_`, `"}}]}]}`, size),
		"texts to embed":      fill(`{"requests":[`, `{},`, `{}]}`, size),
		"nested":              fill(`{"a":[`, strings.Repeat("[", 150)+strings.Repeat("]", 150)+",", `1]}`, size),
		"nested too deeply":   fill(`{"a":`, "[", "}", size),
		"cut":                 fill(`{"a":[`, "1,", "", size),
	} {
		t.Run(name, func(t *testing.T) {
			took := allocated(func() {
				b, err := Read(body, plenty)
				if err != nil {
					return
				}
				Features(b.Known())
				b.References.Estimate()
				b.CountTexts()
				if rope, err := b.Rename("gemini-x"); err == nil {
					_, err = io.Copy(io.Discard, onlyReader{rope.Open()})
					require.NoError(t, err)
				}
				if in, err := b.Chat(); err == nil {
					pieces, _ := in.Pieces()
					EstimatePieces(Piece{}, pieces)
				}
			})
			assert.Less(t, took, int64(most), "beside %d bytes", len(body))
		})
	}
}

type onlyReader struct{ io.Reader }

// The same for POST /generate, whose body is sent in another form.
func TestLargePromptsAreNotCopied(t *testing.T) {
	race.Skip(t)
	const most = 1 << 20
	const size = large
	for name, body := range map[string][]byte{
		"a prompt":               fill(`{"prompt":"`, "word ", `"}`, size),
		"a prompt with escapes":  fill(`{"prompt":"`, `\u00e9\n`, `"}`, size),
		"a prompt of no meaning": fill(`{"prompt":"`, `\ud800`, `"}`, size),
		"a system instruction":   fill(`{"prompt":"a","system":"`, `\u00e9\n`, `"}`, size),
		"an image":               fill(`{"images":["`, "iVBORw0K", `"]}`, size),
		"an image of URL's":      fill(`{"images":["`, "_-__", `"]}`, size),
		"an image in lines":      fill(`{"images":["`, `AAAA\r\n`, `"]}`, size),
		"an image with slashes":  fill(`{"images":["data:image\/png;base64,`, `\/\/\/\/`, `"]}`, size),
		"no image":               fill(`{"images":["`, `!`, `"]}`, size),
		"no images":              fill(`{"images":[`, `"",`, `""]}`, size),
		"small images":           fill(`{"images":[`, `"AA==",`, `"AA=="]}`, size),
		"a long mode":            fill(`{"prompt":"a","mode":"`, `x`, `"}`, size),
		"a long model":           fill(`{"prompt":"a","model":"`, `x`, `"}`, size),
		"a long field":           fill(`{"prompt":"a","`, `\u0061`, `":1}`, size),
		"not JSON":               fill(`{"prompt":"a","images":["`, `a`, ``, size),
		"two values":             fill(`{"prompt":"`, `a`, `"}{}`, size),
	} {
		t.Run(name, func(t *testing.T) {
			took := allocated(func() {
				g, err := ReadGenerate(body)
				if err != nil {
					return
				}
				media, err := g.Media()
				if err != nil {
					return
				}
				var r Rope
				r.AddQuoted(g.Prompt)
				r.AddQuoted(g.System)
				for _, m := range media {
					r.AddMedia(m)
				}
				n, err := io.Copy(io.Discard, onlyReader{r.Open()})
				require.NoError(t, err)
				require.Equal(t, r.Len(), n)
			})
			assert.Less(t, took, int64(most), "beside %d bytes", len(body))
		})
	}
}

// Only what isn't JSON of the standard is copied, and room for the copy is asked for.
func TestLargeCopiesAreAskedFor(t *testing.T) {
	race.Skip(t)
	const size = large / 2 * 3
	for name, body := range map[string][]byte{
		"standard":       fill(`{"a":"`, "x", `"}`, size),
		"commas":         fill(`{"a":[`, "{},", `]}`, size),
		"nothing at all": fill(`{"a":[`, ",", `]}`, size),
		"controls":       fill(`{'a':'`, "\x01", `'}`, size),
	} {
		t.Run(name, func(t *testing.T) {
			var asked int64
			var b *Body
			took := allocated(func() {
				var err error
				b, err = Read(body, func(n int64) error { asked += n; return nil })
				require.NoError(t, err)
			})
			if name == "standard" {
				assert.Zero(t, asked)
			} else {
				assert.EqualValues(t, len(b.JSON), asked)
			}
			assert.Less(t, took, asked+1<<20)
		})
	}
	full := fmt.Errorf("no room")
	_, err := Read([]byte(`{"a":1,}`), func(int64) error { return full })
	assert.ErrorIs(t, err, full)
}

// A text is looked at in windows where it has escapes: what stands across two of them is
// found as well, wherever that is.
func TestWindowsMissNothing(t *testing.T) {
	const name, hidden = "files/abc-1", `fi\u006ces\/abc-1`
	for at := escape.WindowSize - 40; at < escape.WindowSize+8; at += 3 {
		before := strings.Repeat("x", at)
		lenient := `{"a":"` + before + `","b":"` + hidden + `","\U`
		b, err := Read([]byte(lenient+`":1}`), plenty)
		require.NoError(t, err)
		require.Equal(t, []string{name}, b.References.Resources, at)
		require.Equal(t, []string{SearchFeature}, Features([]byte(`{"a":"`+before+`","googl\u0065Search":{}}`)), at)
		require.Equal(t, []string{ImageFeature}, Features([]byte(`{"a":"`+before+`","response\u004dodalities":["IMA\u0047E"]}`)), at)
		refs, err := ReadReferences([]byte(`{"fileUri":"https:\/\/` + before + `/v1beta/` + hidden + `?` + before + `"}`))
		require.NoError(t, err)
		require.Equal(t, []string{name}, refs.Resources, at)
	}
	refs, err := ReadReferences([]byte(`{"fileUri":"https://` + strings.Repeat("x", 10_000) + `/v1beta/` + name + `"}`))
	require.NoError(t, err)
	assert.Equal(t, []string{name}, refs.Resources)
	assert.Equal(t, []string{SearchFeature}, Features([]byte(`{google_search`+strings.Repeat(" ", 2*escape.WindowSize)+`:1,"\u0061":1}`)))
}

// A chat of more messages than are worth keeping says so, and one that names its model
// again and again is nobody's.
func TestChatIsBounded(t *testing.T) {
	b, err := Read(fill(`{"model":"auto","messages":[`, `{"content":"a"},`, `{"content":"b"}]}`, 16*maxPieces-16), plenty)
	require.NoError(t, err)
	in, err := b.Chat()
	require.NoError(t, err)
	pieces, all := in.Pieces()
	assert.True(t, all)
	assert.Len(t, pieces, maxPieces)

	b, err = Read(fill(`{"model":"auto","messages":[`, `{"content":"a"},`, `{"content":"b"}]}`, 16*maxPieces), plenty)
	require.NoError(t, err)
	in, err = b.Chat()
	require.NoError(t, err)
	_, all = in.Pieces()
	assert.False(t, all)

	b, err = Read(fill(`{`, `"model":"a",`, `"messages":[]}`, 12*(maxModels+1)), plenty)
	require.NoError(t, err)
	_, err = b.Chat()
	assert.ErrorIs(t, err, ErrModel)
	_, err = b.Rename("x")
	assert.ErrorIs(t, err, ErrModel)
}

// The members of a body are sent in another object as they stand, but for its model.
func TestAddMembers(t *testing.T) {
	for body, want := range map[string]string{
		`{"contents":[]}`: `,"contents":[]`,
		` { "model" : "a" , "contents":[1, 2] ,"b":"model"}`:      `,"contents":[1, 2] ,"b":"model"`,
		`{"a":{"model":1},"model":2,"contents":3,"mo\u0064el":4}`: `,"a":{"model":1},"contents":3`,
		`{"a":1}`: "", `{"model":"a"}`: "", `{}`: "",
	} {
		var r Rope
		assert.Equal(t, want != "", r.AddMembers([]byte(body)), body)
		if want != "" {
			assert.Equal(t, want, string(flat(&r)), body)
		}
	}
	var none Rope
	assert.False(t, none.AddMembers(nil))
}

// What a byte of a body costs is bounded, however many parts it is cut into: to read millions of
// them takes a few times as long as to see that they are JSON.
func TestManyPartsAreCheap(t *testing.T) {
	race.Skip(t)
	const size, most = 256 << 10, 9
	body := slices.Concat(fill(`{"model":"auto","messages":[`, `{},`, `{}],`, size), fill(`"images":[`, `"",`, `""],`, size), fill(`"name":[`, `[],`, `[]]}`, size))
	runtime.LockOSThread() // whose time is taken: others use the machine too
	defer runtime.UnlockOSThread()
	work := func(do func()) time.Duration {
		before := threadtime.Of(t)
		for range 5 { // what the system counts is coarse
			do()
		}
		return threadtime.Of(t) - before
	}
	valid := work(func() { json.Valid(body) })
	read := work(func() {
		b, err := Read(body, plenty)
		require.NoError(t, err)
		in, err := b.Chat()
		require.NoError(t, err)
		in.Pieces()
		_, err = b.Rename("gemini-x")
		require.NoError(t, err)
	})
	assert.Less(t, read, most*valid, "seen to be JSON in %s", valid)
}
