package alone

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Main runs the tests of a package when no other package that calls it does, in
// whatever process. It is for TestMain. The limit of go test -timeout begins with
// the package's own turn.
func Main(m *testing.M) {
	release, err := take(filepath.Join(os.TempDir(), fmt.Sprintf("fluxgate-tests-alone-%d.lock", os.Getuid())))
	if err != nil {
		fmt.Fprintln(os.Stderr, "alone:", err)
		os.Exit(1)
	}
	code := m.Run()
	release()
	os.Exit(code)
}
