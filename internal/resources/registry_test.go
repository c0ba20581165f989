package resources_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/interaction"
	"fluxgate.dev/fluxgate/internal/race"
	"fluxgate.dev/fluxgate/internal/resources"
	"fluxgate.dev/fluxgate/storage"
)

// registry is an instance's over a store.
func registry(s resources.Records, log *bytes.Buffer) *resources.Registry {
	if log == nil {
		log = new(bytes.Buffer)
	}
	return resources.New(resources.Options{Records: s, Now: time.Now, Logger: slog.New(slog.NewTextHandler(log, nil))})
}

// names returns the names of resources, in order.
func names(list []resources.Resource) []string {
	out := []string{}
	for _, r := range list {
		out = append(out, r.Name)
	}
	return out
}

func own(t *testing.T, r *resources.Registry, caller, kind string) []string {
	t.Helper()
	list, err := r.Own(t.Context(), caller, kind)
	require.NoError(t, err)
	return names(list)
}

// projectOf returns where a caller has something, "" if it hasn't.
func projectOf(t *testing.T, r *resources.Registry, caller, name string) string {
	t.Helper()
	found, err := r.Find(t.Context(), caller, []string{name})
	require.NoError(t, err)
	return found[name].Project
}

// Whatever one instance writes every other knows at once, and a new one too.
func TestEveryInstanceKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(nil)
		a, b := registry(store, nil), registry(store, nil)
		assert.Empty(t, projectOf(t, b, "alice", "files/x"), "b has read it before")
		require.NoError(t, a.Made(t.Context(), "alice", resources.Resource{Name: "files/x", Project: "alpha"}))
		for _, r := range []*resources.Registry{a, b, registry(store, nil)} {
			assert.Equal(t, "alpha", projectOf(t, r, "alice", "files/x"))
			assert.Empty(t, projectOf(t, r, "bob", "files/x"))
			assert.Equal(t, []string{"files/x"}, own(t, r, "alice", "files"))
			assert.Empty(t, own(t, r, "bob", "files"))
			assert.Empty(t, own(t, r, "alice", "cachedContents"))
		}
		require.NoError(t, b.Gone(t.Context(), resources.Resource{Name: "files/x", Project: "alpha"}))
		assert.Empty(t, own(t, a, "alice", "files"))
		time.Sleep(resources.MaxAge)
		assert.Empty(t, projectOf(t, a, "alice", "files/x"))
	})
}

// In a project a name belongs to whoever made it last; in another it is another thing.
func TestNamesComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry(storage.NewMemory(nil), nil)
		made := func(caller, project string) {
			require.NoError(t, r.Made(t.Context(), caller, resources.Resource{Name: "files/report", Project: project}))
			time.Sleep(time.Second)
		}
		made("alice", "alpha")
		made("bob", "beta")
		assert.Equal(t, "alpha", projectOf(t, r, "alice", "files/report"), "nobody takes hers by its name")
		assert.Equal(t, "beta", projectOf(t, r, "bob", "files/report"))
		made("bob", "alpha")
		assert.Empty(t, projectOf(t, r, "alice", "files/report"))
		assert.Equal(t, "alpha", projectOf(t, r, "bob", "files/report"), "of two the one that lasts longest")
		require.NoError(t, r.Gone(t.Context(), resources.Resource{Name: "files/report", Project: "alpha"}))
		assert.Equal(t, "beta", projectOf(t, r, "bob", "files/report"))
	})
}

// It lasts as long as upstream says, or by its kind, and leaves the record then.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(nil)
		r := registry(store, nil)
		start := time.Now()
		for name, expires := range map[string]time.Time{"files/kind": {}, "files/said": start.Add(time.Hour + 500*time.Millisecond), "cachedContents/kind": {}} {
			require.NoError(t, r.Made(t.Context(), "alice", resources.Resource{Name: name, Project: "alpha", Expires: expires}))
		}
		require.NoError(t, r.Changed(t.Context(), resources.Resource{Name: "files/nobodys", Project: "alpha"}))
		assert.Equal(t, []string{"files/kind", "files/said"}, own(t, r, "alice", "files"))
		time.Sleep(time.Hour)
		assert.Equal(t, []string{"files/kind"}, own(t, r, "alice", "files"), "not a second later than upstream")
		assert.Empty(t, own(t, r, "alice", "cachedContents"))
		require.NoError(t, r.Changed(t.Context(), resources.Resource{Name: "files/kind", Project: "alpha", Expires: start.Add(100 * time.Hour)}))
		time.Sleep(98 * time.Hour)
		assert.Equal(t, "alpha", projectOf(t, r, "alice", "files/kind"))
		time.Sleep(2 * time.Hour)
		assert.Empty(t, projectOf(t, r, "alice", "files/kind"))
		for n := range 64 { // something is written to every record
			require.NoError(t, r.Made(t.Context(), "bob", resources.Resource{Name: fmt.Sprint("files/", n), Project: "alpha"}))
		}
		for n := range 16 {
			data, err := store.Record(t.Context(), fmt.Sprintf("resources-%x", n))
			require.NoError(t, err)
			assert.NotContains(t, string(data), "alice")
		}
	})
}

