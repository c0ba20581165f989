// Package exchange is one HTTP request to the simulated Gemini and its answer on its way to the
// client: whole, in pieces, broken off or reset. What was sent, and whether the client hung up
// before it had everything, is noted in it.
//
// A stream that a test had fail is broken off by its rule: one that ends in an error after its first
// piece, one that stalls or is reset after the first half of its pieces, of which none has a reason to
// finish.
//
// Files, from the top down; a file calls only those below it:
//
//   - stream.go: an answer in pieces, each when it is time to send it
//   - exchange.go: Exchange, answers written, connections reset
package exchange
