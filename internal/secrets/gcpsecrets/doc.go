// Package gcpsecrets reads secrets from Google's Secret Manager, for package secrets: it
// alone knows its client, and gRPC.
//
// No error of this package holds any part of a payload.
//
// Files, from the top down; a file calls only those below it:
//
//   - client.go: Client, with retries, checksums, and advice to operators
package gcpsecrets
