// Package standstill tells tests in real time for how long the machine didn't let them run, so that a machine which is
// busy, or was stopped, isn't taken for a program that hangs.
//
// Files, from the top down; a file calls only those below it:
//
//   - standstill.go: Watch
package standstill
