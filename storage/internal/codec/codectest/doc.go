// Package codectest has a section of a document that no build of today writes, for tests of builds side by side.
//
// Files, from the top down; a file calls only those below it:
//
//   - codectest.go: Search
package codectest
