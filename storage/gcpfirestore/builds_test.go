package gcpfirestore

import (
	"context"
	"testing"

	"cloud.google.com/go/firestore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore/internal/connection"
	"fluxgate.dev/fluxgate/storage/internal/codec"
	"fluxgate.dev/fluxgate/storage/internal/codec/codectest"
)

// build opens a Store over Firestore of a build that knows those sections.
func build(t *testing.T, client *firestore.Client, sections ...codec.Section) *storage.Grouped {
	g := storage.NewGrouped(over(connection.Of(client), "fluxgate"), codec.New(sections...), storage.Options{Pace: -1})
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	return g
}

var rpm, tpm, rpd = int64(100_000), int64(1 << 40), int64(1 << 40)

// plenty counts against no limit.
var plenty = &scheduler.Rules{
	Policy: scheduler.NewPolicy(nil, map[string]scheduler.Override{"pro": {RPM: &rpm, TPM: &tpm, RPD: &rpd}}),
	Skew:   scheduler.DefaultSkew, Hold: scheduler.DefaultHold,
}

func ask(id uint64) scheduler.Reserve {
	return scheduler.Reserve{Model: "m-pro", ID: id, Demand: scheduler.Demand{Tokens: 1}}
}

func admit(t *testing.T, g *storage.Grouped, id uint64) {
	t.Helper()
	result, err := g.Apply(t.Context(), plenty, "p", ask(id))
	require.NoError(t, err)
	require.Equal(t, scheduler.Admitted, result.Verdict)
}

// future is a state that a later build may have written.
var future = []byte{2, 0xca, 0xfe}

// stored returns the fields of a document.
func stored(t *testing.T, client *firestore.Client, name string) map[string]any {
	t.Helper()
	snap, err := client.Doc("fluxgate/" + name).Get(t.Context())
	require.NoError(t, err)
	return snap.Data()
}

// On Firestore the two fields are written at once, one write of the last release
// leaves the second as it is, and fields that no build of today knows stay.
func TestFirestoreSections(t *testing.T) {
	client := emulatortest.Client(t)
	doc := client.Doc("fluxgate/project-p")
	fresh := build(t, client, codectest.Search(1))
	admit(t, fresh, 1)
	first := stored(t, client, "project-p")
	require.Len(t, first, 2)
	p, err := codec.New(codectest.Search(1)).Unpack(codec.Document{State: first["state"].([]byte), Sections: first["sections"].([]byte)})
	require.NoError(t, err)
	today := scheduler.DayOf(p.Latest)
	require.EqualValues(t, 0, p.Calendar(codectest.Searched).Used(plenty, today), "current, and never used")

	// The last release: an update of the state alone.
	old, err := codec.New().Unpack(codec.Document{State: first["state"].([]byte)})
	require.NoError(t, err)
	next, err := codec.New().Pack(plenty, old.Latest, old.Wrote(7, 1), nil)
	require.NoError(t, err)
	_, err = doc.Update(t.Context(), []firestore.Update{{Path: stateField, Value: next.State}, {Path: "later", Value: "unknown"}})
	require.NoError(t, err)
	require.Equal(t, first["sections"], stored(t, client, "project-p")["sections"])
	require.NoError(t, fresh.Refresh(t.Context(), []string{"p"}, true))
	admit(t, fresh, 2)
	second := stored(t, client, "project-p")
	assert.Equal(t, "unknown", second["later"])
	p, err = codec.New(codectest.Search(1)).Unpack(codec.Document{State: second["state"].([]byte), Sections: second["sections"].([]byte)})
	require.NoError(t, err)
	assert.EqualValues(t, codectest.SearchLimit, p.Calendar(codectest.Searched).Used(plenty, today), "taken conservatively, and then written")

	// A build that knows no section keeps the field, and today's writes none.
	plain := build(t, client)
	admit(t, plain, 3)
	assert.Equal(t, second["sections"], stored(t, client, "project-p")["sections"])
	_, err = plain.Apply(t.Context(), plenty, "q", ask(1))
	require.NoError(t, err)
	assert.Len(t, stored(t, client, "project-q"), 1, "as the last release writes it")
}

// One document that can't be read costs its own project only.
func TestFirestoreUnreadableDocument(t *testing.T) {
	client := emulatortest.Client(t)
	for name, fields := range map[string]map[string]any{"project-later": {"state": future}, "project-foreign": {"other": 1}} {
		_, err := client.Doc("fluxgate/"+name).Set(t.Context(), fields)
		require.NoError(t, err)
	}
	g := build(t, client)
	states, err := g.View(t.Context(), []string{"later", "p", "foreign"})
	require.NoError(t, err)
	assert.Contains(t, states[0].Unreadable, "version 2")
	assert.Nil(t, states[1])
	assert.Contains(t, states[2].Unreadable, `no field "state"`)
	admit(t, g, 1)
	assert.Equal(t, future, stored(t, client, "project-later")["state"])
	assert.EqualValues(t, 2, g.Stats().Unreadable)
}

// Fields that this build doesn't know are kept in the control document and in
// records, and what it does know is replaced as a whole.
func TestFirestoreKeepsUnknownFields(t *testing.T) {
	client := emulatortest.Client(t)
	g := build(t, client)
	five := int64(5)
	_, err := g.UpdateControl(t.Context(), func(c *storage.Control) error {
		c.Aliases = map[string]string{"a": "b", "c": "d"}
		c.Limits = map[string]storage.Limits{"pro": {RPM: &five}, "flash": {RPD: &five}}
		c.Chain = []string{"x"}
		return nil
	})
	require.NoError(t, err)
	_, err = g.UpdateRecord(t.Context(), "note", func([]byte) ([]byte, error) { return []byte("one"), nil })
	require.NoError(t, err)
	for _, name := range []string{"control", "record-note"} {
		_, err = client.Doc("fluxgate/"+name).Update(t.Context(), []firestore.Update{{Path: "later", Value: map[string]any{"x": 1}}})
		require.NoError(t, err)
	}
	_, err = g.UpdateControl(t.Context(), func(c *storage.Control) error {
		delete(c.Aliases, "a")
		c.Limits, c.Chain, c.Mode = nil, nil, "pro_only"
		return nil
	})
	require.NoError(t, err)
	_, err = g.UpdateRecord(t.Context(), "note", func([]byte) ([]byte, error) { return []byte("two"), nil })
	require.NoError(t, err)

	control := stored(t, client, "control")
	assert.Equal(t, map[string]any{"x": int64(1)}, control["later"])
	c, err := build(t, client).Control(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"c": "d"}, c.Aliases)
	assert.Empty(t, c.Limits)
	assert.Empty(t, c.Chain)
	assert.Equal(t, "pro_only", c.Mode)
	assert.EqualValues(t, 2, c.Epoch)
	record := stored(t, client, "record-note")
	assert.Equal(t, []byte("two"), record["data"])
	assert.Equal(t, map[string]any{"x": int64(1)}, record["later"])
}
