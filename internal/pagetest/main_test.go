package pagetest

import (
	"flag"
	"testing"

	"fluxgate.dev/fluxgate/internal/testlock"
)

func TestMain(m *testing.M) {
	// These tests wait for a browser for most of their time, however many processors there are.
	flag.Parse()
	if err := flag.Set("test.parallel", "3"); err != nil {
		panic(err)
	}
	testlock.Shared(m)
}
