package arrival

import (
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// A line is a connection whose other side acknowledges what was written after a while.
type line struct {
	net.Conn
	way     time.Duration
	written atomic.Int64
	there   atomic.Int64
	silent  bool // it doesn't tell
}

func (l *line) Written() int64 { return l.written.Load() }

func (l *line) Unacknowledged() (int64, bool) { return l.written.Load() - l.there.Load(), !l.silent }

// A told keeps what it is told.
type told struct {
	mu    sync.Mutex
	wrote int
	late  []time.Time
}

func (t *told) Wrote(time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrote++
}

func (t *told) Late(until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.late = append(t.late, until)
}

// send has one request sent on a line, which is answered so much later.
func send(t *testing.T, p *Path, l *line, dials, answer time.Duration) (*Sending, *told) {
	to, trace := new(told), new(httptrace.ClientTrace)
	s := p.Send(WithWatcher(t.Context(), to), trace, time.Now, true)
	if dials > 0 {
		trace.ConnectStart("tcp", "[::1]:1")
		trace.ConnectStart("tcp", "127.0.0.1:1")
		trace.ConnectDone("tcp", "[::1]:1", net.ErrClosed)
		time.Sleep(dials)
		trace.ConnectDone("tcp", "127.0.0.1:1", nil)
		trace.TLSHandshakeStart()
		time.Sleep(dials)
		trace.TLSHandshakeDone(tls.ConnectionState{}, nil)
	}
	trace.GotConn(httptrace.GotConnInfo{Conn: l})
	end := l.written.Add(100)
	time.AfterFunc(l.way, func() { l.there.Store(end) })
	s.Wrote()
	time.Sleep(answer)
	s.Ended(true)
	to.mu.Lock()
	defer to.mu.Unlock()
	return s, &told{wrote: to.wrote, late: to.late}
}

// TestPathBeginsCareful: nothing is known before enough requests have been seen to arrive in time. What is known grows with how long dialling
// takes, up to where nothing is.
func TestPathBeginsCareful(t *testing.T) {
	for trip, want := range map[time.Duration]time.Duration{
		time.Millisecond: 40 * time.Millisecond, 20 * time.Millisecond: 40 * time.Millisecond, 21 * time.Millisecond: 50 * time.Millisecond,
		100 * time.Millisecond: 200 * time.Millisecond, 101 * time.Millisecond: 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			p := new(Path)
			var changes atomic.Int64
			p.OnChange(func() { changes.Add(1) })
			l := &line{way: trip}
			for i := range enough {
				assert.Zero(t, p.Late(), i)
				dials := time.Duration(0)
				if i == 0 {
					dials = trip
				}
				s, to := send(t, p, l, dials, time.Second)
				assert.Zero(t, s.Arrived())
				assert.Equal(t, 1, to.wrote)
				assert.Empty(t, to.late)
			}
			assert.Equal(t, want, p.Late(), trip)
			assert.Equal(t, want > 0, changes.Load() == 1, trip)
		})
	}
}

// TestPathsThatTellNothing: where the kernel shows nothing under way, or doesn't tell, or no connection was seen to be made, nothing is known.
func TestPathsThatTellNothing(t *testing.T) {
	for name, l := range map[string]*line{"nothing under way": {}, "silent": {way: time.Millisecond, silent: true}, "not dialled": {way: time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			p := new(Path)
			for range 3 * enough {
				if l.way == 0 {
					l.there.Store(l.written.Load() + 100)
				}
				dials := time.Millisecond
				if name == "not dialled" {
					dials = 0
				}
				send(t, p, l, dials, time.Second)
			}
			assert.Zero(t, p.Late(), name)
		})
	}
}

// TestPathThatGetsLonger: one request that doesn't arrive in time ends what is known, and is told of until it has arrived, each time before the time
// that was told before is over. After a while the path may be known again.
func TestPathThatGetsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := new(Path), &line{way: 5 * time.Millisecond}
		for range enough {
			send(t, p, l, 5*time.Millisecond, time.Second)
		}
		assert.NotZero(t, p.Late())
		l.way = 2 * time.Second
		began := time.Now()
		s, to := send(t, p, l, 0, 5*time.Second)
		assert.Zero(t, p.Late())
		until := began.Add(least + acknowledging)
		for _, at := range to.late {
			assert.True(t, at.After(until), "%v", to.late)
			until = at
		}
		assert.True(t, until.After(began.Add(l.way)))
		assert.Len(t, to.late, 4, "at .1, .3, .7 and 1.5 s")
		assert.False(t, s.Arrived().Before(began.Add(l.way)))
		assert.Less(t, s.Arrived().Sub(began), 2*l.way)

		// One that is answered has arrived.
		s, _ = send(t, p, l, 0, time.Second)
		assert.Equal(t, time.Now(), s.Arrived())
		l.way = 5 * time.Millisecond
		for range enough {
			send(t, p, l, 0, time.Second)
		}
		assert.Zero(t, p.Late(), "for a while")
		time.Sleep(unsureFor)
		send(t, p, l, 0, time.Second)
		assert.NotZero(t, p.Late())
	})
}

