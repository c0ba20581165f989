// Package gate admits requests: it joins the pure decisions of package
// scheduler with a storage.Store, and adds what an instance remembers by itself.
//
// Admit answers with a Grant, a slot that is committed and must be used now, or
// with a Wait. The rule is prove, then promise: the first refusal of a request
// tells the exact wait and books nothing, so callers that never return cost
// nothing and block nobody. A caller that comes back, recognised by its request
// hash or by its ticket, and still finds no room gets a booking, which every
// instance honours. A caller that says that it will return is booked at once.
//
// Whom this instance told what lives in memory only. It makes waiting callers
// be told different times. Short hashes of it ride along with the next commit of
// the project, so that other instances recognise a returner too.
//
// A booking is kept for longer than its request will count by what holders
// have been late of late (at most the hold), counted until their request could
// be sent, so that a late one, or a slow commit, doesn't make the next come in
// vain. A holder that does come in vain, or early, goes to another project if
// there is room now, and keeps its rank if there is none.
//
// What is decided by can change while the gate is open: the rules follow the
// control document ([Follow]), of which every instance sees a change within ten
// seconds.
//
// The clocks of two instances are never quite the same. Who holds a booking is
// told a time that has come however far this instance's clock is ahead
// (Gate.Left), and is in time if it may have come as far as the clock of the
// instance that it returns to can tell. So a holder that comes to the
// millisecond is early nowhere.
//
// A slot is granted for the instant at which it was applied to the calendar.
// By the time its commit returns that may be a while ago; the interval has an
// allowance for that, and where it isn't enough it is lengthened by a second
// commit before anything is sent. Where a booking was made right behind it in
// the meantime, and nothing was promised to the request, it isn't sent at all
// but planned anew.
package admission
