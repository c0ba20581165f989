// Package threadtime tells tests how long a processor has worked for them, which a busy machine
// makes no longer as it does what a clock shows.
//
// Files, from the top down; a file calls only those below it:
//
//   - threadtime.go: Of
//   - linux.go: what Linux says of a thread, to the nanosecond
//   - elsewhere.go: nothing is said
package threadtime
