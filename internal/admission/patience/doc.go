// Package patience bounds how long a request waits for the store, however often it asks:
// reads, lost races and plans that are made anew take of one time. What happens in
// between, above all at the provider, doesn't count.
//
// Files, from the top down; a file calls only those below it:
//
//   - patience.go: a request's patience, and the context in which the store is asked
//   - limited.go: a context whose deadline has no timer before somebody waits for it
package patience
