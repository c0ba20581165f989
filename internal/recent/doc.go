// Package recent remembers what was lately: a map of bounded size, whose oldest entries go
// first, and when something was last done.
//
// Files, from the top down; a file calls only those below it:
//
//   - recent.go: Map
//   - pace.go: Pace
package recent
