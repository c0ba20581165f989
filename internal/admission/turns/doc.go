// Package turns says what keeps a request waiting for the sake of others, on each of the calendars for
// which callers wait by turns: that of its model, and those beside it that requests for other
// models weigh on too, such as a feature of all models or a model that answers for another. Whose turn
// it is package fair says; here is who takes part in that, and which promises it puts first.
//
// Each calendar has a contest of its own, with what was served, booked and promised on it,
// whichever model that was for, at the prices of its own limits. So a caller with ten thousand
// requests for one model leaves another its share of what both models draw on, and has no less of
// its model for what it used of something else.
//
// Files, from the top down; a file calls only those below it:
//
//   - turns.go: all contests of one request
//   - contest.go: one of them
//   - standings.go: what one is made of, gathered when something has changed
package turns
