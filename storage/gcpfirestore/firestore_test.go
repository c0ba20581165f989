package gcpfirestore_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
	"fluxgate.dev/fluxgate/storage/storetest"
)

func TestFirestore(t *testing.T) {
	warmUp(t) // skips here rather than in every case
	storetest.Run(t, storetest.Kind{Shared: true}, func(t *testing.T, body func(*testing.T, storetest.Harness)) {
		t.Parallel() // most of the time is waiting
		body(t, newFirestoreHarness(t))
	})
}

// warmUp has the emulator answer once: the first time takes it seconds.
func warmUp(t testing.TB) {
	client := emulatortest.Client(t)
	err := client.RunTransaction(context.Background(), func(_ context.Context, tx *firestore.Transaction) error {
		return tx.Set(client.Doc("warm/up"), map[string]any{"state": []byte{1}})
	})
	require.NoError(t, err)
	_, err = client.GetAll(context.Background(), []*firestore.DocumentRef{client.Doc("warm/up")})
	require.NoError(t, err)
}

func BenchmarkFirestore(b *testing.B) {
	storetest.Bench(b, storetest.Kind{Shared: true}, func(tb testing.TB) storetest.Harness { return newFirestoreHarness(tb) })
}

// A firestoreHarness is a database of the emulator. Every Store has a client of
// its own, whose calls are counted and troubled on the wire.
type firestoreHarness struct {
	home          testing.TB // owns the database
	reads, writes atomic.Int64
}

func newFirestoreHarness(tb testing.TB) *firestoreHarness { return &firestoreHarness{home: tb} }

func (h *firestoreHarness) Asked() (reads, writes int64) { return h.reads.Load(), h.writes.Load() }

func (h *firestoreHarness) Open(t testing.TB, c storetest.Config) storage.Store {
	if c.CommitTimeout == 0 { // the machine may be busy with other tests
		c.CommitTimeout, c.GiveUp = 20*time.Second, 40*time.Second
	}
	w := &wire{h: h, trouble: c.Trouble}
	client := emulatortest.Client(h.home,
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(w.unary)),
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(w.stream)))
	s := gcpfirestore.New(client, "fluxgate", c.Options)
	h.home.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // whatever a test left waiting is given up
		_ = s.Close(ctx)
	})
	return s
}

// Empty deletes all documents, by the emulator's own interface.
func (h *firestoreHarness) Empty(t testing.TB) { emulatortest.Clear(h.home) }

// Save returns a function that has nothing but the documents of now in the database.
func (h *firestoreHarness) Save(t testing.TB) (setBack func()) {
	client := emulatortest.Client(h.home)
	saved, err := client.Collection("fluxgate").Documents(t.Context()).GetAll()
	require.NoError(t, err)
	return func() {
		h.Empty(t)
		for _, doc := range saved {
			_, err := client.Collection("fluxgate").Doc(doc.Ref.ID).Set(t.Context(), doc.Data())
			require.NoError(t, err)
		}
	}
}

// A wire watches the calls of one client.
type wire struct {
	h       *firestoreHarness
	trouble storetest.Trouble
	commits atomic.Int64
}

func ofProject(name string) bool { return strings.Contains(name, "/project-") }

func (w *wire) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	commit, ok := req.(*firestorepb.CommitRequest)
	if !ok || len(commit.Writes) != 1 || !ofProject(commit.Writes[0].GetUpdate().GetName()) {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	w.h.writes.Add(1)
	n := int(w.commits.Add(1))
	if w.trouble.Before != nil {
		w.trouble.Before(ctx, n)
	}
	if w.trouble.Refuse != nil {
		if err := coded(w.trouble.Refuse(n)); err != nil {
			return err
		}
	}
	if err := invoke(ctx, method, req, reply, cc, opts...); err != nil {
		return err
	}
	if w.trouble.Lose != nil {
		return coded(w.trouble.Lose(ctx, n))
	}
	return nil
}

// coded returns a fault as the error of gRPC that it stands for, and any other as it is.
func coded(err error) error {
	var fault *storetest.Fault
	if !errors.As(err, &fault) {
		return err
	}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if code.String() == fault.Code {
			return status.Error(code, fault.Error())
		}
	}
	panic("gRPC has no code " + fault.Code)
}

// The suite knows every code that gRPC has, by its own name.
func TestFaults(t *testing.T) {
	var names, want []string
	for _, fault := range storetest.Faults {
		names = append(names, fault.Code)
	}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		want = append(want, code.String())
	}
	assert.Equal(t, want, names)
}

func (w *wire) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := streamer(ctx, desc, cc, method, opts...)
	return &watchedStream{s, w}, err
}

type watchedStream struct {
	grpc.ClientStream
	w *wire
}

func (s *watchedStream) SendMsg(m any) error {
	if get, ok := m.(*firestorepb.BatchGetDocumentsRequest); ok {
		for _, name := range get.Documents {
			if ofProject(name) {
				s.w.h.reads.Add(1)
			}
		}
	}
	return s.ClientStream.SendMsg(m)
}

// defaultRules returns the built-in policy with the default skew and hold.
func defaultRules() *scheduler.Rules {
	return &scheduler.Rules{Policy: scheduler.NewPolicy(nil, nil), Skew: scheduler.DefaultSkew, Hold: scheduler.DefaultHold}
}
