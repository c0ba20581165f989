// Package clock tells the time of a database, by the local clocks and by the answers that
// it gives, and how far that may be off.
//
// Files, from the top down; a file calls only those below it:
//
//   - clock.go: the clock, and the readings that it goes by
package clock
