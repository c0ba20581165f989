// Package totals counts what is used on a project within a Pacific day, for whoever wants
// to know who used it and what it cost. Nothing is decided by how much that is; admission
// asks whether anybody else has used a project today. Package scheduler has its types.
//
// Files, from the top down; a file calls only those below it:
//
//   - totals.go: what is counted, by caller and by class of failure
package totals
