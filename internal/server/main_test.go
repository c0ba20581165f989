package server_test

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
)

// TestMain has garbage collected less often: what is alive is a few megabytes, and the tests
// take a fifth less time. And it runs four parallel tests at a time, however few processors
// there are, because some wait for the emulator or for what a store gives up after.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
