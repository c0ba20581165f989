package jobs

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/usage"
	"fluxgate.dev/fluxgate/storage"
)

var now = time.Unix(1_800_000_000, 0)

// instance is a registry of an instance, with what it has counted.
func instance(records Records) (*Registry, func(t *testing.T) int64) {
	used := usage.New(usage.Options{Records: records, Now: func() time.Time { return now }})
	l := New(Options{Records: records, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler), Usage: used})
	return l, func(t *testing.T) int64 {
		t.Helper()
		require.NoError(t, used.Flush(t.Context()))
		r, err := used.Report(t.Context(), usage.Query{Window: "1h"})
		require.NoError(t, err)
		return r.Total.Requests
	}
}

const line = `{"response":{"usageMetadata":{"promptTokenCount":1},"modelVersion":"m"}}` + "\n"

// A result is counted once, however many instances read a file at once, and however far each gets.
func TestResultsAreClaimedOnce(t *testing.T) {
	store := storage.NewMemory(nil)
	first, counted := instance(store)
	const lines = 3*atATime + 7
	first.Made(t.Context(), Job{Project: "p", Name: "batches/1", Caller: "alice", Batch: true})
	first.Follow(t.Context(), "p", "batches/1", "files/1")
	first.Follow(t.Context(), "p", "batches/1", "files/errors")
	text := []byte(strings.Repeat(line, lines))
	registries := make([]*Registry, 4)
	var all sync.WaitGroup
	for i := range registries {
		registries[i], _ = instance(store)
		all.Go(func() {
			r := registries[i].Reading(answers.Lines, "p", "files/1")
			part := text[:len(text)*(i+1)/len(registries)]
			for at := 0; at < len(part); at += 32 << 10 {
				r.See(t.Context(), part[at:min(at+32<<10, len(part))])
			}
			r.End(t.Context(), i == len(registries)-1)
		})
	}
	all.Wait()
	for _, l := range registries {
		require.NoError(t, l.o.Usage.Flush(t.Context()))
	}
	assert.EqualValues(t, lines, counted(t))
	first.Follow(t.Context(), "p", "batches/1", "files/1")
	again, _ := instance(store)
	again.Follow(t.Context(), "p", "batches/1", "files/1")
	assert.False(t, again.Open(t.Context(), "p", "files/1"), "its answer names the file again, which is counted")
	assert.True(t, again.Open(t.Context(), "p", "files/errors"))
}

// Each file with results is known as long as they are kept, whichever the job's answer names first.
func TestEachFileIsKept(t *testing.T) {
	at := now
	l := New(Options{Records: storage.NewMemory(nil), Now: func() time.Time { return at }, Logger: slog.New(slog.DiscardHandler)})
	l.Made(t.Context(), Job{Project: "p", Name: "batches/1", Caller: "alice", Batch: true})
	for _, file := range []string{"files/errors", "files/1"} {
		l.Follow(t.Context(), "p", "batches/1", file)
	}
	at = at.Add(kept - time.Second)
	assert.False(t, l.Open(t.Context(), "p", "batches/1"), "it has gone on in the files")
	assert.True(t, l.Open(t.Context(), "p", "files/errors"))
	assert.True(t, l.Open(t.Context(), "p", "files/1"))
	at = at.Add(time.Second)
	assert.False(t, l.Open(t.Context(), "p", "files/1"))
}

// What nobody is known to have made is counted for nobody.
func TestUnknownJobsAreNotCounted(t *testing.T) {
	l, counted := instance(storage.NewMemory(nil))
	r := l.Reading(answers.Lines, "p", "files/1")
	r.See(t.Context(), []byte(line))
	r.End(t.Context(), true)
	assert.Zero(t, counted(t))
	var none *Registry
	none.Made(t.Context(), Job{})
	none.Reading(answers.Lines, "p", "x").See(t.Context(), nil)
}

// A record is bounded: what would be gone first goes. What other builds keep there stays, and what
// has expired doesn't.
func TestRecordsAreBounded(t *testing.T) {
	d := &document{entries: make(map[place]entry), others: map[string]json.RawMessage{"later": []byte(`{"x":1}`)}}
	for i := range 5000 {
		d.entries[place{"p", fmt.Sprint("batches/", i)}] = entry{Caller: "alice", Model: "gemini-2.5-flash", Batch: true, Until: now.Unix() + int64(i)}
	}
	data, dropped, err := d.encode()
	require.NoError(t, err)
	assert.LessOrEqual(t, len(data), maxBytes)
	assert.Positive(t, dropped)
	read, err := decode(data, now.Add(4990*time.Second))
	require.NoError(t, err)
	assert.Len(t, read.entries, 9)
	assert.Contains(t, read.entries, place{"p", "batches/4999"})
	assert.JSONEq(t, `{"x":1}`, string(read.others["later"]))
	_, err = decode([]byte(`{"jobs":7}`), now)
	assert.Error(t, err, "what can't be read isn't written over")
}
