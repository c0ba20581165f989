// Package testbuffer has a buffer for tests that read what is still being written: the
// log of a server, or what a process prints.
//
// Files, from the top down; a file calls only those below it:
//
//   - testbuffer.go: Buffer
package testbuffer
