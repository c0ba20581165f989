package server_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain has garbage collected less often: what is alive is a few megabytes, and the tests
// take a fifth less time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
