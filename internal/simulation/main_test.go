package simulation

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain has garbage collected less often: what is alive is a few megabytes, and the
// simulations take a third less time. Whoever starts an instance would have it otherwise
// (package heap), but for an operator's GOGC.
func TestMain(m *testing.M) {
	if err := os.Setenv("GOGC", "800"); err != nil {
		panic(err)
	}
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}