// It is over to the second, also to whom what was read a moment ago is fresh enough.
func TestExpiryOfWhatWasJustRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry(storage.NewMemory(nil), nil)
		require.NoError(t, r.Made(t.Context(), "alice", resources.Resource{Name: "files/x", Project: "alpha", Expires: time.Now().Add(resources.MaxAge / 2)}))
		assert.Equal(t, "alpha", projectOf(t, r, "alice", "files/x"))
		time.Sleep(resources.MaxAge / 2)
		assert.Empty(t, projectOf(t, r, "alice", "files/x"))
		assert.Empty(t, own(t, r, "alice", "files"))
	})
}

// What other providers keep has a place of its own, and lasts as long as they say.
func TestOtherProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry(storage.NewMemory(nil), nil)
		for _, name := range []string{"files/x", "openai:files/x", "openai:responses/x", "openai:conversations/x", "groq:files/x", "anthropic:v1/files/x", "anthropic:v1/messages/batches/x", "openai:unheard_of/x"} {
			require.NoError(t, r.Made(t.Context(), "alice", resources.Resource{Name: name, Project: "alpha"}))
		}
		for kind, want := range map[string][]string{
			"files": {"files/x"}, "openai:files": {"openai:files/x"}, "groq:files": {"groq:files/x"}, "anthropic:v1/files": {"anthropic:v1/files/x"},
			"anthropic:v1/messages/batches": {"anthropic:v1/messages/batches/x"}, "batches": {}, "openai:unheard_of": {},
		} {
			assert.Equal(t, want, own(t, r, "alice", kind), kind)
		}
		time.Sleep(31 * 24 * time.Hour)
		assert.Empty(t, projectOf(t, r, "alice", "openai:responses/x"))
		assert.Empty(t, projectOf(t, r, "alice", "anthropic:v1/messages/batches/x"))
		for _, name := range []string{"openai:files/x", "openai:conversations/x", "anthropic:v1/files/x"} {
			assert.Equal(t, "alpha", projectOf(t, r, "alice", name), name)
		}
	})
}

// What a later build keeps beside it stays, and what can't be read is neither guessed
// nor written over.
func TestOtherBuilds(t *testing.T) {
	store := storage.NewMemory(nil)
	r := registry(store, nil)
	put := func(text string) {
		for n := range 16 {
			_, err := store.UpdateRecord(t.Context(), fmt.Sprintf("resources-%x", n), func([]byte) ([]byte, error) { return []byte(text), nil })
			require.NoError(t, err)
		}
	}
	put(`{"later":{"a":[1]},"callers":{"alice":{"alpha":{"files/x":0}}}}`)
	require.NoError(t, r.Made(t.Context(), "bob", resources.Resource{Name: "files/y", Project: "beta"}))
	kept := 0
	for n := range 16 {
		data, err := store.Record(t.Context(), fmt.Sprintf("resources-%x", n))
		require.NoError(t, err)
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(data, &members))
		assert.JSONEq(t, `{"a":[1]}`, string(members["later"]))
		if strings.Contains(string(data), "bob") {
			kept++
			assert.Contains(t, string(data), "files/x", "which doesn't expire")
		}
	}
	assert.Equal(t, 1, kept)
	for _, text := range []string{`[]`, `{"callers":[]}`, `{"callers":{"alice":{"alpha":{"files/x":"never"}}}}`, `garbage`} {
		put(text)
		r = registry(store, nil)
		_, err := r.Find(t.Context(), "alice", []string{"files/x"})
		assert.Error(t, err, text)
		_, err = r.Own(t.Context(), "alice", "files")
		assert.Error(t, err, text)
		assert.Error(t, r.Made(t.Context(), "alice", resources.Resource{Name: "files/z", Project: "alpha"}), text)
		data, err := store.Record(t.Context(), "resources-0")
		require.NoError(t, err)
		assert.Equal(t, text, string(data))
	}
}

