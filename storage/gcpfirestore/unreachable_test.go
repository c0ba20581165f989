package gcpfirestore_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/internal/standstill"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

// A database that isn't there: nothing is granted, and everybody is told so in
// the time that the options allow.
func TestFirestoreUnreachable(t *testing.T) {
	closedPort := func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		return l.Addr().String()
	}
	silent := func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { _ = conn.Close() })
				go func() { _, _ = io.Copy(io.Discard, conn) }()
			}
		}()
		return l.Addr().String()
	}
	for name, address := range map[string]func(*testing.T) string{"closed port": closedPort, "never answers": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := firestore.NewClient(t.Context(), "nowhere",
				option.WithEndpoint(address(t)), option.WithoutAuthentication(),
				option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
				option.WithGRPCConn(nil)) // or the library goes to FIRESTORE_EMULATOR_HOST
			require.NoError(t, err)
			t.Cleanup(func() { _ = client.Close() })
			s := gcpfirestore.New(client, "fluxgate", storage.Options{
				CommitTimeout: 300 * time.Millisecond, GiveUp: 900 * time.Millisecond,
			})
			allUnavailable(t, s, 1500*time.Millisecond)
			require.NoError(t, s.Close(t.Context()))
		})
	}
}

// allUnavailable calls everything at once and expects an answer in time.
func allUnavailable(t *testing.T, s storage.Store, bound time.Duration) {
	t.Helper()
	watch := standstill.Begin()
	var wg sync.WaitGroup
	for range 5 {
		for name, call := range map[string]func() error{
			"View":    func() error { _, err := s.View(t.Context(), []string{"a", "b"}); return err },
			"Refresh": func() error { return s.Refresh(t.Context(), []string{"a"}, true) },
			"Apply": func() error {
				_, err := s.Apply(t.Context(), defaultRules(), "a", scheduler.Reserve{Model: "m", ID: 1, Demand: scheduler.Demand{Tokens: 1}})
				return err
			},
			"Control": func() error { _, err := s.Control(t.Context()); return err },
			"UpdateControl": func() error {
				_, err := s.UpdateControl(t.Context(), func(*storage.Control) error { return nil })
				return err
			},
		} {
			wg.Go(func() {
				err := call()
				assert.ErrorIs(t, err, storage.ErrUnavailable, name)
				assert.NotErrorIs(t, err, context.DeadlineExceeded, name)
			})
		}
	}
	wg.Wait()
	assert.Less(t, watch.End().Ran(), bound)
}

// The database goes away in the middle of a commit and stays away, so that not
// even rolling back works: the caller is told in bounded time, and nothing is
// left of its request once the database is back.
func TestFirestoreGoesAway(t *testing.T) {
	var mu sync.Mutex
	gone := false
	set := func(v bool) { mu.Lock(); defer mu.Unlock(); gone = v }
	cut := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		mu.Lock()
		away := gone
		mu.Unlock()
		if away && method != "/google.firestore.v1.Firestore/BeginTransaction" {
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	warmUp(t)
	client := emulatortest.Client(t, option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(cut)))
	s := gcpfirestore.New(client, "fluxgate", storage.Options{
		Pace: -1, CommitTimeout: time.Second, GiveUp: 2 * time.Second,
	})
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	ask := func(id uint64) error {
		_, err := s.Apply(t.Context(), defaultRules(), "p", scheduler.Reserve{Model: "m", ID: id, Demand: scheduler.Demand{Tokens: 1}})
		return err
	}
	require.NoError(t, ask(1))
	set(true)
	watch := standstill.Begin()
	require.ErrorIs(t, ask(2), storage.ErrUnavailable)
	assert.Less(t, watch.End().Ran(), 3*time.Second)
	set(false)
	require.NoError(t, ask(3))
	states, err := s.View(t.Context(), []string{"p"})
	require.NoError(t, err)
	require.Len(t, states[0].Calendar("m").Sent, 2)
}

// That we may neither read nor write is told at once: trying for twenty seconds helps nobody.
func TestFirestoreDenied(t *testing.T) {
	warmUp(t)
	for _, code := range []codes.Code{codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			var denied atomic.Bool
			var asked atomic.Int64 // in vain
			deny := func() error {
				if denied.Load() {
					asked.Add(1)
					return status.Error(code, "no")
				}
				return nil
			}
			client := emulatortest.Client(t,
				option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					if err := deny(); err != nil {
						return err
					}
					return invoke(ctx, method, req, reply, cc, opts...)
				})),
				option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
					if err := deny(); err != nil {
						return nil, err
					}
					return streamer(ctx, desc, cc, method, opts...)
				})))
			s := gcpfirestore.New(client, "fluxgate", storage.Options{Pace: -1, CommitTimeout: 20 * time.Second, GiveUp: 20 * time.Second})
			t.Cleanup(func() { _ = s.Close(context.Background()) })
			ask := func(id uint64) error {
				_, err := s.Apply(t.Context(), defaultRules(), "p", scheduler.Reserve{Model: "m", ID: id, Demand: scheduler.Demand{Tokens: 1}})
				return err
			}
			require.NoError(t, ask(1))
			denied.Store(true)
			err := ask(2)
			require.ErrorIs(t, err, storage.ErrUnavailable)
			assert.Equal(t, code, status.Code(err), "the cause is there for whoever operates it")
			assert.LessOrEqual(t, asked.Load(), int64(4), "a commit and a read, not one after another for twenty seconds")
			denied.Store(false)
			require.NoError(t, ask(3))
		})
	}
}

// What is in the collection but isn't ours is an error that says what is wrong.
func TestFirestoreForeignDocument(t *testing.T) {
	warmUp(t)
	client := emulatortest.Client(t)
	s := gcpfirestore.New(client, "fluxgate", storage.Options{})
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	_, err := client.Collection("fluxgate").Doc("project-p").Set(t.Context(), map[string]any{"other": 1})
	require.NoError(t, err)
	_, err = s.View(t.Context(), []string{"p"})
	require.ErrorContains(t, err, "project-p")
	require.ErrorContains(t, err, "state")
	_, err = client.Collection("fluxgate").Doc("control").Set(t.Context(), map[string]any{"epoch": "not a number"})
	require.NoError(t, err)
	_, err = s.Control(t.Context())
	require.ErrorContains(t, err, "control document")
}

// The store's time is the database's: it agrees with the update time of a
// document that it just wrote.
func TestFirestoreTime(t *testing.T) {
	warmUp(t)
	client := emulatortest.Client(t)
	s := gcpfirestore.New(client, "fluxgate", storage.Options{})
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	result, err := s.Apply(t.Context(), defaultRules(), "p", scheduler.Reserve{Model: "m", ID: 1, Demand: scheduler.Demand{Tokens: 1}})
	require.NoError(t, err)
	after := s.Now()
	snap, err := client.Collection("fluxgate").Doc("project-p").Get(t.Context())
	require.NoError(t, err)
	updated := scheduler.At(snap.UpdateTime)
	assert.LessOrEqual(t, result.Start.Sub(updated), 250*time.Millisecond)
	assert.GreaterOrEqual(t, after.Sub(updated), -250*time.Millisecond)
	assert.Less(t, after.Sub(updated), 5*time.Second)
}
