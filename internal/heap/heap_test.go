package heap

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPercent(t *testing.T) {
	const mebibyte = 1 << 20
	for _, c := range []struct {
		live, scanned uint64 // MiB
		want          int
	}{
		{0, 0, 600}, // of the 4 MiB below which the runtime collects nothing by itself
		{1, 2, 600},
		{6, 6, 300},
		{6, 12, 150}, // of 12 MiB: 18 beside the 6
		{12, 12, 100},
		{23, 25, 100},
		{500, 502, 100},
	} {
		assert.Equal(t, c.want, percent(c.live*mebibyte, c.scanned*mebibyte), "%d MiB live", c.live)
	}
}

// The heap may grow to the floor, and only doubles while more lives than half of it.
func TestKeepFloor(t *testing.T) {
	t.Setenv("GOGC", "")
	KeepFloor()
	assert.Greater(t, read("/gc/heap/goal:bytes"), uint64(Floor)*9/10, "whole percents")

	bodies := make([]byte, 3*Floor)
	afterCollection(t, func(percent uint64) bool { return percent == usual })
	runtime.KeepAlive(bodies)
	afterCollection(t, func(percent uint64) bool { return percent > usual })
	assert.InDelta(t, Floor, read("/gc/heap/goal:bytes"), Floor/2, "with stacks and the like")
}

// What an operator has set stays.
func TestGOGC(t *testing.T) {
	if os.Getenv("GOGC") == "" {
		again := exec.Command(os.Args[0], "-test.run=^TestGOGC$")
		again.Env = append(os.Environ(), "GOGC=70")
		out, err := again.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	before := read("/gc/gogc:percent")
	KeepFloor()
	assert.Equal(t, before, read("/gc/gogc:percent"))
}

// afterCollection collects until the setting is as it is to be: whoever adjusts it is called
// some time after a collection.
func afterCollection(t *testing.T, done func(percent uint64) bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		runtime.GC()
		return done(read("/gc/gogc:percent"))
	}, time.Minute, time.Millisecond)
}

func read(metric string) uint64 {
	sample := []metrics.Sample{{Name: metric}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
