// Package batchlines keeps callers from having batches read what isn't theirs. The requests of a batch
// may be lines of a file, which the provider reads with the project's key: so what they name has to be
// the caller's, as what a body names.
//
// A file is looked through while it is uploaded, since what has been uploaded can't be read again, and
// what is found is looked up in package resources. Any file is taken: most are no batches, and are
// none of ours. But one that names what wasn't its caller's, in the file's own project, when it was
// uploaded, or what can't be read as lines of JSON, is noted as such, and no batch of a caller's that
// may use its own alone is made of it. A file of which nothing is noted may be: what was uploaded through a
// build that looked through none, too.
//
// An upload in several pieces may go through several instances. What one has to know of the pieces
// before it is kept with the upload, sealed with the ID of that, which nobody has but the caller and
// the provider: the end of a piece may be the caller's text. Where it isn't known, because a piece
// was sent twice, or without our hearing of its end, the file isn't known to have been looked through.
//
// Files, from the top down; a file calls only those below it:
//
//   - passage.go: a file, or a piece of one, on its way
//   - files.go: what is noted of files, and batches that are made of them
//   - seal.go: what is kept of an upload under way
package batchlines
