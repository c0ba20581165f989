// Package journal is what a test observes of the simulated Gemini: the requests that cost quota,
// requests of every kind with the credentials that they carried, totals, the busiest minute, and
// what answers cost. Nothing here has the value of a key, of a header or of a parameter, nor a
// prompt.
//
// A request is entered with the instant of its arrival, when its body had been read. One whose
// client hung up before it had its answer is marked as cancelled; over a socket it takes a moment
// until that is noticed. What the answers of batches cost is added up apart.
//
// Files, from the top down; a file calls only those below it:
//
//   - journal.go: Journal, its totals and the busiest minute
//   - entries.go: Entry, a request that costs quota
//   - requests.go: Request, one of any kind
//   - bills.go: Bill, what answers cost in tokens
package journal
