package storage

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// atWorkFor is how long an instance is taken to be at work after it was noticed to have written: a
// platform keeps one for as long that has nothing to do.
const atWorkFor = 15 * time.Minute

// Writers are other instances that were noticed to write, and when. Whether one is at work is judged by when anybody
// last wrote: where nobody writes, as nothing can be admitted, none is missed.
type writers struct {
	mu     sync.Mutex
	at     map[uint32]time.Time
	last   time.Time    // when anybody wrote, this instance too
	atWork atomic.Int32 // how many of them are, asked for with each request
}

// wrote notes that this instance wrote.
func (w *writers) wrote(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = now
	w.count()
}

// notice notes which others have written a project, as it is now, since it was as before. If it isn't known how it
// was, only the last is.
func (w *writers) notice(self uint32, known bool, before, is *scheduler.Project, now time.Time, at scheduler.Instant) {
	if is == nil || len(is.Writers) == 0 {
		return
	}
	last := now.Add(-max(0, at.Sub(is.Latest)))
	all := is.Writers // in the order in which they wrote last
	if !known {
		all = all[len(all)-1:]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range all {
		if x.Instance == self || known && before.WroteLast(x.Instance) == x.Seq {
			continue
		}
		if w.at == nil {
			w.at = make(map[uint32]time.Time)
		}
		w.at[x.Instance] = later(w.at[x.Instance], last)
	}
	w.last = later(w.last, last)
	w.count()
}

// count forgets those that aren't at work any more. The lock is held.
func (w *writers) count() {
	maps.DeleteFunc(w.at, func(_ uint32, at time.Time) bool { return w.last.Sub(at) >= atWorkFor })
	w.atWork.Store(int32(len(w.at)))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
