// Package resources knows whom the things belong to that requests make upstream and
// that stay there: files, cached contents, stores for file search, interactions, batches,
// operations, and whatever is made a [Kind] later. What is within one of them, such as a
// document of a store, is whose that is.
//
// Upstream knows projects only: with a key of the project anybody reads, uses and
// deletes what anybody made there. So a [Registry] keeps, for all instances, who made
// what in which project and until when it lasts, and answers two questions: which of
// these names are this caller's ([Registry.Find]), and what is there of its own
// ([Registry.Own]). What isn't a caller's is, to that caller, not there: the answer is
// the same whether it is another's, or nobody's, or was never made. What nobody is
// known to have made is the administrators': it was made before this package was, by a
// build without it, or with the key elsewhere.
//
// # Where it is kept
//
// In records of the store, beside events and history: sixteen of them, by a hash of the
// name, and sixteen of sessions that may be resumed, which come with every turn of one. One is written when something is made, changed or deleted, before the caller
// hears of it; a request that only uses something reads one, at most every ten seconds
// (MaxAge), and one that refers to nothing touches none. What is within something and is named
// by itself, as items of responses are, has no entry: it is looked for in the entries of all
// records, which have a hash of each such name, of the last 64. In a project a name belongs to
// whoever made it last: callers may choose the names of their files, so a name can come
// back. What has expired upstream leaves its record at the next write.
//
// What isn't known to be the caller's is looked up by a read that began after it was
// asked for, so what one instance has just written is never missed by another. What is
// known to be may have been deleted by way of another instance: upstream then says so,
// unless somebody has made another by that name within MaxAge.
//
// A record holds MaxBytes. Beyond that the caller that has most in it loses what expires
// first, to the administrators: some fifty thousand things that live at once. What a
// database has lost is the administrators' too.
//
// Builds before this one neither write nor ask: while one of them still runs, or runs
// again, whatever is made through it is the administrators', and through it everybody
// uses everything. Their other records are as they were.
//
// Files, from the top down; a file calls only those below it:
//
//   - registry.go: whose a resource is, and what a caller has
//   - page.go: where a list of what a caller has goes on
//   - parts.go: what is within something, and named by itself
//   - shard.go: one of the records, as this instance knows it
//   - document.go: what a record holds
//   - kind.go: what counts as a resource, and how long it lasts
package resources
