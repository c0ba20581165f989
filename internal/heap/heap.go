package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// Floor is about how large the heap becomes at least before it is collected, in bytes,
	// where the memory limit doesn't say sooner. What lives without bodies in flight is less
	// than a third of it. With all else that an instance has it stays within what package
	// bodies leaves for that.
	Floor = 24 << 20

	// usual is Go's own setting: collect when the heap has doubled.
	usual = 100
	// most is with what a heap is collected at Floor in which nothing lives: none is
	// before it has 4 MiB, times the setting in percent (heapMinimum in
	// go.dev/src/runtime/mgcpacer.go).
	most = usual * Floor / (4 << 20)
)

var once sync.Once

// KeepFloor has the heap of this process collected at Floor at the earliest, from now on.
// Where GOGC is set it does nothing: then an operator has decided.
func KeepFloor() {
	if os.Getenv("GOGC") == "" {
		once.Do(adjust)
	}
}

// adjust says when the heap is collected next, and is called again after that.
func adjust() {
	seen := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(seen) // as of the last collection; 0: there was none
	live := seen[0].Value.Uint64()
	debug.SetGCPercent(percent(live, live+seen[1].Value.Uint64()+seen[2].Value.Uint64()))
	runtime.AddCleanup(new(garbage), func(struct{}) { adjust() }, struct{}{})
}

// garbage is what nothing refers to, so that the next collection finds it.
type garbage struct{ _ *garbage }

// percent returns the setting by which a heap in which so many bytes live is collected
// next at Floor. It counts in percent of those and of stacks and global variables, which
// are looked through with it (go.dev/doc/gc-guide, "GOGC").
func percent(live, scanned uint64) int {
	if live >= Floor {
		return usual
	}
	return int(min(most, max(usual, 100*(Floor-live)/max(scanned, 1))))
}
