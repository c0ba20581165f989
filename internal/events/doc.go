// Package events keeps the last things that were changed in a deployment, and
// who changed them, for every instance to show.
//
// Files, from the top down; a file calls only those below it:
//
//   - audit.go: what was changed, in the log and as an event
//   - events.go: the events that are kept
package events
