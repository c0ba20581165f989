// Package scheduler decides when a request may go to Gemini, or to another provider, on which
// project and model, so that no limit is ever broken and nobody waits longer than need be. It is pure: it keeps no clock and does
// no I/O, every function takes the instant, and every change of a project returns a new one.
//
// # Words
//
//   - A project is what Google limits. Its keys share its calendars.
//   - A calendar is what counts against one set of limits of a project, a weight what a request counts there.
//   - A slot is a place in calendars, from its start on: a reservation if it is used now, a booking if
//     it is kept for a caller that will come back.
//   - The hold is how long after its start a booking is kept for its holder, by rank, oldest first:
//     as long as the rules say, or longer where that is known to be needed ([Reserve].Hold).
//   - A refusal is upstream's 429. A wait is what a caller is told for whom there is no room now.
//   - The skew is how far clocks and ways may differ, the allowance what a commit or upload takes.
//
// # The calendar
//
// Google limits each model of each project three times: requests per minute (RPM), input tokens per
// minute (TPM) and requests per Pacific day (RPD). One [Calendar] per project and model keeps the
// account. A request that was sent at s is inside the trailing minute that ends at x exactly when s
// <= x < s+60s. So it is an interval, [s, s+60s), whose weight is its tokens, and the minute limits
// say that at every instant the weights sum to at most TPM and the intervals number at most RPM.
// Admission, waiting and booking are then one question, which [Calendar.Earliest] answers: what is
// the first instant at which one more interval fits? If it is now, the request goes. If not, the
// difference is the exact wait.
//
// What Google counts is the arrival, and by its own clock. The interval is therefore longer than a
// minute by the skew ([Rules]), and by an allowance for the commit and the upload of the body
// ([Demand]). [Settle] trims it when the true send time is known, and corrects the tokens, both
// ways.
//
// A request larger than TPM can pass when it is alone. It weighs a whole window and lasts a window
// for every TPM of tokens that it has: 1,000,000 tokens at 250,000 per minute keep a project busy
// for four minutes ([Limits.Cooldown]).
//
// RPD is counted on the Pacific date of the start, and on both dates when the arrival may fall on
// the other side of a midnight. A [Day] lasts 23 or 25 hours when the clocks change.
//
// # Several calendars
//
// A request may weigh on more than its model ([Reserve].Also): on a feature with a quota of its own,
// on what the model puts out, on the whole project, on another model that upstream may count it on.
// Each is a calendar whose name says what it counts ([OfFeature], [OfOutputs], [OfProject],
// [OfLease]): requests, and one kind of tokens, within one window. What has limits for input and
// output tokens, or for a second and a day, is two calendars. What is known only afterwards, as
// outputs are, is reserved by a figure and settled, both ways; what upstream counts only as it answers
// counts from then on ([Spec].AtAnswer). A calendar's [Spec] says whether its
// limits are for a window, for a bucket that is refilled without a break, or for what is under way
// at a time, which expires unless it is extended; and at which midnight a day begins.
//
// All of it is one slot. It is admitted, booked, claimed, moved, settled, extended and cancelled on
// all its calendars or on none, at the first instant at which every weight fits: one calendar after
// another is asked until all agree, and the cause is that of the last to have room. What a build
// that knows models only may have used of the others counts as used ([Unsure]).
//
// # Waiting
//
// A wait that is told is a whole number of seconds from the instant at which it was asked for:
// candidates are now and now plus whole seconds, and each is tested. So a client that reads only
// Retry-After and one that reads milliseconds come back at the same moment. Of a window below
// twenty seconds that would lose a twentieth: what weighs on one is told milliseconds.
//
// The first wait that is told books nothing. It costs no write and blocks nobody, should nobody
// return. The instance that planned it keeps a waitlist in memory of whom it told which time
// ([Request].Waitlist), so that many waiting callers are told different times. Of each entry it
// shares a short hash through the project ([ShareWaitlist]), so that other instances recognise the
// caller when it returns. Who queues ([Request].Queue) goes after the waitlist even if there is
// room now, and the first start of all may be one in the future ([Request].From).
//
// A caller that has come back, and still finds no room, gets a [Booking], an interval from its
// start. Its holder, returning between start and start plus hold, is admitted if it fits beside what
// was sent and the bookings that are older than its own; later the booking has lapsed. What counts
// is when it came ([Reserve].Came), not when the change is made, which may have waited for a pace or
// lost races. If a predecessor that came late is in the way, the holder is told the rest of the wait
// and keeps its rank.
//
// Younger bookings and requests without one never stand in its way. For that they must leave room
// not only for its interval as planned but for every lateness within the hold. With a hold of 5 s, a
// booking at 100 s may be used at any instant up to 105 s, so whoever starts between these two must
// fit beside it as if it began at 100 s and never ended; for whoever starts after 105 s it is taken
// as used on time. So bookings can be made back to back, small requests fill the gaps between them,
// and large ones don't starve.
//
// # What is not known in advance
//
// What upstream's refusals say is recorded ([RecordRefusal]): limits; blocks, until an instant or
// the Pacific midnight; the size that is too large. What isn't a model's calendar is blocked for
// longer and longer by what upstream refuses in a row. After such a block, and after a minute that
// was said to last longer than any does, one request at a time is let through, and the first that is
// answered ends it ([Result].Trial).
//
// A learned limit is believed until the Pacific day is over. Then, once it is used up and no other
// project has room, one request at a time is let beyond it, as a [Probe], while all others keep to
// it: if upstream answers, the limit gives way, and if it refuses, it is new again, and nobody but
// the probe is told to wait for that. So a limit that rose is found within a day of use, and one
// that didn't costs one 429 a day. (What isn't a model's, and has none to begin with as sessions
// have, is tested once a week: no other limit is there in its place.) Bookings that no longer fit
// are moved, in order of rank, to the next start that does and can be told, and none is lost.
//
// A limit that is built in or reported (Source.Start) is nobody's word for this project, which may
// have a tenth of it or a thousand times as much. So it is only where a model begins. Downwards, the
// first 429 says what holds. Upwards it is probed like a limit learned yesterday, as soon as what
// was sent fills it, and an answer raises it by what the probe weighed: a calendar with more demand
// than it is thought to have room for goes up by one request for each that is answered, some
// thousands a day of RPM. A limit per day goes up by a tenth for each, since nobody is sent beyond
// it in one burst. The first 429 ends that: the limit that it names is learned, and if it names
// none, what was reached is believed like one that was named. There is one probe at a time in
// the whole deployment, for it is part of the project, so what isn't known costs one 429 each time
// that it is found out. Limits that an operator has named are never tried beyond.
//
// Clocks are not trusted either. For a project time never runs backwards: it remembers the instant
// of its last change, and takes that for now when it is asked about an earlier one. A holder is not
// early because of a clock that is behind ([Reserve].Behind).
//
// # Bounds
//
// A project is kept as one small document. At most [MaxExact] sent requests of a calendar are kept
// one by one. Beyond that the oldest are folded: their ends are rounded up to whole seconds and
// equal ends are summed, never early and at most a second late, which bounds the calendar at any
// RPM. (Of windows above a minute it is a sixtieth, of those below a hundredth of them.) Where that may happen, waits and bookings are computed with rounded ends, so that what is
// promised still holds after folding; only the rest of a wait behind a late predecessor may grow, by
// a second. Of the last [MaxOpen] it is known that they are on their way, so one of them that is
// folded gives back, once, what it weighs too much, or all if it was never sent.
//
// No number of names locks anybody out. The first models of the chain are sure of their places among
// the [MaxModels] calendars; other models share what is left, at least [MinOthers], and what isn't a
// model has [MaxOthers] places. A calendar on which nothing weighs gives its place to one that needs
// it, and what it counted today and learned is kept as an [Idle]; one that limits nothing isn't
// missed where it has no place. The other bounds are
// [MaxBookings], [MaxBookingsPerHash], [MaxAhead], [MaxWaitlist], [MaxMarks] and [MaxWriters].
//
// # Choosing
//
// [Plan] takes the earliest start on any project, then the first place in the chain, then chance. A
// model whose day is spent, or of which a feature is blocked that the request asks for, gives way to
// the next.
// With a limit to its patience ([Request].MaxWait) a request takes the first model within that.
// Where a project hasn't got every model of the chain ([Request].Serves), it offers those that it has.
//
// # Changes
//
// [Reserve], [Extend], [Use], [Settle], [Cancel], [Release], [RecordRefusal], [Redirected], [Reset],
// [Review], [SetMark] and [ShareWaitlist] are values. [Project.Apply] makes them without touching the project it is
// called on, so a store can show the outcome before it is durable, and make the change again on what
// it finds after a lost race. Settling, cancelling and releasing twice is the same as once.
//
// Files, from the top down; a file calls only those below it:
//
//   - plan.go: the choice among projects and models
//   - change.go: the changes of a project: reserving and booking (Reserve), settling, recording refusals and the rest, but for Extend, Use and Heard
//   - use.go: Use, for a request that goes on and uses more, and Heard, for what others have sent
//   - extend.go: Extend, for a request whose commit took longer than allowed for
//   - several.go: the calendars of one request: when all of it fits, and bookings that lie on several
//   - totals.go: the names of package totals: what is counted per project and day, for reports only
//   - service.go: what callers were served, where several share the project
//   - project.go: a project: its calendars, marks of keys, shared waitlist, and which instances wrote last
//   - places.go: which models have calendars, and what is kept of those that gave theirs up
//   - calendar.go: the names of package calendar: one calendar, what it holds, and when one more request fits
//   - learned.go: the names of package learned: limits that an upstream 429 named, the probe that tests one, and causes
//   - spec.go: the names of package limits: calendars that aren't a model's
//   - policy.go: the names of package limits: rules, models, families, modes, and limits by source
//   - instant.go: the names of package instant: instants, Pacific days and rounding
package scheduler
