// Package totals counts what is used on a project within a Pacific day, for whoever wants
// to know who used it. No slot depends on how much that is; package scheduler, which has its
// types, asks only whether more than one caller has used a project today.
//
// Files, from the top down; a file calls only those below it:
//
//   - totals.go: what is counted, by caller and by class of failure
package totals
