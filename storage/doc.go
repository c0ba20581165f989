// Package storage keeps what is known about every project, for any number of
// instances of the service, and tells the time that all of them go by.
//
// # The contract
//
// A [Store] holds one [scheduler.Project] per Google Cloud project, one
// [Control] document, and records. A request is admitted in three steps:
//
//	states, err := store.View(ctx, ids)         // what this instance knows
//	offer, _ := scheduler.Plan(rules, store.Now(), candidates(states), ...)
//	result, err := store.Apply(ctx, rules, offer.Project, scheduler.Reserve{...})
//
// View costs nothing once a project was read. Apply returns when the change is
// durable, with what it did to the state that it was really applied to, which
// another instance may have changed since the View: the verdict can be Replan,
// and then the caller looks again. Two rules follow for callers:
//
//   - A change is a value that can be applied to any state, any number of times.
//     Nothing outside it changes before Apply returns.
//   - Apply returns late when the database is slow. The reservation began when it
//     was computed, so whoever sends the request compares Result.Start with Now
//     and lets go of a reservation that is older than its allowance.
//
// An error means that nothing may be sent. [ErrUnavailable] says that the
// database gave no answer within Options.GiveUp; whether the change was written
// is then unknown. When the caller's context ends first, the error is the context's.
// Either way a reservation is taken back, and the booking that became it is kept for its
// holder again. Match errors with errors.Is, never by their text.
//
// Before a request is refused the view is brought up to date with Refresh, which
// reads only where somebody else may have written. What gives something back (a
// settled count, a cancelled reservation) is handed to Later and piggybacked on
// the next commit.
//
// # Two implementations
//
// [Memory] holds the state of one process. [Grouped] is the Store over [Documents], a
// database with conditional writes; package gcpfirestore makes one over Cloud
// Firestore, and this one links nothing of that. Package storetest is the suite that
// both pass: against memory, against a simulated database in virtual time, and against
// the Firestore emulator.
//
// # Why group commit
//
// All that a project is counted against lies in one document, so every admission
// on it is a write to that document, and a database sustains only a few commits
// a second on one. Transactions that read, compute and write one request each
// queue up behind one another's locks: on the emulator 64 callers on eight
// documents got 15 admissions a second out of it, each after six attempts.
//
// So there is one committer per project and instance (committer.go, commit.go).
// It takes whatever changes are waiting, applies them one after another to the
// state that the instance knows, and writes the result once. While that is under
// way further changes gather for the next commit; planning already sees them, so
// that the callers of one instance don't all aim for the same gap. A document is
// written at most every Options.Pace: the busier it is, the more each commit
// carries. Each caller still gets the result of its own change.
//
// # Why optimistic transactions
//
// Two transactions that read a document, and so hold a shared lock on it, can
// not both upgrade to writing: one of them waits until it is aborted. Therefore a
// commit reads nothing. It is conditional on the update time of the version that
// it was computed from, and its reply tells the next version, so an instance
// that is alone never reads a second time. One that lost a race pauses, reloads,
// applies the same changes to what it finds, and those that have come in the
// meantime, and tries again. The pause comes before the reload: after it, what had
// been loaded would be out of date again. It is short however often races were
// lost, for who lost has waited longer than who won; pauses grow only while the
// database refuses.
//
// A race that is lost costs a write, a pause and a read. Where somebody else has
// probably written since the last look, the document, and only that one, is read
// before it is written.
//
// # Errors of commits
//
// A commit whose reply was lost has happened. What the client library makes of
// it depends on the moment; retried under the hood it may come back as
// InvalidArgument or as a failed precondition. So no error of a commit is taken
// at its word. The document is reloaded, and it says who wrote last: every
// commit leaves the instance's random number and a sequence number, of which a
// document keeps [scheduler.MaxWriters]. If ours is there the commit succeeded,
// and the callers get their results. If the version has changed without it, the
// race was lost. If nothing has changed the database refused, and it is tried
// again, except where it said that we may not write at all. (Should more
// instances than that write between a lost reply and the reload, the changes are
// made twice: reservations that nobody uses, but never one too few.)
//
// # The age of a view
//
// A view is exact as long as nobody else writes, and a commit on a stale one
// loses its race and reads it again. Refresh reads where another writer was noticed in
// the last five minutes, where the view is older than a minute, or when it is
// forced to, and no document twice a second. Concurrent callers share a read. An
// admin's change also raises the epoch of the control document, which every
// instance reads every [ControlAge]; another epoch, and every view is read anew.
// A project's document tells the newest epoch that its writer knew of, and who reads
// one beyond its own reads the control document before it decides again.
// By the writers that a document names an instance knows how many are at work ([Store].Instances).
// Orders of an admin and of the holder of a ticket (SetMark, Release) are not
// answered from a view that may be stale.
//
// # What a document has lost
//
// A database can be emptied, or set back to an older copy, under running instances.
// Whoever reads a document that is missing, or hasn't come of what was known to be
// durable, joins both by the stricter reading (package merge, below this one) and writes
// that before anything more is admitted. It can't know what others wrote after
// the last state that it saw. So if it noticed another writer in the last five minutes, it closes the
// project until all that may be missing can't count any more. It closes a model likewise whose
// first use, as far as it knows, comes after a loss: the control document, which is read before
// that, says when it was restored. What no running instance knows is lost. The control document is restored before anything is decided by it, with
// a new epoch, and a record when somebody reads or changes it. All of it is said in the log
// and to Options.Noticed.
//
// # Totals and records
//
// A project document also counts what no decision depends on: requests and tokens
// by caller, upstream's errors by class, and the database operations of
// all instances; each commit counts itself and what was asked since the last one.
// It costs no operation. Events, results of checks, the history of finished
// days and whose resources are, are records, documents of their own that are read when
// somebody looks.
// Like project documents they and the control document are written on condition that
// nobody wrote in between: a dozen instances that start together and want the same lease
// would deadlock in transactions that read. Each read and each write has its own bound, so
// that a slow database isn't taken for a silent one.
//
// # Time
//
// Every reservation is made on one time scale, the database's: the local
// monotonic clock, anchored to the answer that came with the least latency,
// and off by at most half of that (package clock). Store.Between tells
// the bounds of that error, which are added to the times that callers are told, so
// that what one instance promises to the millisecond holds at the others. When the monotonic clock and the wall clock have come apart,
// because a machine slept or its clock was set, the database is asked before
// anything else is admitted.
//
// # Documents, and builds side by side
//
// The document of a project has a field of bytes with its state, and where a build
// needs one a second field with what builds before it can't read, written in the
// same write. Package codec, below this one, says what they hold and how a
// document stays under 8 KiB. Builds of two releases run side by side during a
// rollout, and after a rollback:
//
//   - A commit updates the fields that it knows. Other fields stay as they are,
//     in the control document and in records too. (As long as
//     instances of 4bd3115 may run, which replace the control document, what is added
//     to that may be lost; what must not be lost goes into a record.)
//   - A field never changes its meaning, and a state its version: what is new is
//     a new section of the second field.
//   - A section says which state it was written with. Where another build has
//     changed the state since, what the section can't know counts as used.
//
// A document that can't be read costs its own project only. View returns a project
// in which nothing fits ([scheduler.Project].Unreadable) and no change is made to
// it; it is logged and counted in [Stats], and read again now and then, until it
// can be read. View fails when no project that was asked for can be read. The
// control document and a record that can't be read are errors of those who need
// them: without the mode and the limits that an admin has set nothing is admitted.
//
// Files, from the top down; a file calls only those below it:
//
//   - memory.go: Memory, the Store of one process
//   - grouped.go: Grouped, the Store over documents with conditional writes
//   - control.go: the control document, cached and shared
//   - records.go: records, in both stores
//   - shared.go: reads of project documents that callers share
//   - committer.go: the one that writes a project's document: queue, batch, answers
//   - commit.go: one commit, its tries, and what became of one that failed
//   - view.go: what an instance knows of a project, and how old that is
//   - writers.go: which other instances are at work
//   - restore.go: what documents have lost, and giving it back
//   - database.go: what all of these ask of the documents, with bounds and counts
//   - turns.go: one of each name at a time
//   - store.go: Store, Control and Stats
//   - errors.go: errors, and changes that are refused
//   - documents.go: Documents, what a Grouped store asks of a database
package storage
