// Package escape reads the escapes in a text, without a copy of the text, and writes them.
//
// Files, from the top down; a file calls only those below it:
//
//   - write.go: strings that any parser takes
//   - escape.go: reading
package escape
