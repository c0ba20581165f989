// Package noting has it written down, while an answer passes and before its caller sees it, whose what
// it tells of is: what was made, what is within that and named by itself, and the container that it was
// made with. Where that is in an answer the route says (package routes); it is kept by package resources.
//
// Files, from the top down; a file calls only those below it:
//
//   - noting.go: Noting, for one answer
package noting
