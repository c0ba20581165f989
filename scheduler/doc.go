// Package scheduler decides when a request may go to Gemini, or to another provider, on which
// project and model, so that no limit is ever broken and nobody waits longer than need be. It is
// pure: no clock, no I/O. Functions take the instant, and a change of a project returns a new one.
//
// # The calendar
//
// A project is what Google limits; its keys share what it has. It limits each model of a project
// three times: requests per minute (RPM), input tokens per minute (TPM) and requests per Pacific day
// (RPD). One [Calendar] keeps the account. A request that was sent at s is inside the trailing
// minute that ends at x exactly when s <= x < s+60s. So it is an interval, [s, s+60s), whose weight
// is its tokens, and the minute limits say that at every instant the weights sum to at most TPM and
// the intervals number at most RPM. Admission, waiting and booking are then one question, which
// [Calendar.Earliest] answers: what is the first instant at which one more interval fits? If it is
// now, the request goes: a [Reservation]. If not, the difference is the exact wait.
//
// What Google counts is the arrival, by its own clock. So the interval is longer than a minute: by
// the skew, which is how far clocks may differ ([Rules]), and by the allowance for the commit and
// the upload of the body ([Demand]). [Settle] trims it when the true send time is known, and
// corrects the tokens, both ways.
//
// A request larger than TPM can pass when it is alone. It weighs a whole window and lasts a window
// for every TPM of tokens that it has ([Limits.Cooldown]); to another provider, where it may be of any
// size, no more than a day longer than one.
//
// RPD is counted on the Pacific date of the start, and on both dates when the arrival may fall on
// the other side of a midnight. A [Day] lasts 23 or 25 hours when the clocks change.
// Where it begins and ends is computed in package instant (Day.Start, Day.End); nothing runs at midnight: whoever decides
// takes the day of its instant.
//
// # Several calendars
//
// A request may weigh on more than its model ([Reserve].Also): on a feature with a quota of its own,
// on what the model puts out, on the whole project, on another model that upstream may count it on.
// Each is a calendar whose name says what it counts ([OfFeature], [OfOutputs], [OfProject],
// [OfLease]), and whose [Spec] says how: within a window, out of a bucket that is refilled without a
// break, or at a time; and at which midnight its day begins. What is known only afterwards, as
// outputs are, is reserved by a figure and settled, both ways. A window or bucket whose limits become
// known begins with what the model's calendar holds by then.
//
// All of it is one slot: admitted, booked, claimed, moved, settled, extended and cancelled on all
// its calendars or on none, at the first instant at which every weight fits. The cause of a wait is
// that of the calendar that is the last to have room. [Reserve] has an example.
//
// # Waiting
//
// A wait that is told is a whole number of seconds from the instant at which it was asked for (on
// windows below twenty seconds, of milliseconds), and each such start is tested. So a client that
// reads only Retry-After and one that reads milliseconds come back at the same moment.
//
// The first wait that is told books nothing. It costs no write and blocks nobody, should nobody
// return. The instance that planned it keeps a waitlist in memory of whom it told which time
// ([Request].Waitlist), so that many waiting callers are told different times, and shares short
// hashes of them ([ShareWaitlist]), so that other instances recognise who returns, and which callers
// wait ([Waiter]), so that they know whose turns there are. Where a day is spent nobody writes until
// the next one begins, and instances can't know whom others tell of that: there each that was told
// counts for as many as there are instances ([Request].Instances).
//
// A caller that has come back, and still finds no room, gets a [Booking]: an interval that is kept
// for it from a start until a hold after that ([Rules].Hold). Its holder, returning within the hold,
// is admitted if it fits beside what was sent and the bookings that are older than its own; later
// the booking has lapsed. If a predecessor that came late is in the way, the holder is told the rest
// of the wait and keeps its rank.
//
// Younger bookings and requests without one never stand in its way, as long as it asks for what was
// booked. Who brings a larger request, or comes later than it said, is planned anew where others
// would have to wait for that. So they must leave room not only for its interval as planned but for
// every lateness within the hold. With a hold of 5 s, a booking at 100 s may be used at any instant
// up to 105 s, so whoever starts between these two must fit beside it as if it began at 100 s and
// never ended; for whoever starts after 105 s it is taken as used on time. So bookings can be made
// back to back, small requests fill the gaps between them, and large ones don't starve.
//
// # What is not known in advance
//
// What upstream says when it refuses a request with 429 is recorded ([RecordRefusal]): limits, a
// [Block] until an instant, the size that is too large. Bookings that no longer fit are moved, in
// order of rank, to the next start that does and can be told, and none is lost. Where it isn't known
// whether upstream goes on refusing after a block, one request is tried first ([Result].Trial).
//
// A limit that a refusal named is believed until the Pacific day is over. Where it named no
// number, the limit is taken to be what had been sent by then (of tokens a hundredth less). Where
// that is below a tenth of the policy's, somebody else may have used the rest, and it is believed
// for a shorter time. One that is built in or that upstream reported
// ([Source].Start) is only where a model begins, for the project may have a tenth of it or a
// thousand times as much. Either is tested where it is used up and no other project has room: one
// request at a time, in the whole deployment, is let beyond it as a [Probe], while all others keep
// to it. If upstream answers, the limit gives way or is raised; if it refuses, the limit holds for
// another day; if it does neither, nothing is known, and another may. Where a limit per day
// is only a start, probes follow each other sooner. The first goes half a second after all requests within the limit must have
// arrived. Each further one goes half a second after a refusal of the one before would have been recorded (beyond some thousands
// on a day, twice as fast as the limit per minute has them go). Whoever comes in between is told to come again soon (ByTest)
// rather than at midnight. So a rise is found within a day of use, and what isn't known costs one 429 each time
// that it is found out. Limits that an operator has named are never tried beyond, and a refusal that names a higher one
// raises none of them: somebody else may have the rest.
//
// What others use of the same limits is told by answers ([Heard]). Where more than a sixteenth of a limit was found to be
// somebody else's within half an hour, and
// nothing has been heard for a quarter of a window of 20 s or more, nobody knows what is left: the first request goes, and what goes beyond
// an eighth of the limits waits for its answer, or five seconds, whoever holds a slot included. So what comes at once after a
// while is met by no refusal, as long as the first isn't.
//
// Clocks are not trusted either. For a project time never runs backwards: it remembers the instant
// of its last change, and takes that for now when it is asked about an earlier one. A holder is not
// early because of a clock that is behind ([Reserve].Behind).
//
// # Bounds
//
// A project is kept as one small document. At most [MaxExact] sent requests of a calendar are kept
// one by one. Beyond that the oldest are folded: their ends are rounded up to whole seconds (in
// other windows than a minute to a part of them) and equal ends are summed, never early and at most
// that late, which bounds the calendar at any RPM. Where that may happen, waits and bookings are
// computed with rounded ends, so that what is promised still holds after folding; only the rest of a
// wait behind a late predecessor may grow, by a second. A folded one gives back, once, what it
// weighs too much, or all if it was never sent.
//
// There are [MaxModels] calendars of models and [MaxOthers] others. No number of names locks anybody
// out: one on which nothing weighs gives its place to one that needs it, and what it counted today
// and learned is kept as an [Idle]. If there is no place for the calendar of a limit
// that another provider named, the limit is kept so too, and until there is one its model is held to so little that the limit
// can't be broken.
//
// # Choosing and changing
//
// [Plan] takes the earliest start on any project, then the first place in the chain, then the
// projects that are to be used first ([Rules].Prefer), then chance. A model whose day is spent, or
// where a feature that is asked for is blocked, gives way to the next. With a limit to its patience
// ([Request].MaxWait) a request takes the first model within that.
//
// [Reserve], [Extend], [Use], [Heard], [Settle], [Cancel], [Release], [RecordRefusal], [Redirected],
// [Reset], [Review], [SetMark] and [ShareWaitlist] are values. [Project.Apply] makes them without
// touching the project it is called on, so a store can show the outcome before it is durable, and
// make the change again on what it finds after a lost race. Settling, cancelling and releasing twice
// is the same as once.
//
// Files, from the top down; a file calls only those below it:
//
//   - plan.go: the choice among projects and models
//   - change.go: reserving and booking ([Reserve]), recording refusals, most other changes
//   - settle.go: what became of a reservation ([Settle], [Cancel])
//   - turns.go: models of a project that upstream refuses a feature, which are tried in turn
//   - use.go: Use, for a request that goes on and uses more, and Heard, for what others have sent
//   - extend.go: Extend, for a request whose commit took longer than allowed for
//   - several.go: the calendars of one request: when all of it fits, and bookings that lie on several
//   - totals.go: the names of package totals: what is counted per project and day, for reports only
//   - service.go: what callers were served on each calendar that others wait for, where several share the project; package services counts it
//   - waiter.go: which callers wait, whichever instance told them a time
//   - project.go: a project: its calendars, marks of keys, shared waitlist, and which instances wrote last
//   - places.go: which models have calendars, and what is kept of those that gave theirs up
//   - calendar.go: the names of package calendar: one calendar, what it holds, and when one more request fits
//   - learned.go: the names of package learned: limits that an upstream 429 named, the probe that tests one, and causes
//   - spec.go: the names of package limits: calendars that aren't a model's
//   - policy.go: the names of package limits: rules, models, families, modes, and limits by source
//   - instant.go: the names of package instant: instants, Pacific days and rounding
package scheduler
