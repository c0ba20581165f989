// Package fair says whose turn it is where several callers wait for the same calendars. It
// is pure: it keeps no clock. Who waits, and what each has had, is added to a [Contest]; each request
// that is decided about looks at it with itself added ([Contest.With]), which takes little
// longer where thousands wait.
//
// It is the rule of VTC ("Fairness in Serving Large Language Models", arXiv 2401.00588) for
// calendars instead of a queue: of those that wait it is the turn of the one that has been
// served least, divided by its weight. What counts is the tokens and the requests, as parts
// of what the pool takes in a window ([Price]), so that they are one currency. What each
// was served is kept by the projects (scheduler.Service), in the write that admits it, so
// every instance knows. There is a contest for each calendar that callers wait for: a model's, or one that several models share
// (package turns). Who waits at other instances the projects keep too ([Contest.Elsewhere]).
//
// The turn of a request is what its caller has had, has booked, and was promised for
// requests that have waited for longer. Promises with an earlier turn are in its way, later
// ones are not; bookings always are, whosever they are. So a caller with ten thousand
// requests that wait, and one with a single one, get as much.
//
// Nobody saves up. A caller that asked for nothing in the window after it was last served
// begins at the least turn of those that wait. And nobody is further behind the one that was
// served most than two windows of its share and three of the largest requests that wait.
// Where a caller is put forward by that, its level says how far ([Contest.Level]); it is
// stored with what it is served next. Of two instances that do so at once the higher level
// holds, so it is never put forward twice.
//
// A caller that isn't known, since a project keeps no more than scheduler.MaxServices,
// begins there too. Where such wait, of equal turns that of the caller comes first that was served longest
// ago, times its weight, which every instance remembers that saw it ([Served]), and then that of the request
// that has waited for longer, as far as an instance knows. So thousands of callers are
// served in the order of their waiting, also where they come back to another instance than
// the one that told them their time, and bring no ticket. An instance that is new has seen
// only those whom the projects still keep, and one that nobody asks sees nobody.
//
// Turns alone let a caller be ahead by its largest request. So a request can be told to wait, though it has
// its turn, until that brings its caller no further ahead than it may be ([Contest.TooSoon]; at one of several instances
// [Contest.FarAhead], too: of those that wait at the others it isn't known what for, so nothing is in its way).
//
// Files, from the top down; a file calls only those below it:
//
//   - booking.go: for whom a slot is kept beside others
//   - fair.go: a contest
//   - served.go: when callers were last served, of those too that the projects have forgotten
//   - cost.go: what requests cost
package fair
