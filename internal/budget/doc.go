// Package budget bounds what callers use by the day and by the month, in tokens and in
// dollars at list price.
//
// A request is reckoned with before it goes: its input, and an answer of Reckoned tokens from
// the dearest model that it may go to. When its answer is there, what it really used is
// counted instead, so an answer longer than that may exceed a budget by the rest; nothing
// goes that is known not to fit. What has no price is counted as if the dearest model that
// has one had answered. Days begin at midnight Pacific time, months on the first of them.
//
// # Where it is kept
//
// Each caller that has a budget has a record of its own in the store, budget- and a hash of its
// name, which all instances write. Nothing expires it, so it outlives a month; what is of an
// earlier day or month is dropped from it when it is next written. It has a row for every
// instance, so that writing one twice changes nothing, with what the instance spent and its
// lease: what it may spend without asking. A lease is a sixteenth of what is left at most, so
// most requests write nothing, and what an instance took with it when it was killed is little;
// that counts as spent of the day and the month that it was for, and for an hour of the next.
// Rows beyond maxRows are summed, the oldest first.
//
// It fails closed: where the record can't be read or written, a request beyond the lease
// doesn't go.
//
// Files, from the top down; a file calls only those below it:
//
//   - ledger.go: Ledger, which lets requests of callers go as long as there is room
//   - account.go: one caller's account in this instance, and its lease
//   - record.go: what all instances keep of a caller
//   - limits.go: Limits, and the periods that they hold for
package budget
