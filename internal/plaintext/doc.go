// Package plaintext reads files that people have written, in whatever encoding their editor or
// their shell has left them.
//
// Files, from the top down; a file calls only those below it:
//
//   - plaintext.go: the text of a file
package plaintext
