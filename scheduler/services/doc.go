// Package services counts what a project has served to each caller, by which every instance knows
// whose turn it is. No slot depends on that, and no limit.
//
// Files, from the top down; a file calls only those below it:
//
//   - services.go: what is counted, and for how long it is kept
package services
