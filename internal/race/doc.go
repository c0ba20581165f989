// Package race tells tests whether they run under the race detector, which makes everything
// several times as slow and multiplies what memory holds. What measures memory or
// allocations, or plays hours or thousands of histories by itself on one goroutine, is run
// without it by .ci/run, and is shorter under it or left out.
//
// Files, from the top down; a file calls only those below it:
//
//   - skip.go: Skip and First
//   - on.go: Enabled in a build with the race detector
//   - off.go: Enabled in any other
package race
