package gcpfirestore_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain has more tests run at once than there are processors: on the emulator, and on
// connections that fall silent, they mostly wait.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
