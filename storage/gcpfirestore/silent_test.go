package gcpfirestore_test

import (
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/standstill"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

// The connection to the database goes silent: what is sent is swallowed, and nobody is
// told. New connections work. The store is there again within seconds, by whichever of
// its two means.
func TestSilentConnection(t *testing.T) {
	warmUp(t)
	t.Run("another client after calls without an answer", func(t *testing.T) {
		t.Parallel()
		p := emulatortest.NewSilencer(t, emulatortest.Host(t))
		s := storeBy(t, p, storage.Options{Pace: -1, CommitTimeout: 500 * time.Millisecond, GiveUp: 2 * time.Second})
		took := againAfterSilence(t, s, p, 10*time.Second)
		assert.Less(t, took, 4*time.Second)
		assert.Equal(t, 2, p.Accepted())
		until(t, "the silent connection is closed once its calls have ended", func() bool { return p.Open() == 1 })
		require.NoError(t, s.Close(t.Context()))
		until(t, "and the other with the store", func() bool { return p.Open() == 0 })
	})
	for what, change := range map[string]func(storage.Store) error{
		"a record": func(s storage.Store) error {
			_, err := s.UpdateRecord(t.Context(), "r", func(data []byte) ([]byte, error) { return append(data, 'x'), nil })
			return err
		},
		"the control document": func(s storage.Store) error {
			_, err := s.UpdateControl(t.Context(), func(*storage.Control) error { return nil })
			return err
		},
	} {
		t.Run("while "+what+" is changed", func(t *testing.T) {
			t.Parallel()
			p := emulatortest.NewSilencer(t, emulatortest.Host(t))
			s := storeBy(t, p, storage.Options{Pace: -1, CommitTimeout: 500 * time.Millisecond, GiveUp: 5 * time.Second})
			until(t, "it answers", func() bool { _, err := s.Control(t.Context()); return err == nil })
			until(t, "the first is made", func() bool { return change(s) == nil })
			p.Swallow(false)
			watch := standstill.Begin()
			require.ErrorIs(t, change(s), storage.ErrUnavailable)
			assert.Less(t, watch.End().Ran(), 4*time.Second, "silence counts before it is given up")
			until(t, "the next is made", func() bool { return change(s) == nil })
			require.NoError(t, s.Close(t.Context()))
		})
	}
	t.Run("pings", func(t *testing.T) {
		t.Parallel()
		p := emulatortest.NewSilencer(t, emulatortest.Host(t))
		params := keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 500 * time.Millisecond} // the least that gRPC takes
		client := clientBy(t, p, option.WithGRPCDialOption(grpc.WithKeepaliveParams(params)))
		s := gcpfirestore.New(client, "fluxgate", storage.Options{Pace: -1, CommitTimeout: 500 * time.Millisecond, GiveUp: 2 * time.Second})
		took := againAfterSilence(t, s, p, 20*time.Second)
		assert.Less(t, took, 16*time.Second)
		require.NoError(t, s.Close(t.Context()))
	})
}

// A database that is silent on every connection is asked by another client now and
// then, not with every call.
func TestSilentDatabase(t *testing.T) {
	warmUp(t)
	p := emulatortest.NewSilencer(t, emulatortest.Host(t))
	s := storeBy(t, p, storage.Options{Pace: -1, CommitTimeout: 100 * time.Millisecond, GiveUp: 300 * time.Millisecond})
	until(t, "it answers", func() bool { _, err := s.Control(t.Context()); return err == nil })
	p.Swallow(true)
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		require.ErrorIs(t, s.Refresh(t.Context(), []string{"p"}, true), storage.ErrUnavailable)
	}
	assert.LessOrEqual(t, p.Accepted(), 2)
	p.Swallow(false)
	until(t, "it is heard again", func() bool { _, err := s.View(t.Context(), []string{"p"}); return err == nil })
	require.NoError(t, s.Close(t.Context()))
}

// againAfterSilence has the connection go silent and returns how long it took until a
// change was durable again. What was granted is there, once each.
func againAfterSilence(t *testing.T, s storage.Store, p *emulatortest.Silencer, most time.Duration) time.Duration {
	t.Helper()
	granted := 0
	ask := func() bool {
		_, err := s.Apply(t.Context(), defaultRules(), "p", scheduler.Reserve{Model: "m", ID: uint64(granted + 1), Demand: scheduler.Demand{Tokens: 1}})
		if err != nil {
			require.ErrorIs(t, err, storage.ErrUnavailable)
			return false
		}
		granted++
		return true
	}
	until(t, "the first is granted", ask)
	p.Swallow(false)
	begun, watch := time.Now(), standstill.Begin()
	for !ask() {
		require.Less(t, time.Since(begun), time.Minute, "still no answer")
	}
	took := watch.End().Ran()
	require.Less(t, took, most)
	t.Logf("there again after %v", took)
	require.True(t, ask())
	states, err := gcpfirestore.New(emulatortest.Client(t), "fluxgate", storage.Options{}).View(t.Context(), []string{"p"})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(states[0].Calendar("m").Sent), granted)
	return took
}

// until waits for something that happens within seconds.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, 15*time.Second, 20*time.Millisecond, what)
}

// clientBy returns a client that reaches the database of the test by a silencer.
func clientBy(t *testing.T, p *emulatortest.Silencer, o ...option.ClientOption) *firestore.Client {
	return emulatortest.Client(t, append(o, option.WithEndpoint(p.Address()))...)
}

// storeBy opens a store that reaches the database of the test by a silencer, and may make
// other clients.
func storeBy(t *testing.T, p *emulatortest.Silencer, o storage.Options) *storage.Grouped {
	s, err := gcpfirestore.Open(func(o ...option.ClientOption) (*firestore.Client, error) { return clientBy(t, p, o...), nil }, "fluxgate", o)
	require.NoError(t, err)
	return s
}
