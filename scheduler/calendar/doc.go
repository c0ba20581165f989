// Package calendar keeps what counts on one (project, model), or on what else has limits,
// and says when one more request fits. It is the part of package scheduler that knows of
// no other calendar; that has all its types, and explains them.
//
// A calendar is a value: whoever changes one clones it first ([Calendar.Clone]). What it
// decides with at one instant are its [Terms].
//
// Files, from the top down; a file calls only those below it:
//
//   - earliest.go: the first start that fits, and moving bookings that don't
//   - usage.go: what counts on a calendar now, for reports only
//   - sent.go: reservations of a calendar: added, folded, settled and cancelled
//   - calendar.go: a calendar, why a request can't start, and what has expired
//   - bucket.go: what is missing in a bucket, and when there is enough in it
//   - block.go: how long a refusal keeps every start away
//   - terms.go: effective limits, the weight of a request, and days
//   - names.go: the names of packages instant, limits and learned
package calendar
