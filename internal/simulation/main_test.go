package simulation

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain has garbage collected less often: what is alive is a few megabytes, and the
// simulations take a third less time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}
