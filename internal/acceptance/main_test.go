package acceptance

import (
	"flag"
	"testing"

	"fluxgate.dev/fluxgate/internal/testlock"
)

func TestMain(m *testing.M) {
	// These tests wait for limits to be renewed, however many processors there are.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	testlock.Alone(m)
}
