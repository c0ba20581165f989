package arrival

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

const (
	// again is when a request is looked for again that hasn't arrived in time, then after twice as long each time, up to rarely.
	again, rarely = 200 * time.Millisecond, 3200 * time.Millisecond
	// reply is how long it may take to have what is told then take effect.
	reply = 100 * time.Millisecond
	// unwritten is after how long one is looked for that hasn't been written, as a connection is dialled: then as of one that hasn't
	// arrived.
	unwritten = 300 * time.Millisecond
	// lookedFor bounds how often one is looked for: then what sends it has given up.
	lookedFor = 50
)

type watcherKey struct{}

// A Watcher is told of one request. What it is told it doesn't wait for.
type Watcher interface {
	// Wrote tells when the request was written, which a connection that had to be dialled may have kept.
	Wrote(at time.Time)
	// Late tells that it hasn't been written or hasn't arrived in time and may have by then, several times, each before the time that
	// was told before is over, until it has arrived or is answered.
	Late(until time.Time)
}

// WithWatcher returns a context whose request w is told of.
func WithWatcher(ctx context.Context, w Watcher) context.Context {
	return context.WithValue(ctx, watcherKey{}, w)
}

// A Sending is one request on its way.
type Sending struct {
	path *Path
	now  func() time.Time
	told Watcher // nil: nobody

	mu      sync.Mutex
	began   time.Time // the dialling of a connection, or its handshake
	took    time.Duration
	conn    Conn
	several bool    // requests at a time are on it
	after   *func() // what it calls after each Write
	wrote   bool
	shown   bool  // it was seen under way
	end     int64 // of the request, in what is written on the connection
	timer   *time.Timer
	due     time.Time // of the timer, which may be about to look for what it was set for before
	looks   int       // since it was written, or since it is to be
	over    bool      // nothing is to be looked for
	ended   bool
	arrived time.Time // by then it has; zero: in time
}

// Send returns a request that is about to be sent, and has a trace tell it what becomes of it. Encrypted says that its scheme is https.
func (p *Path) Send(ctx context.Context, trace *httptrace.ClientTrace, now func() time.Time, encrypted bool) *Sending {
	s := &Sending{path: p, now: now}
	s.told, _ = ctx.Value(watcherKey{}).(Watcher)
	trace.GetConn = func(string) { s.seek() }
	trace.ConnectStart = func(_, _ string) { s.begin() }
	trace.ConnectDone = func(_, _ string, err error) { s.done(err == nil, !encrypted) }
	trace.TLSHandshakeStart = s.begin
	trace.TLSHandshakeDone = func(_ tls.ConnectionState, err error) { s.done(err == nil, true) }
	trace.GotConn = s.got
	return s
}

// seek notes that a connection is sought for it: the first, or another one for that has failed.
func (s *Sending) seek() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsent()
}

// unsent has it looked for until it is written, whatever was written of it before. The lock is held.
func (s *Sending) unsent() {
	s.wrote, s.looks, s.over = false, 0, s.ended || s.told == nil
	if !s.over {
		s.lookIn(unwritten)
	}
}

// lookIn has it looked for after a while. The lock is held.
func (s *Sending) lookIn(d time.Duration) {
	s.due = time.Now().Add(d)
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.look)
	} else {
		s.timer.Reset(d)
	}
}

// begin notes that a connection is dialled. Of two addresses that are tried at once the first counts.
func (s *Sending) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() {
		s.began = s.now()
	}
}

// done notes that a step of making a connection is done, each of which takes one way back and forth at least; the last: the connection is.
func (s *Sending) done(ok, last bool) {
	if !ok {
		return // another address may yet answer
	}
	s.mu.Lock()
	now, took := s.now(), time.Duration(0)
	if !s.began.IsZero() {
		s.took = max(s.took, now.Sub(s.began))
	}
	if s.began = (time.Time{}); last {
		took, s.took = s.took, 0
	}
	s.mu.Unlock()
	if took > 0 {
		s.path.dialled(now, took)
	}
}

// got notes which connection it is sent on.
func (s *Sending) got(info httptrace.GotConnInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn, s.several = connOf(info.Conn); s.wrote {
		s.unsent() // as another stream of HTTP/2, for which no connection is sought
	}
}

// Wrote notes that it has been written in full.
func (s *Sending) Wrote() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told != nil {
		s.told.Wrote(s.now())
	}
	if s.ended {
		return
	}
	s.wrote, s.looks, s.shown = true, 0, false
	if s.over = !s.ends(); s.over {
		return
	}
	if c, ok := s.conn.(*counted); ok && !s.several {
		after := s.flushed
		s.after = &after
		c.after.Store(s.after)
	}
	s.lookIn(s.path.judgedAfter())
}

// ends notes how far it reaches in what is written on the connection, and reports whether the kernel tells of that. The lock is held.
func (s *Sending) ends() bool {
	if s.conn == nil {
		return false
	}
	s.end = s.conn.Written()
	n, ok := s.conn.Unacknowledged()
	s.shown = s.shown || n > 0
	return ok
}

// flushed notes that more of it has been written. HTTP/1.1 has its last bytes in a buffer when it says that all is, and writes nothing else
// before it has been answered.
func (s *Sending) flushed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrote && !s.over {
		s.ends()
	}
}

// look sees whether it has arrived, and has it looked for again if it hasn't.
func (s *Sending) look() {
	s.mu.Lock()
	if s.over || time.Now().Before(s.due) {
		s.mu.Unlock()
		return
	}
	now, wrote, shown := s.now(), s.wrote, s.shown
	there, known := false, true
	if wrote {
		written := s.conn.Written()
		n, ok := s.conn.Unacknowledged()
		there, known = ok && written-n >= s.end, ok
	}
	late, next := s.looks > 0, min(again<<min(s.looks, 10), rarely)
	if s.looks++; there || !known || s.looks > lookedFor {
		s.over = true
	} else {
		s.lookIn(next)
	}
	if wrote && (late || !there) {
		s.arrived = now
	}
	s.mu.Unlock()
	if there {
		if !late {
			s.path.arrived(now, shown)
		}
		return
	}
	if wrote {
		s.path.missed(now)
	}
	if s.told != nil {
		s.told.Late(now.Add(next + reply))
	}
}

// Ended notes that it has been answered, or that nobody waits for an answer any more.
func (s *Sending) Ended(answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if c, ok := s.conn.(*counted); ok && s.after != nil {
		c.after.CompareAndSwap(s.after, nil)
	}
	if s.over {
		return
	}
	if s.over = true; s.timer == nil {
		return
	}
	s.timer.Stop()
	switch {
	case !s.wrote:
	case s.looks > 0:
		s.arrived = s.now()
	case answered:
		s.path.arrived(s.now(), s.shown)
	}
}

// Arrived returns an instant by which it had arrived, or may yet, of one that hasn't in time; zero: it has, or nothing is known.
func (s *Sending) Arrived() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrived
}
