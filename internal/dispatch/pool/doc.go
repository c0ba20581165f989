// Package pool is the keys as they are for one request: by project, by provider, and which of
// them can be used. A pool is values; it is never changed, and shared by all requests.
//
// Files, from the top down; a file calls only those below it:
//
//   - pool.go: the pool, and choosing a key for what takes no slot; that of a grant package admission chooses
package pool
