package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBreakdown: CPU counts for the innermost area on the stack.
func TestBreakdown(t *testing.T) {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}}
	stack := func(cpu int64, innermostFirst ...string) {
		s := &profile.Sample{Value: []int64{1, cpu}}
		for _, name := range innermostFirst {
			f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name}
			l := &profile.Location{ID: uint64(len(p.Location) + 1), Line: []profile.Line{{Function: f}}}
			p.Function, p.Location = append(p.Function, f), append(p.Location, l)
			s.Location = append(s.Location, l)
		}
		p.Sample = append(p.Sample, s)
	}
	server, handler := "net/http.(*conn).serve", module+"internal/server.(*relay).serve"
	stack(10, "runtime.mallocgc", module+"scheduler.Plan", module+"internal/admission.(*Controller).Admit", handler, server)
	stack(20, "runtime.gcAssistAlloc", "runtime.mallocgc", module+"scheduler.Plan", handler, server)
	stack(30, "syscall.write", "net.(*conn).Write", server)
	stack(25, "net/http.(*persistConn).writeLoop")
	stack(10, module+"storage.(*Memory).Apply", module+"internal/telemetry.(*observedStore).Apply", handler, server)
	stack(5, "runtime.sigtramp")
	path := filepath.Join(t.TempDir(), "a"+cpuProfile)
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, p.Write(f))
	require.NoError(t, f.Close())

	b, err := breakdown(path)
	require.NoError(t, err)
	assert.Equal(t, Breakdown{
		"admission and settling": .2, "garbage collection": .2, "HTTP server": .3, "way to Gemini": .25, elsewhere: .05,
	}, b)
	_, err = breakdown(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
