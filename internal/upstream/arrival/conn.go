package arrival

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"syscall"
)

// A Conn is a connection that knows how much of what was written has arrived.
type Conn interface {
	// Written returns how many bytes have been written.
	Written() int64
	// Unacknowledged returns how many of them the other side hasn't acknowledged, if that is known.
	Unacknowledged() (int64, bool)
}

// A counted is one over TCP.
type counted struct {
	net.Conn
	raw     syscall.RawConn
	written atomic.Int64
	after   atomic.Pointer[func()] // each Write; nil: nothing
}

// Write implements net.Conn.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n))
	if after := c.after.Load(); after != nil {
		(*after)()
	}
	return n, err
}

// Written implements Conn.
func (c *counted) Written() int64 { return c.written.Load() }

// Unacknowledged implements Conn.
func (c *counted) Unacknowledged() (int64, bool) { return unacknowledged(c.raw) }

// Dial is what dials, such as [net.Dialer.DialContext].
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Counted returns one whose connections are each a Conn, if they are over TCP.
func Counted(dial Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
			if raw, err := tcp.SyscallConn(); err == nil {
				return &counted{Conn: tcp, raw: raw}, nil
			}
		}
		return conn, err
	}
}

// connOf returns the Conn that a connection is, or that it encrypts, and whether that carries several requests at a time, as HTTP/2 does;
// nil: there is none.
func connOf(c net.Conn) (conn Conn, several bool) {
	if encrypted, ok := c.(*tls.Conn); ok {
		c, several = encrypted.NetConn(), encrypted.ConnectionState().NegotiatedProtocol == "h2"
	}
	conn, _ = c.(Conn)
	return conn, several
}