// A note stays with what it is on as long as that is there, also through builds that know none, and
// tells nobody else's from it.
func TestNotes(t *testing.T) {
	store := storage.NewMemory(nil)
	noteOf := func(caller, project string) string {
		found, err := registry(store, nil).FindIn(t.Context(), caller, project, []string{"files/x"})
		require.NoError(t, err)
		return found["files/x"].Note
	}
	r := registry(store, nil)
	require.NoError(t, r.Made(t.Context(), "alice", resources.Resource{Name: "files/x", Project: "alpha", Note: "odd"}))
	require.NoError(t, r.Made(t.Context(), "alice", resources.Resource{Name: "files/x", Project: "beta"}))
	require.NoError(t, r.Changed(t.Context(), resources.Resource{Name: "files/x", Project: "alpha"}))
	assert.Equal(t, "odd", noteOf("alice", "alpha"))
	assert.Empty(t, noteOf("alice", "beta"))
	assert.Empty(t, noteOf("bob", "alpha"))
	require.NoError(t, r.Gone(t.Context(), resources.Resource{Name: "files/x", Project: "alpha"}))
	assert.Empty(t, noteOf("alice", "alpha"))
	require.NoError(t, r.Made(t.Context(), "alice", resources.Resource{Name: "files/x", Project: "alpha"}))
	assert.Empty(t, noteOf("alice", "alpha"), "it is another")
}

// Whoever takes most of a full record loses something: by bytes, since notes may be long.
func TestNotesAreBounded(t *testing.T) {
	race.Skip(t)
	r := registry(storage.NewMemory(nil), nil)
	for i := range 100 {
		require.NoError(t, r.Made(t.Context(), "alice", resources.Resource{Name: fmt.Sprint("files/", i), Project: "alpha"}))
	}
	for i := range 60 {
		require.NoError(t, r.Made(t.Context(), "bob", resources.Resource{Name: fmt.Sprint("uploads/", i), Note: strings.Repeat("n", 60<<10)}))
	}
	assert.Len(t, own(t, r, "alice", "files"), 100)
	assert.Less(t, len(own(t, r, "bob", "uploads")), 33)
	assert.Greater(t, len(own(t, r, "bob", "uploads")), 15)
}

// A record is bounded: who has most in it loses what expires first, others nothing.
func TestRecordsAreBounded(t *testing.T) {
	race.Skip(t)
	store := storage.NewMemory(nil)
	var log bytes.Buffer
	r := registry(store, &log)
	// A record that is full of one caller's, and has something of another's.
	var b strings.Builder
	b.WriteString(`{"callers":{"bob":{"alpha":{"files/bobs":0}},"alice":{"alpha":{`)
	soon := time.Now().Add(time.Hour).Unix()
	for i := range 4_090 {
		fmt.Fprintf(&b, `"files/%012d":%d,`, i, soon+int64(i))
	}
	text := strings.TrimSuffix(b.String(), ",") + `}}}}`
	require.Less(t, len(text), storage.MaxRecord)
	require.Greater(t, len(text), resources.MaxBytes-1<<10)
	for n := range 16 {
		_, err := store.UpdateRecord(t.Context(), fmt.Sprintf("resources-%x", n), func([]byte) ([]byte, error) { return []byte(text), nil })
		require.NoError(t, err)
	}
	for i := range 48 {
		require.NoError(t, r.Made(t.Context(), "carol", resources.Resource{Name: fmt.Sprintf("files/carol-%0100d", i), Project: "beta"}))
	}
	assert.Equal(t, 48, len(own(t, r, "carol", "files")))
	dropped := false
	for n := range 16 {
		data, err := store.Record(t.Context(), fmt.Sprintf("resources-%x", n))
		require.NoError(t, err)
		assert.LessOrEqual(t, len(data), resources.MaxBytes)
		assert.Contains(t, string(data), `"files/bobs"`)
		assert.Contains(t, string(data), `"files/000000004089"`, "what expires last")
		dropped = dropped || !strings.Contains(string(data), `"files/000000000000"`)
	}
	assert.True(t, dropped)
	assert.Contains(t, log.String(), "caller=alice")
	assert.NotContains(t, log.String(), "caller=bob")
}

// slowRecords counts what is read, each reading taking a while, and what is written.
type slowRecords struct {
	storage.Store
	mu            sync.Mutex
	reads, writes int
}

