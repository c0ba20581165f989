// Package syntax says whether a text is JSON.
//
// It accepts exactly what encoding/json.Valid accepts, at a fraction of the time: every
// body is looked through before anything is read of it, and most of a large one is one
// string.
//
// Files, from the top down; a file calls only those below it:
//
//   - valid.go: Valid
package syntax
