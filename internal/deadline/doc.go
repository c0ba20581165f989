// Package deadline reads from the headers of a request how long its caller waits.
//
// Files, from the top down; a file calls only those below it:
//
//   - headers.go: all of it
package deadline
