// Package threadtime tells tests how long a processor has worked for them. Other programs on a busy
// machine don't add to that, as they do to the time that a clock shows.
//
// Files, from the top down; a file calls only those below it:
//
//   - threadtime.go: Of
//   - linux.go: what Linux says of a thread, to the nanosecond
//   - elsewhere.go: nothing is said
package threadtime
