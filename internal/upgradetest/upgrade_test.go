package upgradetest

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

// ahead is how long before they begin slots are booked.
const ahead = 9 * time.Second

// putOff has a model of every project start no earlier than in that time, as after
// a refusal by Google: without that, no test of a few seconds could book a slot
// that begins while it runs.
func putOff(t *testing.T, store storage.Store, model string, d time.Duration) {
	t.Helper()
	rules := &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
	for i := range projects {
		_, err := store.Apply(t.Context(), rules, project(i), scheduler.RecordRefusal{
			Model: model, Block: scheduler.Block{Cause: scheduler.ByMinute, Until: store.Now().Add(d)},
		})
		require.NoError(t, err)
	}
	time.Sleep(sight)
}

// unknown is a second field with a section that neither build knows, as the next
// one may write it: format, tag, tie, length, data.
var unknown = []byte{1, 77, 1, 2, 3, 4, 5, 6, 7, 8, 4, 'n', 'e', 'x', 't'}

// leaveUnknown adds what neither build knows to the document of every project.
func leaveUnknown(t *testing.T, client *firestore.Client) {
	t.Helper()
	for i := range projects {
		require.Eventually(t, func() bool { // once there is a document
			_, err := client.Doc("fluxgate/project-"+project(i)).Update(t.Context(), []firestore.Update{
				{Path: "sections", Value: unknown}, {Path: "later", Value: "unknown"},
			})
			return err == nil
		}, 20*time.Second, 100*time.Millisecond)
	}
}

func requireUnknown(t *testing.T, client *firestore.Client) {
	t.Helper()
	for i := range projects {
		snap, err := client.Doc("fluxgate/project-" + project(i)).Get(t.Context())
		require.NoError(t, err)
		sections, _ := snap.Data()["sections"].([]byte)
		require.True(t, bytes.HasPrefix(sections, unknown), "%x", sections) // this build's own may follow
		require.Equal(t, "unknown", snap.Data()["later"])
	}
}

// The last release serves, this build joins it and takes over, and is rolled back
// to the release again, under load all the time: no request fails, upstream never
// says 429, every booking is kept by the build that didn't make it, and so is what
// a later build may have left in the documents.
func TestUpgradeAndRollBack(t *testing.T) {
	w := newWorld(t, limits)
	release, this := buildRelease(t), buildThis(t)
	client := emulatortest.Client(t)
	store := gcpfirestore.New(client, "fluxgate", storage.Options{Pace: -1})
	t.Cleanup(func() { _ = store.Close(context.Background()) })

	begin := time.Now()
	b := newBalancer()
	old := w.start(t, release)
	b.add(old)
	l := startLoad(t, b, 8, 500*time.Millisecond)
	time.Sleep(sight)
	leaveUnknown(t, client)

	// Old and new, then new only.
	fresh := w.start(t, this)
	putOff(t, store, first, ahead)
	bookings := book(t, first, old, fresh)
	b.add(fresh)
	time.Sleep(sight)
	b.remove(old)
	var wg sync.WaitGroup
	wg.Go(old.stop)
	claim(t, bookings, fresh)
	wg.Wait()
	before := l.answered.Load()
	requireUnknown(t, client)

	// New and old, then old only.
	again := w.start(t, release)
	putOff(t, store, second, ahead)
	bookings = book(t, second, fresh, again)
	b.add(again)
	time.Sleep(sight)
	b.remove(fresh)
	wg.Go(fresh.stop)
	claim(t, bookings, again)
	wg.Wait()
	l.end()
	again.stop()

	s := w.sim.Stats()
	t.Logf("%d requests answered in %s, %d before the rollback, %d told to wait; upstream: %+v",
		l.answered.Load(), time.Since(begin).Round(time.Second), before, l.waited.Load(), s)
	w.requireWithinLimits(t)
	requireUnknown(t, client)
	require.Positive(t, l.waited.Load(), "without more callers than there is room for this shows nothing")
	require.EqualValues(t, l.answered.Load()+2*2*projects, s.Accepted, "nothing is sent twice")
}
