package emulatortest

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Silencer stands between clients and an emulator, or another server. It passes bytes on until it is
// told to swallow them: then nobody is told anything, and no connection ends.
type Silencer struct {
	listener net.Listener
	upstream string

	mu    sync.Mutex
	all   bool // new connections are silent too
	conns []*silenced
	opens int
}

// A silenced is a connection that a client made, and that may go silent.
type silenced struct {
	mu     sync.Mutex
	silent bool
}

// NewSilencer returns one that passes bytes to an address, until t ends.
func NewSilencer(t testing.TB, upstream string) *Silencer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Silencer{listener: l, upstream: upstream}
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

// Address is where clients reach the emulator by the silencer: "127.0.0.1:port".
func (p *Silencer) Address() string { return p.listener.Addr().String() }

// Swallow has every connection that there is go silent, for good; all says whether those that come do too.
func (p *Silencer) Swallow(all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = all
	for _, c := range p.conns {
		c.mu.Lock()
		c.silent = true
		c.mu.Unlock()
	}
}

// Accepted returns how many connections were made.
func (p *Silencer) Accepted() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.conns) }

// Open returns how many of the connections that were made the clients haven't closed.
func (p *Silencer) Open() int { p.mu.Lock(); defer p.mu.Unlock(); return p.opens }

func (p *Silencer) serve(client net.Conn) {
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
