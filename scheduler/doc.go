// Package scheduler decides when a request may go to Gemini, on which project
// and model, so that no limit is ever broken and nobody waits longer than need
// be. It is pure: it keeps no clock and does no I/O, every function takes the
// instant, and every change of a project returns a new one.
//
// # Words
//
//   - A project is what Google limits. Its keys share its calendars.
//   - A calendar is what counts against one model of one project: what was sent, what
//     is booked, and the day.
//   - A slot is a place in a calendar, from its start on. A reservation is a slot that
//     is used now. A booking is a slot that is kept for a caller that will come back.
//   - The hold is how long after its start a booking is kept for its holder; then it
//     lapses. Bookings of a calendar are served in order of rank, the oldest first.
//   - A ticket is what a caller has in its hands of a wait or a booking, signed.
//   - A wait is what a caller is told for whom there is no room now. The word refusal
//     is for upstream's 429s.
//   - A limit is one number, effective limits those in force with their sources.
//     Families (pro, flash, flash-lite) have default limits for the models in them.
//   - The chain is the list of models that may stand in for one another, best first;
//     a mode lets only some of its families through.
//   - A mark is what is known of a key: invalid, or disabled by an operator.
//   - An alias is a name of a model whose requests count in another's calendar.
//   - The skew is for differences of clocks and of network delays.
//   - The allowance is for the time that a commit or an upload may take.
//
// # The calendar
//
// Google limits each model of each project three times: requests per minute
// (RPM), input tokens per minute (TPM) and requests per Pacific day (RPD). One
// [Calendar] per project and model keeps the account.
//
// A request that was sent at s is inside the trailing minute that ends at x
// exactly when s <= x < s+60s. So every request is an interval, [s, s+60s),
// whose weight is its tokens, and the minute limits say that at every instant
// the weights sum to at most TPM and the intervals number at most RPM.
// Admission, waiting and booking are then one question, which
// [Calendar.Earliest] answers: what is the first instant at which one more
// interval fits? If it is now, the request goes. If not, the difference is the
// exact wait.
//
// What Google counts is the arrival, and by its own clock. The interval is
// therefore longer than a minute by the skew ([Rules]), and by an allowance for
// the commit and the upload of the body ([Demand]). When the true send time is
// known, [Settle] trims it. Settle also corrects the tokens: a request that
// turned out larger than was reserved weighs, and lasts, more.
//
// A request larger than TPM can pass when it is alone. It weighs a whole window
// and lasts a window for every TPM of tokens that it has: 1,000,000 tokens at
// 250,000 per minute keep a project busy for four minutes ([Limits.Cooldown]).
//
// RPD is counted on the Pacific date of the start, and on both dates when the
// arrival may fall on the other side of a midnight. A [Day] lasts 23 or 25
// hours when the clocks change. When it is spent the calendar has no room
// before the next one.
//
// # Waiting
//
// A wait that is told is a whole number of seconds from the instant at which it was
// asked for: candidates are now and now plus whole seconds, and each is tested. So a
// client that reads only Retry-After and one that reads milliseconds come back at the
// same moment, and that moment is exact to the millisecond.
//
// The first wait that a caller is told books nothing. It costs no write and blocks nobody, should
// the caller never return. The instance that planned it keeps a waitlist in memory
// of whom it told which time ([Request].Waitlist), so that many waiting callers are
// told different times. Of each entry it shares a short hash through the project
// ([ShareWaitlist]), so that other instances recognise the caller when it returns.
//
// A caller that has come back, and still finds no room, gets a [Booking]: its
// slot is kept in the project. It counts as an interval from its start. Its
// holder, returning between start and start plus hold, is admitted if it fits
// beside what was sent and the bookings that are older than its own; later the
// booking has lapsed, and its holder is planned for like anybody else. What counts is
// when it came ([Reserve].Came), not when the change is made, which may have had to
// wait for the next commit. If a predecessor that came late is in the way, the holder
// is told the rest of the wait and keeps its rank.
//
// Younger bookings and requests without one never stand in its way. For that they
// must leave room not only for its interval as planned but for every lateness within
// the hold. With a hold of 5 s, a booking at 100 s may be used at any instant up to
// 105 s, so whoever starts between these two must fit beside it as if it began at
// 100 s and never ended; for whoever starts after 105 s it is taken as used on time.
// So bookings can be made back to back, small requests fill the gaps between them,
// and large ones don't starve.
//
// # What is not known in advance
//
// What upstream's refusals say is recorded ([RecordRefusal]): limits; blocks,
// until an instant or the Pacific midnight; the size that is too large. A learned
// limit is believed for seven days. Then one request at a time is let beyond it,
// as a [Probe], while all others keep to it: if upstream answers, the learned
// limit is dropped, and if it refuses, it is new again.
// Bookings that no longer fit are then moved, in order of rank, to the next
// whole second that does, and none is lost.
//
// Clocks are not trusted either. For a project time never runs backwards: it
// remembers the instant of its last change, and takes that for now when it is asked
// about an earlier one. So a clock that is behind finds no room that was taken
// already. A holder is not early because of such a clock
// ([Reserve].Behind).
//
// # Bounds
//
// A project is kept as one small document. At most [MaxExact] sent requests of a
// calendar are kept one by one. Beyond that the oldest are folded: their ends
// are rounded up to whole seconds and equal ends are summed, never early and at
// most a second late, which bounds the calendar at any RPM. Where that may
// happen, waits and bookings are computed with rounded ends, so that what is
// promised still holds after folding; only the rest of a wait behind a late
// predecessor may grow, by a second. Of the last [MaxOpen] it is known by a short ID
// that they are on their way, so one of them that is folded gives back what it weighs
// too much, or all if it was never sent, once. The other bounds are [MaxModels],
// [MaxBookings], [MaxBookingsPerHash], [MaxAhead], [MaxWaitlist], [MaxMarks] and
// [MaxWriters].
//
// No number of names locks anybody out. The first models of the chain are sure of
// their places among the [MaxModels] calendars; the others share what is left, at least
// [MinOthers]. A calendar on which nothing weighs gives its place to one that needs it,
// and what it counted today and learned is kept as an [Idle].
//
// # Choosing
//
// [Plan] chooses among projects. Each offers its current model, the first of
// the chain whose day is not spent there; the earliest start wins, then the
// place in the chain, then chance, which keeps instances from colliding. With a
// limit to its patience ([Request].MaxWait) a request walks the chain instead
// and takes the first model that can start in time. When every day is spent
// everywhere the earliest start is after the next Pacific midnight.
//
// # Changes
//
// [Reserve], [Extend], [Settle], [Cancel], [Release], [RecordRefusal], [Reset],
// [Review], [SetMark] and [ShareWaitlist] are values. [Project.Apply] makes them
// without touching the project it is called on, so a store can show the outcome
// before it is durable, and make the change again on what it finds after a lost
// race.
// Settling, cancelling and releasing twice is the same as once.
//
// That a request has to wait is a result, not an error: nothing in this package
// fails but [ParseMode]. [Review] moves the bookings that no longer fit under new
// limits.
//
// Files, from the top down; a file calls only those below it:
//
//   - plan.go: the choice among projects and models
//   - change.go: the changes of a project: reserving and booking (Reserve), settling, recording refusals and the rest, but for Extend
//   - extend.go: Extend, for a request whose commit took longer than allowed for
//   - totals.go: what is counted per project and day, for reports only
//   - places.go: which models have calendars, and what is kept of those that gave theirs up
//   - project.go: a project: its calendars, marks of keys, shared waitlist, and which instances wrote last
//   - earliest.go: the first start that fits, and moving bookings that don't
//   - usage.go: what counts on a calendar now, for reports only
//   - sent.go: reservations of a calendar: added, folded, settled and cancelled
//   - calendar.go: a calendar, why a request can't start, and what has expired
//   - terms.go: effective limits, the weight of a request, and days
//   - learned.go: limits that were learned from an upstream 429, and the probe that tests one
//   - policy.go: the rules, and the names of package limits: models, families, modes, and limits by source
//   - instant.go: the names of package instant: instants, Pacific days and rounding
package scheduler
