// Package merge tells whether the document of a project has come of a state that was
// durable before, and joins the two where it hasn't: where a database was emptied, or
// set back to an older copy, under running instances. It is pure: no store, no clock.
//
// # Why nothing is undercounted
//
// All that instances know are states of one history, for every commit was made on top
// of the one before. So of two states of it the later holds the earlier. A document
// that was emptied or set back begins another history, which shares a beginning with
// the first, perhaps an empty one. What is true is all of the first history and what was
// added in the second. Each instance joins what it knows with what it finds, so in the
// end the document holds the latest state that any of them knew:
//
//   - Requests that are kept one by one have names, and so have bookings, learned
//     limits, marks and writers: the union holds each of them once, by the stricter
//     reading where two differ (the later end, the more tokens, the later block).
//   - Requests that were folded have no names. Both sums are kept, so what is in both
//     counts twice, until it is a minute old.
//   - A day's count is a number. It is that of the first history plus what was added in
//     the second: the requests that start after the last change that is known, or all,
//     where the two share nothing. At least it is the larger of the two. What was added
//     more than a minute ago, on top of a copy, can't be told from what was in the
//     copy; then the larger it is.
//
// What nobody knows any more is lost: what an instance committed that has ended since,
// after the last that the others had seen. For the minute that it could count, whoever
// has reason to think that there were others closes the project (package storage).
//
// Files, from the top down; a file calls only those below it:
//
//   - loss.go: what a document has lost, and the state that gives it back
//   - project.go: the union of two states of a project
//   - calendar.go: the union of two states of a calendar
//   - follows.go: whether one state has come of another
package merge
