// Package placing chooses the project in which something is made that names nothing: where
// its caller can use it together with what it has made before. A file in another project than
// a file search store can't be imported there, nor can one request read files of two.
//
// So a file is put where its caller's file search stores are, and where it has none beside
// the file before it, in groups: what is uploaded for one request comes together, and what is
// uploaded for many is still spread over the projects. A store is put where the caller's
// others are, or else its newest file (Google's samples upload the file first, or make the
// store first). Files and vector stores of other providers are put together in the same way; an upload in
// parts belongs where its file does, and a container where a store does. It is a preference: where that
// project can't take it, another does.
//
// Files, from the top down; a file calls only those below it:
//
//   - placer.go: a Placer, and what it goes by
//   - placing.go: where something belongs, and how a caller says so
package placing
