// Package admission decides one request: it joins the pure computation of package
// scheduler with a storage.Store, checks the caller's own limits beside those of
// the projects, chooses the key, and keeps what an instance remembers of those that
// it told to wait. It never sends anything: package dispatch does.
//
// [Controller.Admit] answers with a [Grant], a slot that is committed and must be
// used now, or with a [Wait]. Both are values; an error means that something broke
// or that no wait helps. A Grant names everything that is needed to send the
// request: the project, one of its usable keys (the one that the caller prefers, by
// preferred_key of /generate, if it is usable, else any of them by chance), and the
// model by both of its names.
//
// # Prove, then promise
//
// A caller proves that it means to come back by doing so; then it is promised a slot. The first time, a request is
// told the exact wait and nothing is booked, so callers that never return cost nothing and block nobody. A caller that
// comes back, recognised by its request hash or by its ticket, and still finds no room gets a booking, which every
// instance honours. A caller that says that it will return is booked at once, behind what was told to others. Either way it gets a signed ticket, by
// which any instance recognises it; without the ticket the same body from the same caller does.
//
// The waitlist, whom this instance told which time, is in memory. It makes waiting callers be told different times.
// Where a day is spent instances tell times of the next one for hours, and nobody writes. So each instance takes it
// that every other one at work (the last writers that the documents name) told as many callers as it did itself.
// Callers get as many of those times each, by their weights. So no crowd comes when that day begins. A short hash of
// each entry is stored with the next commit of the project, so that other instances recognise a returner too.
//
// Many clients come back by their own clock and not when they were told. The same body from the same caller before its
// time is the same request: it is told its own time again, or an earlier one if there is room by then, or what is left
// if others have taken that room. It gains nothing by coming early, for until its own time it gets no room that others
// were told of; and it costs nobody anything, for who doesn't wait for its time isn't waited for. A batch of equal
// prompts is as many requests all the same, because they come together: who comes within a tenth of a second of the
// answer to another can't have had it.
//
// Some clients can't sit out a wait in one go: they take it up to a minute, come back
// then and sit out the rest ([Request].SitsOut). One that comes back after that long has
// proved that it returns, and is booked at the time that it was told: the times before
// that were told to others. And who says that it can wait only so long is told at once
// when that isn't enough; it is kept nothing, and nobody waits for it.
//
// Who was told a time and doesn't come is in nobody's way once that has passed: whoever
// comes then goes. Before, its promise is in the way of those that ask for a time, as far
// as its caller's requests do return.
//
// A booking has extra time behind its interval: as much as its holder may be late, the hold, and as much as commits took
// lately. Without it a late holder, or a slow commit, would push the next one back. One that says that it comes at the
// millisecond ([Request].Punctual) is believed until it is seen to be late, and has as much as it was late lately. Where it
// is later than that, or brings a larger request than it has booked, and others would have to wait for it, it is planned
// anew. A holder whose slot isn't free when it comes, or that comes early, goes to another project if there
// is room now, and gives its booking up; if there is no room it keeps its booking and its rank.
//
// Some clients come at any time until half as long again as they were told to wait: Envoy's
// retries do, so that not all come at once. A hold of seconds keeps the place of one in six
// of them after a minute. So who comes after its hold, and no later than that, is recognised,
// is booked the next room before all that haven't returned, and is kept that for half of the
// wait. It is each request that shows how it comes: those that come in time lose nothing, and
// neither do those behind them. But a slot that is kept so long stands idle for half of that
// time on average. So one that is to wait for more than 67 s is told a time and nothing is
// kept, and mostly finds room at one of them; it is booked once it has waited for four times
// as long as it was told last. TestCapacity (internal/simulation) shows what that costs, and
// package lateness what else was tried. Who says that it is punctual, and comes so late, is
// booked the next room, and kept that no longer than usual.
//
// A request waits for the store no longer than patience.GiveUp, whatever is read, lost and
// planned anew in it. A plan that turns out to be out of date was made on
// a document that has been read again by then; only before the last plan are all of
// them.
//
// # Several callers
//
// Where several callers may come (Options.Shared) it is the turn of the one that has been served least, divided by its
// weight (Options.Weights): package fair says by which rule. Promises whose turn is earlier keep a request from going
// although there is room, and a wait is told around them; those whose turn is later are in nobody's way. Who was told a
// time that has been given to somebody with less is told another when it comes, and keeps its place among its caller's
// requests by how long it has waited. Whoever comes early is served like any other, if it is its turn. Who hasn't come a
// second after its time isn't waited for. If a caller came for only half of its last promises, only half of those that
// it has now keep others from going (more where it returns to other instances too): so slots that nobody will come for
// are used.
//
// What each was served the projects keep, written with the admission itself, so that every instance knows, and remembers
// for longer than they do when that was; promises, an instance knows those that it made. Of whom others told a time it
// knows that they wait (scheduler.Waiter, written along with their next commits): so they count where turns are
// compared, though all that they send may come to one instance. Bookings are kept, whoever comes. So a caller books no
// more than a window ahead, even while it is alone: whoever comes next waits a window longer than alone, and not ten
// minutes. One slot it may book further ahead, or its large requests would starve. While others wait it books only as
// long as it isn't ahead of them, and, unless it asks for a booking, only what is at least three quarters as large as
// the largest of its requests that wait: what is small finds room beside that, and a slot that is kept stands idle until
// its holder comes. At one of several instances it isn't known what the others told, so there who has had less than
// somebody else by two requests, and comes back, is booked at its first refusal, and what is small is booked whose
// caller is far behind. While more callers wait than there are projects, and more than two, a caller books only if it
// has had less than others on average, by the largest request that waits or more: turns see to it that everybody gets as
// much. Then a caller that came late for earlier promises is waited for beyond that second, by as much as it was late
// then, but no longer than the hold: else its turns would be taken. And where sizes are mixed a request for which there
// is room waits all the same if it would bring its caller further ahead of others than about a third of the largest that
// waits, unless much would stand idle beside it: so any ten minutes are nearer to a fair share ([fair.Contest.TooSoon]).
// So does one of any size at one of several instances whose caller is far ahead: most of the others may wait elsewhere,
// where nothing that they were told is in its way ([fair.Contest.FarAhead]). It does so once: what is left then they can't use, or don't.
//
// A minute takes so many requests and so many tokens, and what is left of one is lost once the
// other is used up. So where callers wait, a request goes where it leaves least unused; one that
// is small waits up to twenty seconds for another project rather than to take one of the last requests
// where many tokens are left; and one that is large waits a little longer where less is kept idle
// for it: package packing. So beside others that wait, or were served lately, what is told may be
// twenty seconds later than the first room behind them, and what is small is told when its turn
// comes on the projects that suit it. Who is alone, or says how long it can wait, is told of the
// first room; so is who was told a time before, as long as that can be kept.
//
// A caller that is alone is served as where nobody else can come, for no tokens are configured:
// its requests as they come, and nothing is kept of what it was served. There it would be booked further
// ahead, though. TestAloneIsAsIfUnshared compares the two (internal/simulation). Callers
// are told apart by the names that package callers gives them: of a token, of an identity that IAM
// has let in (all that have none are "iam"), or "anonymous" where no tokens are configured.
// One name is one caller. What it comes to, TestFairShares shows.
//
// # Several calendars
//
// A request may weigh on more than its model ([Request].Also). It is admitted, told to
// wait or booked by all of it, on one project, in the same commit. The grant has its
// reservations on the other calendars, and settles and cancels them with its own. A ticket
// names the booking only: what a request weighs, it says itself when it comes back. Where
// upstream refuses one of them, such as a feature, nothing is kept for the caller: it isn't
// known to be there after the wait ([Wait.Refused]).
//
// # The caller's own limits
//
// They are a document of their own with one calendar ([CallerLimit]), and part of
// the same decision. If they demand a wait, the caller is told that one or the
// projects', whichever is longer. If they don't, two commits follow each other: the
// caller's place, then the project's slot. If the second fails the place is given back.
//
// Budgets per day and month aren't checked here: package dispatch asks package budget, before it asks here.
//
// They hold for what is promised and booked, too: a caller that may send one request a minute is promised one slot a
// minute, and told the wait of its own limits for more. Whose a booking is its ID says ([ticket.NewIDOf]), so every
// instance knows; that it is going to be made the caller's document says before (package ownlimits), for instances that
// book at the same time. What was only told, the instance knows that told it. A request that goes at once leaves what the
// caller has booked for others, at every instance, until the hold of that is over: so a caller whose bookings fill its next
// minute sends nothing else before them. A holder goes first.
//
// Requests that its own limits have wait are told times one behind the other, and recognised by their hashes as those that wait
// for projects are: before its time a request is told that again, or an earlier one where there is room, and at its time
// it goes if the limits let it, before others that weren't told it. A second after that, if nobody has come, somebody else
// may go, though who was told the next time waits up to half a minute longer for it; and who doesn't come counts less in what others are
// told. Each instance knows whom it told what. None of this is on a project's waitlist.
//
// # Time
//
// Mode, chain and limits are those in force under the control document: package
// effective merges what an administrator set there with what is built in, reported
// and configured. Aliases are in the control document too. Every instance sees a
// change of it within ten seconds. A request takes one [Snapshot] of all this and is
// decided by that alone.
//
// The clocks of two instances are never quite the same. The possible error of our own
// clock is added to the time that the holder of a booking is told
// ([Controller.Left]), and subtracted when it is judged whether one came in time. So
// a holder that comes at the told millisecond is early at no instance.
//
// A slot is granted for the instant at which it was applied to the calendar. By the
// time its commit returns that may be a while ago. The interval has an allowance for
// that. Where it isn't enough, a second commit lengthens the interval before
// anything is sent. Where somebody has booked right behind the interval meanwhile,
// it can't be lengthened: a request without a booking is then planned anew, one with
// a booking goes all the same and its successor is told the rest.
//
// A holder that is told that the store gave no answer has its booking when it asks again:
// nothing was sent for it. Other instances know it once this one has written the project
// again.
//
// Files, from the top down; a file calls only those below it:
//
//   - controller.go: a controller, and Admit
//   - decide.go: one decision: planning, claiming a booking
//   - ownwait.go: what a caller with limits of its own comes for, was promised and has booked
//   - recognise.go: whether the caller was told to wait before: by ticket, or by its request's hash; who comes early and is told its own time again
//   - reserve.go: whether to reserve or to book, committing that ([scheduler.Reserve] applies it), and telling a wait
//   - early.go: what those are told that come before their time: their own again, or what is left of it; how much later than it one may come
//   - fair.go: planning by turns, where several callers wait: whose it is package turns says
//   - candidates.go: which projects and keys a request may go to, choosing its key, and what is too large for all of them
//   - settle.go: settling, failing and cancelling a grant
//   - quota.go: how a caller's own limits stand
//   - callerlimit.go: checking and committing the caller's own limits
//   - request.go: requests, grants and waits
//   - ticket.go: tickets and signatures by the key of the deployment
//   - alias.go: keeping and applying aliases of models, which dispatch notices in answers and upstream 429s
//   - snapshot.go: the rules, mode and chain in force, from the control document
//   - store.go: the parts of the store that others need, records of policy, validation, events and history among them
package admission
