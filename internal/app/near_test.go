package app

import (
	"net"
	"net/http/httptrace"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"fluxgate.dev/fluxgate/internal/upstream/arrival"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// An off is a store whose time is known within 30 ms.
type off struct{ storage.Store }

func (off) Between() (earliest, latest scheduler.Instant) { return 1000, 1030 }

// A line is a connection of which the other side acknowledges what was written.
type line struct {
	net.Conn
	arrived atomic.Bool
}

func (l *line) Written() int64 { return 1 }

func (l *line) Unacknowledged() (int64, bool) {
	if l.arrived.Load() {
		return 0, true
	}
	return 1, true
}

// TestNearWithClocksThatDiffer: what instances' clocks may be off by is added to what is measured.
func TestNearWithClocksThatDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near := new(arrival.Path)
		a := &App{store: off{}, paths: map[string]*arrival.Path{"azure": near, "openai": new(arrival.Path)}}
		assert.Nil(t, a.near())
		for range 16 {
			l, trace := new(line), new(httptrace.ClientTrace)
			s := near.Send(t.Context(), trace, time.Now, false)
			trace.ConnectStart("tcp", "")
			time.Sleep(time.Millisecond)
			trace.ConnectDone("tcp", "", nil)
			trace.GotConn(httptrace.GotConnInfo{Conn: l})
			s.Wrote()
			l.arrived.Store(true)
			time.Sleep(time.Second)
			s.Ended(true)
		}
		assert.Equal(t, map[string]time.Duration{"azure": 70 * time.Millisecond}, a.near())
	})
}
