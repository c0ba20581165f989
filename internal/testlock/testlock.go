package testlock

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Alone runs the tests of a package while no other package that calls it or Shared
// runs its own, in whatever process. It is for TestMain. The limit of go test
// -timeout begins with the package's turn. With -short nothing plays in real time,
// so nobody waits for a turn.
func Alone(m *testing.M) { run(m, true) }

// Shared is Alone, but runs beside packages that call Shared too: for tests that
// load the processors and wait for what they ask for, however long it takes.
func Shared(m *testing.M) { run(m, false) }

func run(m *testing.M, alone bool) {
	flag.Parse()
	release := func() {}
	if !testing.Short() {
		var err error
		if release, err = take(filepath.Join(os.TempDir(), fmt.Sprintf("fluxgate-tests-%d.lock", os.Getuid())), alone); err != nil {
			fmt.Fprintln(os.Stderr, "testlock:", err)
			os.Exit(1)
		}
	}
	code := m.Run()
	release()
	os.Exit(code)
}