// TestPathsSeenByChance: nothing is known where the kernel shows something under way now and then only, since it may be acknowledged there
// whatever becomes of it.
func TestPathsSeenByChance(t *testing.T) {
	for _, often := range []int{2, 3} {
		synctest.Test(t, func(t *testing.T) {
			p, under, local := new(Path), &line{way: time.Millisecond}, new(line)
			for i := range 20 * enough {
				l := local
				if i%often == 0 {
					l = under
				}
				local.there.Store(local.written.Load() + 100)
				send(t, p, l, time.Millisecond, time.Second)
				assert.Zero(t, p.Late(), "one of %d, after %d", often, i)
			}
			// A path that is known stays so where one isn't seen.
			for range 2 * enough {
				send(t, p, under, 0, time.Second)
			}
			local.there.Store(local.written.Load() + 100)
			send(t, p, local, 0, time.Second)
			assert.NotZero(t, p.Late())
		})
	}
}

// TestConnectionsThatTakeLong: of a request that waits for a connection it is told that it may be written and arrive later, each time before
// the time that was told before is over. That says nothing of the path.
func TestConnectionsThatTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := new(Path), &line{way: 5 * time.Millisecond}
		for range enough {
			send(t, p, l, 5*time.Millisecond, time.Second)
		}
		known := p.Late()
		assert.NotZero(t, known)
		to, trace := new(told), new(httptrace.ClientTrace)
		s := p.Send(WithWatcher(t.Context(), to), trace, time.Now, true)
		began := time.Now()
		trace.GetConn("provider.test:443")
		trace.ConnectStart("tcp", "127.0.0.1:1")
		time.Sleep(1500 * time.Millisecond)
		trace.ConnectDone("tcp", "127.0.0.1:1", nil)
		trace.GotConn(httptrace.GotConnInfo{Conn: l})
		end := l.written.Add(100)
		time.AfterFunc(l.way, func() { l.there.Store(end) })
		s.Wrote()
		time.Sleep(5 * time.Second)
		s.Ended(true)
		until := began.Add(unwritten)
		to.mu.Lock()
		defer to.mu.Unlock()
		for _, at := range to.late {
			assert.True(t, at.After(until), "%v", to.late)
			until = at
		}
		assert.Len(t, to.late, 3, "at .3, .5 and .9 s")
		assert.True(t, until.After(began.Add(1500*time.Millisecond)))
		assert.Zero(t, s.Arrived())
		assert.Equal(t, known, p.Late())
	})
}

// TestSentAgain: what is written again, for a connection failed, is looked for on the other one, whatever that has carried before and was seen of the first.
func TestSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		way    time.Duration // of the other
		before int64         // carried by it
		told   int
		sought bool // as net/http seeks one, and HTTP/2 takes another by itself
		looked bool // it had been seen to arrive on the first
	}{
		"a new one":                        {way: 5 * time.Millisecond, sought: true},
		"a new one, after it had arrived":  {way: 5 * time.Millisecond, sought: true, looked: true},
		"one that is slow":                 {way: 2 * time.Second, sought: true, told: 4},
		"one that is slow, of HTTP/2":      {way: 2 * time.Second, told: 4},
		"one that is slow, after it had":   {way: 2 * time.Second, sought: true, looked: true, told: 4},
		"one that is slow and has carried": {way: 2 * time.Second, sought: true, before: 10_000, told: 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, l := new(Path), &line{way: 5 * time.Millisecond}
			for range enough {
				send(t, p, l, 5*time.Millisecond, time.Second)
			}
			to, trace := new(told), new(httptrace.ClientTrace)
			s := p.Send(WithWatcher(t.Context(), to), trace, time.Now, true)
			trace.GetConn("provider.test:443")
			trace.GotConn(httptrace.GotConnInfo{Conn: l})
			l.there.Store(l.written.Add(100))
			s.Wrote()
			if time.Sleep(10 * time.Millisecond); c.looked {
				time.Sleep(time.Second)
			}
			if c.sought {
				trace.GetConn("provider.test:443")
			}
			other := new(line)
			other.written.Store(c.before)
			other.there.Store(c.before)
			trace.GotConn(httptrace.GotConnInfo{Conn: other})
			time.Sleep(200 * time.Millisecond) // its body is written
			end := other.written.Add(100)
			time.AfterFunc(c.way, func() { other.there.Store(end) })
			s.Wrote()
			time.Sleep(5 * time.Second)
			s.Ended(true)
			to.mu.Lock()
			defer to.mu.Unlock()
			assert.Len(t, to.late, c.told, name)
			assert.Equal(t, c.told > 0, p.Late() == 0, name)
		})
	}
}
