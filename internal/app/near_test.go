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

// An off is a store whose time is known within so much.
type off struct {
	storage.Store
	by time.Duration
}

func (o *off) Between() (earliest, latest scheduler.Instant) {
	return 1000, scheduler.Instant(1000).Add(o.by)
}

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

// TestNearWithClocksThatDiffer: what instances' clocks may be off by is added to what is measured, as it is when requests arrive.
func TestNearWithClocksThatDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, store := new(arrival.Path), &off{by: 30 * time.Millisecond}
		a := &App{store: store, paths: map[string]*arrival.Path{"azure": near, "openai": new(arrival.Path)}}
		near.Apart(a.apart)
		var told []time.Duration
		near.OnChange(func() { told = append(told, a.near()["azure"]) })
		assert.Nil(t, a.near())
		send := func() {
			l, trace := new(line), new(httptrace.ClientTrace)
			s := near.Send(t.Context(), trace, time.Now, false)
			trace.ConnectStart("tcp", "")
			time.Sleep(time.Millisecond)
			trace.ConnectDone("tcp", "", nil)
			trace.GotConn(httptrace.GotConnInfo{Conn: l})
			s.Wrote()
			l.arrived.Store(true)
			time.Sleep(time.Second)
			synctest.Wait() // what is noted in another goroutine
			s.Ended(true)
		}
		for range 16 {
			send()
		}
		assert.Equal(t, map[string]time.Duration{"azure": 70 * time.Millisecond}, a.near())
		store.by = 31 * time.Millisecond
		send()
		store.by = 90 * time.Millisecond
		send()
		assert.Equal(t, []time.Duration{70 * time.Millisecond, 80 * time.Millisecond, 130 * time.Millisecond}, told)
	})
}
