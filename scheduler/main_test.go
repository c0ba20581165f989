package scheduler_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain has every property checked against more histories than rapid's
// default of 100: they are cheap, and the rare ones matter.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "150"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
