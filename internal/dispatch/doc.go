// Package dispatch does what one request needs once it is understood: it sizes it,
// has it admitted, sends it with the key of the granted project, goes on elsewhere
// where that can help, keeps what an answer or an error teaches, and settles.
//
// [Dispatcher.Do] is for requests that take a slot; the route says how one is sent
// ([Call]). [Dispatcher.Free] is for requests that cost no quota. Where a request
// refers to files or cached contents, [Dispatcher.Owners] finds the project that
// owns them, whose keys alone can read them.
//
// A wait is a value, admission.Wait. An upstream error that is to be passed on is
// an *upstream.Error. Nothing is ever waited for here.
//
// Files, from the top down; a file calls only those below it:
//
//   - do.go: one request's way: admission, sending, failing over
//   - feedback.go: what an answer or an error teaches, and where that is kept
//   - prompt.go: requests of POST /generate
//   - size.go: how many tokens a request weighs
//   - owners.go: which project owns a file or cached content
//   - free.go: requests that take no slot
//   - models.go: which models may serve a request
//   - telemetry.go: admissions and answers in telemetry's words
//   - dispatcher.go: what a dispatcher works with, and the keys of the moment
//   - pool.go: keys by project
//   - hash.go: what a request is recognised by
//   - recent.go: a bounded memory
package dispatch
