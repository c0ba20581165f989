// Package testlock has the tests of some packages take turns. Those that play in real
// time with hundreds of callers, or drive browsers, need the processors for
// themselves: side by side, as go test runs packages, a request of one would
// arrive seconds after it was sent because of the other.
//
// Files, from the top down; a file calls only those below it:
//
//   - testlock.go: Main, which waits for the package's turn
//   - lock_unix.go: the turn, a lock on a file
//   - lock_other.go: no turns where files can't be locked
package testlock
