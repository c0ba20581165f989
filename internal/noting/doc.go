// Package noting records who owns what an answer names, while the answer passes and before its caller
// sees it: what was made, the parts of that with names of their own, and the container that it was made
// with. The route says where in an answer the names are (package routes). Package resources keeps the owners.
//
// Files, from the top down; a file calls only those below it:
//
//   - noting.go: Noting, for one answer
package noting
