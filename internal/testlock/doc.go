// Package testlock has the tests of some packages take turns. Those that play in real
// time with hundreds of callers need the processors more than others, which drive
// browsers or upgrade under load: side by side, as go test runs packages, a request of
// the first would arrive seconds after it was sent because of the others.
//
// Files, from the top down; a file calls only those below it:
//
//   - testlock.go: Alone and Shared, which wait for the package's turn
//   - lock_unix.go: the turn, a lock on a file
//   - lock_other.go: no turns where files can't be locked
package testlock
