package storage_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// The connection to the database goes silent: what is sent is swallowed, and nobody is
// told. New connections work. The store is there again within seconds, by whichever of
// its two means.
func TestSilentConnection(t *testing.T) {
	warmUp(t)
	t.Run("another client after calls without an answer", func(t *testing.T) {
		t.Parallel()
		p := newSilencer(t, emulatortest.Host(t))
		s, err := storage.OpenFirestore(func(o ...option.ClientOption) (*firestore.Client, error) {
			return p.client(t, o...), nil
		}, "fluxgate", storage.Options{Pace: -1, CommitTimeout: 500 * time.Millisecond, GiveUp: 2 * time.Second})
		require.NoError(t, err)
		took := againAfterSilence(t, s, p, 10*time.Second)
		assert.Less(t, took, 4*time.Second)
		assert.Equal(t, 2, p.accepted())
		until(t, "the silent connection is closed once its calls have ended", func() bool { return p.open() == 1 })
		require.NoError(t, s.Close(t.Context()))
		until(t, "and the other with the store", func() bool { return p.open() == 0 })
	})
	t.Run("pings", func(t *testing.T) {
		t.Parallel()
		p := newSilencer(t, emulatortest.Host(t))
		params := keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 500 * time.Millisecond} // the least that gRPC takes
		client := p.client(t, option.WithGRPCDialOption(grpc.WithKeepaliveParams(params)))
		s := storage.NewFirestore(client, "fluxgate", storage.Options{Pace: -1, CommitTimeout: 500 * time.Millisecond, GiveUp: 2 * time.Second})
		took := againAfterSilence(t, s, p, 20*time.Second)
		assert.Less(t, took, 16*time.Second)
		require.NoError(t, s.Close(t.Context()))
	})
}

// A database that is silent on every connection is asked by another client now and
// then, not with every call.
func TestSilentDatabase(t *testing.T) {
	warmUp(t)
	p := newSilencer(t, emulatortest.Host(t))
	s, err := storage.OpenFirestore(func(o ...option.ClientOption) (*firestore.Client, error) {
		return p.client(t, o...), nil
	}, "fluxgate", storage.Options{Pace: -1, CommitTimeout: 100 * time.Millisecond, GiveUp: 300 * time.Millisecond})
	require.NoError(t, err)
	until(t, "it answers", func() bool { _, err := s.Control(t.Context()); return err == nil })
	p.swallow(true)
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		require.ErrorIs(t, s.Refresh(t.Context(), []string{"p"}, true), storage.ErrUnavailable)
	}
	assert.LessOrEqual(t, p.accepted(), 2)
	p.swallow(false)
	until(t, "it is heard again", func() bool { _, err := s.View(t.Context(), []string{"p"}); return err == nil })
	require.NoError(t, s.Close(t.Context()))
}

// againAfterSilence has the connection go silent and returns how long it took until a
// change was durable again. What was granted is there, once each.
func againAfterSilence(t *testing.T, s storage.Store, p *silencer, most time.Duration) time.Duration {
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
	p.swallow(false)
	begun := time.Now()
	for !ask() {
		require.Less(t, time.Since(begun), most, "still no answer")
	}
	took := time.Since(begun)
	t.Logf("there again after %v", took)
	require.True(t, ask())
	states, err := storage.NewFirestore(emulatortest.Client(t), "fluxgate", storage.Options{}).View(t.Context(), []string{"p"})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(states[0].Calendar("m").Sent), granted)
	return took
}

// until waits for something that happens within seconds.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, 15*time.Second, 20*time.Millisecond, what)
}

// A silencer passes bytes on until it is told to swallow them.
type silencer struct {
	listener net.Listener
	upstream string

	mu    sync.Mutex
	all   bool // new connections are silent too
	conns []*silenced
	opens int
}

// A silenced connection is one that a client made.
type silenced struct {
	mu     sync.Mutex
	silent bool
}

func newSilencer(t *testing.T, upstream string) *silencer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &silencer{listener: l, upstream: upstream}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() { // after those of clients
		_ = l.Close()
		wg.Wait()
	})
	return p
}

// client returns a client that reaches the database of the test by the silencer.
func (p *silencer) client(t *testing.T, o ...option.ClientOption) *firestore.Client {
	return emulatortest.Client(t, append(o, option.WithEndpoint(p.listener.Addr().String()))...)
}

// swallow has every connection that there is go silent, and future ones too.
func (p *silencer) swallow(all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = all
	for _, c := range p.conns {
		c.mu.Lock()
		c.silent = true
		c.mu.Unlock()
	}
}

// accepted returns how many connections were made, and open how many the clients
// haven't closed.
func (p *silencer) accepted() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.conns) }
func (p *silencer) open() int     { p.mu.Lock(); defer p.mu.Unlock(); return p.opens }

func (p *silencer) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer server.Close()
	c := new(silenced)
	p.mu.Lock()
	c.silent = p.all
	p.conns = append(p.conns, c)
	p.opens++
	p.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() {
		c.pass(client, server)
		_ = server.Close()
	})
	c.pass(server, client)
	_ = client.Close()
	wg.Wait()
	p.mu.Lock()
	p.opens--
	p.mu.Unlock()
}

// pass copies bytes until one side closes.
func (c *silenced) pass(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		c.mu.Lock()
		silent := c.silent
		c.mu.Unlock()
		if silent {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
