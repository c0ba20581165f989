// Package batchlines keeps callers from having batches read what isn't theirs. The requests of a batch
// may be lines of a file, which the provider reads with the project's key: so what they name has to be
// the caller's, as what a body names.
//
// A file is looked through while it is uploaded, since what has been uploaded can't be read again, and
// what is found is looked up in package resources. Any file is taken: most are no batches, and are
// none of our business. But a file is noted as unfit if it can't be read as lines of JSON, or if it names
// something that wasn't its caller's, in the file's own project, when it was uploaded. A caller who may use
// only its own resources can't make a batch of an unfit file. A file without a note can be made a batch of,
// even if an older build, which looked through no files, uploaded it.
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
