package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// A Breakdown says where the CPU of a party went.
type Breakdown map[string]float64 // shares of all of it, by area; they sum to 1

// An area is a part of the work that is told apart: that of the functions whose
// names begin so. What they call is theirs too, unless it is another area's.
type area struct {
	name      string
	functions []string
}

// elsewhere is the area of what is nobody's.
const elsewhere = "the rest of the runtime"

const module = "fluxgate.dev/fluxgate/"

var areas = []area{
	{"HTTP server", []string{"net/http.(*conn).", "net/http.(*connReader).", "net/http.(*response).", "net/http.(*chunkWriter).", "net/http.(*body)."}},
	{"way to Gemini", []string{"net/http.(*Transport).", "net/http.(*persistConn).", module + "internal/upstream."}},
	{"reverse proxy itself", []string{"net/http/httputil."}},
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.gcStart", "runtime.bgsweep", "runtime.bgscavenge"}},
	{"goroutines and timers", []string{"runtime.mcall", "runtime.goexit0", "runtime.sysmon", "runtime.mstart"}},
	{"admission and settling", []string{module + "internal/admission.", module + "scheduler.", module + "storage."}},
	{"request and answer", []string{module + "internal/server.", module + "internal/dispatch.", module + "internal/payload."}},
	{"credentials", []string{module + "internal/callers."}},
	{"metrics", []string{module + "internal/telemetry.", "go.opentelemetry.io/"}},
	{"log", []string{"log/slog."}},
	{elsewhere, nil},
}

// breakdown reads a CPU profile.
func breakdown(path string) (Breakdown, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	b := make(Breakdown)
	var all float64
	for _, s := range p.Sample {
		cpu := float64(s.Value[len(s.Value)-1]) // the last value of a CPU profile is its nanoseconds
		b[areaOf(s)] += cpu
		all += cpu
	}
	for name := range b {
		b[name] /= all // in a run that was too short to be sampled there is nothing to divide
	}
	return b, nil
}

// areaOf returns the area of the innermost function that has one.
func areaOf(s *profile.Sample) string {
	for _, location := range s.Location {
		for _, line := range location.Line {
			i := slices.IndexFunc(areas, func(a area) bool {
				return slices.ContainsFunc(a.functions, func(f string) bool { return strings.HasPrefix(line.Function.Name, f) })
			})
			if i >= 0 {
				return areas[i].name
			}
		}
	}
	return elsewhere
}
