// Package apierror is what an error or a wait looks like to the caller, in the
// format of each API.
//
// An error is a [Problem]: a public text for the caller, a private cause for the
// log, and a [Code], for which one table knows the HTTP status and Google's name.
// That there is no quota now is no error but a [Wait], made of an admission.Wait:
// 429 with Retry-After and the other forms that clients are known to read. Which of the formats is
// used ([Format]) is the route's business.
//
// Files, from the top down; a file calls only those below it:
//
//   - wait.go: 429: how long to wait (format.go alone writes the header), the limit in the way, the ticket
//   - otherwait.go: the same of another provider's model, in that one's words
//   - quota.go: RateLimit and its like: how the caller's own limits stand
//   - size.go: what is said of a request that is too large
//   - problem.go: errors, their codes, and errors of upstream
//   - format.go: Google's and OpenAI's shape of an error, and writing Retry-After and the headers that say the same
package apierror
