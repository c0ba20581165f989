// Package admission decides one request: it joins the pure decisions of package
// scheduler with a storage.Store, checks the caller's own limits beside those of
// the projects, and keeps what an instance remembers of those that it told to
// wait.
//
// [Controller.Admit] answers with a Grant, a slot that is committed and must be
// used now, or with a Wait. Both are values; an error means that something broke
// or that no wait helps. A Grant names everything that is needed to send the
// request: project, key, and the model by both of its names.
//
// # Prove, then promise
//
// The first refusal of a request tells the exact wait and books nothing, so callers
// that never return cost nothing and block nobody. A caller that comes back,
// recognised by its request hash or by its ticket, and still finds no room gets a
// booking, which every instance honours. A caller that says that it will return is
// booked at once.
//
// The waitlist, whom this instance told which time, lives in memory only. It makes
// waiting callers be told different times. Short hashes of it ride along with the
// next commit of the project, so that other instances recognise a returner too.
//
// A booking is kept for longer than its request will count by what holders have
// recently been late (at most the hold), counted until their request could be sent,
// so that a late one, or a slow commit, doesn't make the next come in vain. A holder
// that does come in vain, or early, goes to another project if there is room now,
// and keeps its rank if there is none.
//
// # The caller's own limits
//
// They are a document of their own with one calendar ([CallerLimit]). If they demand
// a wait, the caller is told that one or the projects', whichever is longer. If they
// don't, the caller's place is committed after the project's slot, which is given
// back if that fails.
//
// # Time
//
// What is decided by follows the control document, of which every instance sees a
// change within ten seconds; a request takes one [Snapshot] of it.
//
// The clocks of two instances are never quite the same. Who holds a booking is told
// a time that has come however far this instance's clock is ahead
// ([Controller.Left]), and is in time if it may have come as far as the clock of the
// instance that it returns to can tell. So a holder that comes to the millisecond is
// early nowhere.
//
// A slot is granted for the instant at which it was applied to the calendar. By the
// time its commit returns that may be a while ago; the interval has an allowance for
// that, and where it isn't enough it is lengthened by a second commit before
// anything is sent. Where a booking was made right behind it in the meantime, and
// nothing was promised to the request, it isn't sent at all but planned anew.
//
// Files, from the top down; a file calls only those below it:
//
//   - controller.go: a controller, and Admit
//   - decide.go: one decision, from what is known to a grant or a wait
//   - recognise.go: whether the caller has been here before
//   - reserve.go: committing a slot, and telling a wait
//   - settle.go: what became of a grant
//   - callerlimit.go: the caller's own limits
//   - request.go: requests, grants and waits
//   - ticket.go: tickets and signatures
//   - alias.go: names of models that count against another's calendar
//   - snapshot.go: what is decided by
//   - waitlist.go: who was told which time
//   - lateness.go: how late commits and holders were
//   - store.go: what others may see of the store
package admission
