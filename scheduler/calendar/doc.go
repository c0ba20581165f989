// Package calendar keeps what counts on one (project, model), or on what else has limits,
// and says when one more request fits. It is the part of package scheduler that knows of
// no other calendar; that has all its types, and explains them.
//
// A calendar is a value: whoever changes one clones it first ([Calendar.Clone]). What it
// decides with at one instant are its [Terms].
//
// # Windows and buckets
//
// What a window limits is an interval, from the start of a request until it is out of every window that it can have
// been in: its End. At no instant may the intervals together weigh more than the limit. Who is over by then is
// forgotten.
//
// A bucket isn't a window. What was taken out of it weighs less with every millisecond, and what isn't refilled
// because it is full is lost. So the End of a reservation is the latest instant at which its request can have arrived
// upstream, and it is taken out of the bucket then. Taking out all reservations in the order of their Ends, and
// refilling between them, gives what is missing. Reservations are kept for another length of the calendar, for their
// settling; the older ones are one [Debt]. A request may start if there is enough in the bucket then, and at the start
// of every later booking, whoever comes late. All of it is reckoned in whole numbers, of tokens times the milliseconds
// of the calendar's length, so [Calendar.Earliest] is exact.
//
// Files, from the top down; a file calls only those below it:
//
//   - earliest.go: the first start that fits, and moving bookings that don't
//   - usage.go: what counts on a calendar now, for reports and beside what upstream says is used
//   - reached.go: how high a limit can be that refused a request without being named
//   - probe.go: requests that go beyond a limit of which it isn't known whether it holds
//   - sent.go: reservations of a calendar: added, folded, settled and cancelled
//   - calendar.go: a calendar, why a request can't start, and what has expired
//   - bucket.go: what is missing in a bucket, and when there is enough in it
//   - notes.go: when others that use the limits were last heard of, and who waits to hear of them again; that requests
//     arrive later than somebody has named
//   - block.go: how long a refusal keeps every start away, and the one that is tried after that
//   - terms.go: effective limits, the weight of a request, and days
//   - names.go: the names of packages instant, limits and learned
package calendar
