// Package catalog knows which models of a chain other providers than Gemini have.
//
// Files, from the top down; a file calls only those below it:
//
//   - catalog.go: which models of a chain their providers don't list
package catalog
