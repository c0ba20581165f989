// Package received reads the bodies of callers' requests: within a time, up to a size, unpacked,
// and charged to the budget of all bodies in flight before they are there.
//
// Files, from the top down; a file calls only those below it:
//
//   - received.go: reading a body, and the bounds
package received
