package clients

import (
	"flag"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	// One of these tests waits two minutes for limits to be renewed, and should begin with the others,
	// however few processors there are.
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
