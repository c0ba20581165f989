// Package openailist puts lists together in OpenAI's format: pages behind the ID that a
// client has seen last.
//
// Files, from the top down; a file calls only those below it:
//
//   - openailist.go: all of it
package openailist
