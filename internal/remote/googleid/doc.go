// Package googleid gets ID tokens by Google's application default credentials, for package remote. It alone links their
// library, and with it gRPC.
//
// Files, from the top down; a file calls only those below it:
//
//   - tokens.go: Default
package googleid
