package batchlines

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/passing"
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/payload/lines"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/storage"
)

// filesOver returns the Files of an instance over a store.
func filesOver(store *storage.Memory) (*Files, *resources.Registry) {
	o := resources.Options{Records: store, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	owned := resources.New(o)
	return New(owned, o), owned
}

var bob = resources.Caller{Name: "bob"}

// send has a piece pass, and returns the note on the file that the provider tells of.
func send(t *testing.T, f *Files, part passing.Piece, text string, told ...answers.Created) (note string, err error) {
	t.Helper()
	x, err := f.Begin(t.Context(), Piece{Who: bob, Rule: lines.Gemini, Kept: func(name string) string { return name }, Part: part, Length: -1})
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, x.Body(t.Context(), "alpha", strings.NewReader(text)))
	require.NoError(t, err)
	if err := x.Done(t.Context(), told); err != nil || len(told) == 0 {
		return "", err
	}
	return told[0].Note, nil
}

// A file may name its caller's own as often as it likes, in its own project, and nothing else.
func TestManyNames(t *testing.T) {
	f, owned := filesOver(storage.NewMemory(nil))
	line := func(name string) string { return fmt.Sprintf(`{"request":{"fileData":{"fileUri":%q}}}`+"\n", name) }
	var text strings.Builder
	for i := range maxNames + 10 {
		name := fmt.Sprint("files/", i)
		require.NoError(t, owned.Made(t.Context(), "bob", resources.Resource{Name: name, Project: "alpha"}))
		text.WriteString(line(name))
	}
	require.NoError(t, owned.Made(t.Context(), "bob", resources.Resource{Name: "files/far", Project: "beta"}))
	require.NoError(t, owned.Made(t.Context(), "alice", resources.Resource{Name: "files/hers", Project: "alpha"}))
	for file, want := range map[string]string{
		text.String(): "", line("files/far") + text.String(): Unfit, text.String() + line("files/hers"): Unfit,
	} {
		note, err := send(t, f, passing.Piece{Last: true}, file, answers.Created{Name: "files/x"})
		require.NoError(t, err)
		assert.Equal(t, want, note)
	}
}

// What is kept of an upload tells nothing of it to who hasn't its ID.
func TestProgressIsSealed(t *testing.T) {
	store := storage.NewMemory(nil)
	f, owned := filesOver(store)
	require.NoError(t, owned.Made(t.Context(), "bob", resources.Resource{Name: "files/hers-not", Project: "alpha"}))
	const upload, begins = "the-upload-0123456789", `{"request":{"fileData":{"fileUri":"files/hers`
	_, err := send(t, f, passing.Piece{Upload: upload}, begins)
	require.NoError(t, err)
	kept := 0
	for n := range 16 {
		data, err := store.Record(t.Context(), fmt.Sprintf("uploads-%x", n))
		require.NoError(t, err)
		kept += len(data)
		for _, word := range []string{upload, "files/hers", "ZmlsZXMvaGVyc", "fileUri"} {
			assert.NotContains(t, string(data), word)
		}
	}
	assert.Positive(t, kept)
	sealed, err := seal(upload, progress{Offset: 7})
	require.NoError(t, err)
	p, err := open(upload, sealed)
	require.NoError(t, err)
	assert.EqualValues(t, 7, p.Offset)
	for id, text := range map[string]string{"another": sealed, upload: sealed[:len(sealed)-2] + "AA"} {
		_, err := open(id, text)
		assert.ErrorIs(t, err, errSeal)
	}
	// It goes on from there, and from nowhere else: what is cut by the edge of a piece is read whole.
	for _, c := range []struct {
		text   string
		offset int
		want   string
	}{{`-not"}}}`, len(begins), ""}, {`-own"}}}`, len(begins), Unfit}, {`-not"}}}`, 0, Unfit}, {`-not"}}}`, -1, Unfit}} {
		note, err := send(t, f, passing.Piece{Upload: upload, Offset: int64(c.offset), Last: true}, c.text, answers.Created{Name: "files/x"})
		require.NoError(t, err)
		assert.Equal(t, c.want, note, "%v", c)
	}
}

