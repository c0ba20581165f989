// Package build says what a program was built from: the version, and the commit that Go
// has recorded, or the hash of the source archive where the build had no repository, as
// on Google Cloud. It is in GET /health, in the first line of the log and in what
// `fluxgate version` prints.
//
// Files, from the top down; a file calls only those below it:
//
//   - build.go: Info, and how it is found
package build
