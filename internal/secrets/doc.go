// Package secrets reads lists from secrets and keeps them fresh: the keys and the tokens of
// callers. Package gcpsecrets has the secrets of Google's Secret Manager.
//
// [Read] reads a payload, verified by its checksum. [Parse] makes entries of
// it: one per line, or a JSON array of objects. A [Cache] keeps what
// was read, reads it again when it is older than its TTL, and goes on with what
// it has when that fails.
//
// No error of this package holds any part of a payload.
//
// Files, from the top down; a file calls only those below it:
//
//   - cache.go: Cache, what was read last, and when it is read again
//   - read.go: Accessor, Read and ReadAll, payloads of secrets
//   - parse.go: Parse and Form, a payload made into entries
package secrets
