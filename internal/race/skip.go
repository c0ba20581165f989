package race

import "testing"

// First returns all of the cases of a test or, under the race detector, the first n, which are of
// each kind: what differs between the others is arithmetic. A test calls it itself, by this name:
// that is how .ci/run finds what it has to run without.
func First[T any](n int, cases ...T) []T {
	if Enabled {
		return cases[:n]
	}
	return cases
}

// Skip skips a test under the race detector: one goroutine does everything in it, so there is
// nothing to be seen, at several times the time; or it measures what the detector changes. A
// test calls it itself, by this name: that is how .ci/run finds what it has to run without.
func Skip(t *testing.T) {
	t.Helper()
	if Enabled {
		t.Skip("the race detector would see nothing here; .ci/run runs this without it")
	}
}
