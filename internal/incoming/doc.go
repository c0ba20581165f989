// Package incoming reads answers of upstream as they come: their bytes, for the caller, and
// what is in them where they are packed, for us; and ends a call whose upstream falls
// silent.
//
// Files, from the top down; a file calls only those below it:
//
//   - answer.go: an answer, piece by piece
//   - unpack.go: what is in an answer instead of its bytes
//   - watch.go: ending a call when upstream falls silent
package incoming
