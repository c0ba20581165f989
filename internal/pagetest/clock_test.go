package pagetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	pb "cloud.google.com/go/firestore/apiv1/firestorepb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

// A clock is the time of a whole world. It goes on by itself, and can be put
// forward.
type clock struct {
	began time.Time // what the world takes for the machine's time when it begins

	mu      sync.Mutex
	zero    time.Time // the machine's time then, by its wall clock, which is the emulator's too
	steps   []step    // in order
	noticed []func(context.Context)
}

// A step is one time that a clock was put forward, at an instant of the machine.
type step struct {
	at time.Time
	by time.Duration
}

// newClock returns one that begins at an instant.
func newClock(began time.Time) *clock { return &clock{began: began, zero: time.Now().Round(0)} }

// now returns the time of the world.
func (c *clock) now() time.Time { return c.of(time.Now()) }

// of returns the world's time at an instant of the machine.
func (c *clock) of(machine time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	machine = machine.Round(0)
	t := c.began.Add(machine.Sub(c.zero))
	for _, s := range c.steps {
		if !machine.Before(s.at) {
			t = t.Add(s.by)
		}
	}
	return t
}

// machine is the inverse of of, for what of has returned.
func (c *clock) machine(world time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.zero.Add(world.Sub(c.began))
	var ahead time.Duration
	for _, s := range c.steps {
		ahead += s.by
	}
	for _, s := range slices.Backward(c.steps) {
		if before := t.Add(-ahead); !before.Before(s.at) {
			return before
		}
		ahead -= s.by
	}
	return t
}

// forward has so much time go by at once.
func (c *clock) forward(ctx context.Context, d time.Duration) {
	c.mu.Lock()
	c.steps = append(c.steps, step{time.Now().Round(0), d})
	c.mu.Unlock()
	for _, notice := range c.noticed {
		notice(ctx)
	}
}

// emulated returns the store of one more instance, over the emulator of the test.
// The emulator tells the time of the machine, so what it tells is translated on
// the way to the instance, and back. An instance goes by the time that its
// database told last: when the clock is put forward, it is told anew.
func (c *clock) emulated(t *testing.T) storage.Store {
	t.Helper()
	store := gcpfirestore.New(c.client(t), "fluxgate", storage.Options{})
	t.Cleanup(func() { assert.NoError(t, store.Close(context.Background())) })
	c.noticed = append(c.noticed, func(ctx context.Context) {
		// What is known may not be read again this second.
		assert.NoError(t, store.Refresh(ctx, []string{fmt.Sprint("nobody-", time.Now().UnixNano())}, true))
	})
	return store
}

// client returns a client of the test's database that is told the world's time.
func (c *clock) client(t *testing.T) *firestore.Client {
	return emulatortest.Client(t,
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if commit, ok := req.(*pb.CommitRequest); ok {
				commit = proto.CloneOf(commit) // the library may send it again
				for _, w := range commit.GetWrites() {
					if told := w.GetCurrentDocument().GetUpdateTime(); told != nil {
						w.CurrentDocument.ConditionType = &pb.Precondition_UpdateTime{UpdateTime: timestamppb.New(c.machine(told.AsTime()))}
					}
				}
				req = commit
			}
			err := invoke(ctx, method, req, reply, cc, opts...)
			if commit, ok := reply.(*pb.CommitResponse); ok && err == nil {
				c.translate(&commit.CommitTime)
				for _, r := range commit.GetWriteResults() {
					c.translate(&r.UpdateTime)
				}
			}
			return err
		})),
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := stream(ctx, desc, cc, method, opts...)
			if err != nil {
				return nil, err
			}
			return translated{s, c}, nil
		})))
}

// translate translates what the emulator told, if it did.
func (c *clock) translate(told **timestamppb.Timestamp) {
	if *told != nil {
		*told = timestamppb.New(c.of((*told).AsTime()))
	}
}

// A translated stream is one of reads.
type translated struct {
	grpc.ClientStream
	clock *clock
}

func (s translated) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if read, ok := m.(*pb.BatchGetDocumentsResponse); ok && err == nil {
		s.clock.translate(&read.ReadTime)
		if found := read.GetFound(); found != nil {
			s.clock.translate(&found.CreateTime)
			s.clock.translate(&found.UpdateTime)
		}
	}
	return err
}

// A clock that is put forward leaves nothing out, and what it told is found again.
func TestClock(t *testing.T) {
	c := newClock(time.Date(2026, time.June, 10, 19, 0, 0, 0, time.UTC))
	var told, machine []time.Time
	note := func(at time.Time) {
		machine = append(machine, at.Round(0))
		told = append(told, c.of(at))
	}
	for range 3 {
		note(time.Now())
		c.forward(t.Context(), time.Hour)
		note(c.steps[len(c.steps)-1].at)
	}
	require.True(t, slices.IsSortedFunc(told, time.Time.Compare))
	assert.GreaterOrEqual(t, told[5].Sub(told[0]), 3*time.Hour)
	for i, at := range told {
		assert.WithinDuration(t, machine[i], c.machine(at), 0)
		assert.Equal(t, at, c.of(machine[i]), "what was told doesn't change")
	}
}
