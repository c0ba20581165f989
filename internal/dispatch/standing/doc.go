// Package standing makes changes of a project of what a provider's answer says in its header of
// a model's limits: what they are, and how much of them is used, by whomever. It is pure.
//
// Headers are believed. A limit is learned from the first answer, before anything is refused,
// and again on every day, so that no request is sent beyond it to see whether it holds. What
// an operator has named is never raised by it. What is used beyond what was sent from here,
// somebody else has sent with the same organisation's keys: it weighs on the calendar for as
// long as if it had been sent now. Limits of a day are left out: these providers fill them
// evenly, and a calendar's day ends at midnight.
//
// Files, from the top down; a file calls only those below it:
//
//   - standing.go: the changes
package standing