func (s *slowRecords) Record(ctx context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	s.reads++
	s.mu.Unlock()
	data, err := s.Store.Record(ctx, name)
	time.Sleep(50 * time.Millisecond)
	return data, err
}

func (s *slowRecords) UpdateRecord(ctx context.Context, name string, change func(data []byte) ([]byte, error)) ([]byte, error) {
	s.mu.Lock()
	s.writes++
	s.mu.Unlock()
	return s.Store.UpdateRecord(ctx, name, change)
}

// A thousand who ask for what isn't there at the same time share two readings, and none
// of them misses what was written before it asked.
func TestReadingsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowRecords{Store: storage.NewMemory(nil)}
		r, other := registry(store, nil), registry(store, nil)
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Microsecond)
				assert.Empty(t, projectOf(t, r, "bob", "files/x"))
			})
		}
		all.Wait()
		assert.LessOrEqual(t, store.reads, 2)
		for i := range 20 {
			all.Go(func() {
				name := fmt.Sprint("files/", i)
				time.Sleep(time.Duration(i) * 7 * time.Millisecond)
				assert.Empty(t, projectOf(t, r, "alice", name))
				assert.NoError(t, other.Made(t.Context(), "alice", resources.Resource{Name: name, Project: "alpha"}))
				time.Sleep(time.Nanosecond)
				assert.Equal(t, "alpha", projectOf(t, r, "alice", name))
			})
		}
		all.Wait()
		// Who hangs up doesn't keep the others waiting, nor from asking.
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := r.Find(gone, "bob", []string{"files/none"})
		assert.Error(t, err)
		assert.Empty(t, projectOf(t, r, "bob", "files/none"))
	})
}

// Callers who make things at the same time, on several instances, lose none.
func TestWritersDoNotLoseEachOther(t *testing.T) {
	store := storage.NewMemory(nil)
	var all sync.WaitGroup
	for i := range 4 {
		r := registry(store, nil)
		for n := range 50 {
			all.Go(func() {
				name := fmt.Sprintf("files/%d-%d", i, n)
				assert.NoError(t, r.Made(t.Context(), "alice", resources.Resource{Name: name, Project: "alpha"}))
			})
		}
	}
	all.Wait()
	assert.Len(t, own(t, registry(store, nil), "alice", "files"), 200)
}

// The caller has hung up, but it was made: so it is written down. Where it can't be,
// that is said.
func TestMadeIsWrittenWhateverBecomesOfTheCaller(t *testing.T) {
	store := storage.NewMemory(nil)
	r := registry(store, nil)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, r.Made(gone, "alice", resources.Resource{Name: "files/x", Project: "alpha"}))
	assert.Equal(t, []string{"files/x"}, own(t, r, "alice", "files"))
	require.NoError(t, store.Close(t.Context()))
	assert.True(t, errors.Is(r.Made(t.Context(), "alice", resources.Resource{Name: "files/y", Project: "alpha"}), storage.ErrClosed))
}

func TestConfines(t *testing.T) {
	var none *resources.Registry
	alice, root := resources.Caller{Name: "alice"}, resources.Caller{Name: "root", All: true}
	assert.False(t, none.Confines(alice))
	assert.Nil(t, resources.Of(false, resources.Options{}))
	require.NoError(t, none.Made(t.Context(), "alice", resources.Resource{Name: "files/x"}))
	require.NoError(t, none.Changed(t.Context(), resources.Resource{Name: "files/x"}))
	require.NoError(t, none.Gone(t.Context(), resources.Resource{Name: "files/x"}))
	r := resources.Of(true, resources.Options{Records: storage.NewMemory(nil), Now: time.Now})
	assert.True(t, r.Confines(alice))
	assert.False(t, r.Confines(root))
	assert.False(t, resources.New(resources.Options{Shared: true}).Confines(alice))
}

// What is a kind here package payload finds in bodies; its own tests show the other way round.
func TestKindsAreThoseThatBodiesName(t *testing.T) {
	for _, k := range resources.Kinds {
		refs, err := payload.ReadReferences([]byte(`{"fileUri":"` + k.Name + `/x"}`))
		require.NoError(t, err)
		if !k.Mentioned {
			assert.Empty(t, refs.Resources)
			continue
		}
		assert.Equal(t, []string{k.Name + "/x"}, refs.Resources)
	}
	in, err := interaction.Read([]byte(`{"model":"m","previous_interaction_id":"x"}`))
	require.NoError(t, err)
	assert.Equal(t, []string{"interactions/x"}, in.Previous)
}
