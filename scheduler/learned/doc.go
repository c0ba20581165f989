// Package learned keeps the limits that upstream's 429s named and the blocks that they
// caused, and the probe that tests a limit that was learned long ago, or whether a block
// is over. Package scheduler has its types.
//
// Files, from the top down; a file calls only those below it:
//
//   - block.go: blocks, how long they last, and the one that is tried after one
//   - learned.go: learned limits, and the probe
//   - cause.go: what stands between a request and its start
package learned
