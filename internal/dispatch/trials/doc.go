// Package trials keeps when a real request is next tried with what couldn't pay: a project, or
// one key of it. All instances share the record, and one of them at a time has a trial.
//
// Files, from the top down; a file calls only those below it:
//
//   - trials.go: the record of trials
package trials
