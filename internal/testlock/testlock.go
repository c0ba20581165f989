package testlock

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Main runs the tests of a package while no other package that calls it runs its
// own, in whatever process. It is for TestMain. The limit of go test -timeout
// begins with the package's turn. With -short nothing plays in real time, so
// nobody waits for a turn.
func Main(m *testing.M) {
	flag.Parse()
	release := func() {}
	if !testing.Short() {
		var err error
		if release, err = take(filepath.Join(os.TempDir(), fmt.Sprintf("fluxgate-tests-%d.lock", os.Getuid()))); err != nil {
			fmt.Fprintln(os.Stderr, "testlock:", err)
			os.Exit(1)
		}
	}
	code := m.Run()
	release()
	os.Exit(code)
}