// A piece whose body is sent again, elsewhere, since it was refused, counts as if it had been sent there
// alone, however much of it was read before, and if that is still read.
func TestAPieceIsSentElsewhere(t *testing.T) {
	owned := `{"fileUri":"files/his"}` + "\n"
	for name, c := range map[string]struct {
		text, project, want string
		first               int64 // bytes that are read of the first
	}{
		"names nothing, not read":             {`{"a":1}` + "\n", "beta", "", 0},
		"names nothing, read in part":         {`{"a":1}` + "\n", "beta", "", 5},
		"names nothing, read to its end":      {`{"a":1}` + "\n", "beta", "", 1 << 20},
		"names what is in the first, in part": {owned, "beta", Unfit, 9},
		"names what is in the first":          {owned, "beta", Unfit, 1 << 20},
		"names what is there":                 {owned, "alpha", "", 9},
	} {
		f, resourcesOf := filesOver(storage.NewMemory(nil))
		require.NoError(t, resourcesOf.Made(t.Context(), bob.Name, resources.Resource{Name: "files/his", Project: "alpha"}), name)
		x, err := f.Begin(t.Context(), Piece{Who: bob, Rule: lines.Gemini, Kept: func(name string) string { return name }, Part: passing.Piece{Last: true}, Length: int64(len(c.text))})
		require.NoError(t, err)
		first := x.Body(t.Context(), "gamma", strings.NewReader(c.text))
		_, err = io.Copy(io.Discard, io.LimitReader(first, c.first))
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, x.Body(t.Context(), c.project, strings.NewReader(c.text)))
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, first)
		require.NoError(t, err)
		told := []answers.Created{{Name: "files/x"}}
		require.NoError(t, x.Done(t.Context(), told))
		assert.Equal(t, c.want, told[0].Note, name)
	}
}

// A piece that is sent twice, one after the other or at once, isn't known to have been seen: which of
// the two the provider has kept it doesn't say.
func TestPiecesSentTwice(t *testing.T) {
	const upload, foreign, harmless = "the-upload-0123456789", `{"fileUri":"files/hers"}` + "\n", `{"fileUri":"          "}` + "\n"
	begin := func(f *Files, part passing.Piece, text string) *Passage {
		x, err := f.Begin(t.Context(), Piece{Who: bob, Rule: lines.Gemini, Kept: func(name string) string { return name }, Part: part, Length: -1})
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, x.Body(t.Context(), "alpha", strings.NewReader(text)))
		require.NoError(t, err)
		return x
	}
	for name, first := range map[string]passing.Piece{"the last": {Upload: upload, Last: true}, "another": {Upload: upload}} {
		f, _ := filesOver(storage.NewMemory(nil))
		begin(f, first, foreign) // its answer is lost
		note, err := send(t, f, passing.Piece{Upload: upload, Last: true}, harmless, answers.Created{Name: "files/x"})
		require.NoError(t, err)
		assert.Equal(t, Unfit, note, name)
	}
	for _, last := range []bool{true, false} {
		f, _ := filesOver(storage.NewMemory(nil))
		x := begin(f, passing.Piece{Upload: upload}, harmless)
		begin(f, passing.Piece{Upload: upload, Last: last}, foreign)
		require.NoError(t, x.Done(t.Context(), nil))
		note, err := send(t, f, passing.Piece{Upload: upload, Offset: int64(len(harmless)), Last: true}, "{}", answers.Created{Name: "files/x"})
		require.NoError(t, err)
		assert.Equal(t, Unfit, note, "at once, the last: %v", last)
	}
}

// Where the store can't say whose something is, nothing is guessed.
func TestStoreThatCannotSay(t *testing.T) {
	store := storage.NewMemory(nil)
	_, err := store.UpdateRecord(t.Context(), "resources-0", func([]byte) ([]byte, error) { return []byte("garbage"), nil })
	require.NoError(t, err)
	f, _ := filesOver(store)
	var text strings.Builder
	for i := range 100 { // some of them lie there
		fmt.Fprintf(&text, `{"fileUri":"files/%d"}`+"\n", i)
	}
	_, err = send(t, f, passing.Piece{Last: true}, text.String(), answers.Created{Name: "files/x"})
	assert.ErrorContains(t, err, "Please retry")
}
