// Package exchange asks a provider on behalf of a caller's request: with its headers and its
// query, as far as they pass, and a path that was put together here. What isn't relayed
// piece by piece is read here before anything of it is passed on.
//
// Files, from the top down; a file calls only those below it:
//
//   - conversation.go: what was said before, as its provider tells it
//   - exchange.go: sending a request, and reading an answer
package exchange
