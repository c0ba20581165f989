// Package learned keeps the limits that upstream's 429s named, and the probe that tests
// one that was learned long ago. Package scheduler has its types.
//
// Files, from the top down; a file calls only those below it:
//
//   - learned.go: learned limits, and the probe
//   - cause.go: what stands between a request and its start
package learned
