// Package accounts learns which projects are billed to one account, from when upstream
// refused them for what they spend. It is pure: package dispatch keeps what it learns.
//
// Files, from the top down; a file calls only those below it:
//
//   - accounts.go: who was refused and served when, and who waits with whom
package accounts
