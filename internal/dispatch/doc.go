// Package dispatch does what one request needs once it is understood: it sizes it,
// has it admitted, sends it with the key of the granted project, goes on elsewhere
// where that can help, records what an answer or an error says, and settles.
//
// [Dispatcher.Do] is for requests that take a slot; the route says how one is sent
// ([Call]). [Dispatcher.Free] is for requests that cost no quota. Where a request
// refers to files or cached contents, [Dispatcher.PoolFor] finds the project that
// owns them, whose keys alone can read them.
//
// Dispatch never decides who may go when: admission does, and chooses the key too.
// It knows no HTTP route: server does. A wait is a value, admission.Wait, which the
// server has apierror word. An upstream error that is to be passed on is an
// *upstream.Error. Nothing is ever waited for here.
//
// A 429 of Gemini's is read by package upstream/gemini, package lesson says whom it concerns
// and for how long, and learn.go records that in the project ([scheduler.RecordRefusal]).
// Who may name a file is found in this order: package payload finds the names in a body, and
// owners.go asks package resources whose they are.
//
// Most of it is tested through HTTP, in package server, against simulated and scripted upstreams.
//
// Files, from the top down; a file calls only those below it:
//
//   - do.go: one request's way: admission, sending with the granted key, failing over, settling
//   - shadow.go: what is sent over a limit where Fluxgate only watches
//   - accounting.go: counting what became of a call, and what it used
//   - depleted.go: trying projects that couldn't pay, and using them again
//   - learn.go: recording what an answer or a refusal says: limits, blocks; aliases, which admission keeps
//   - redirect.go: models that others answer for, and what a call weighs beside a model
//   - accounts.go: which projects are billed together, and wait together when one spends too fast
//   - refusal.go: what an error means as the answer to a call (the table of lessons is package lesson)
//   - features.go: features with quotas of their own: what a call weighs there, what a refusal says of them, what is told
//   - words.go: what upstream said of a feature, kept for instances that didn't hear it
//   - prompt.go: the fields of POST /generate made into an upstream.Prompt: defaults, models, sending it
//   - size.go: how many input tokens a request has: bounded, counted by upstream, or estimated
//     (by package payload for Gemini, by payload/sizes for others)
//   - owners.go: which project owns a file or cached content, whether it is the caller's, and where what it makes belongs
//   - free.go: requests that take no slot, and whether a key is invalid
//   - models.go: what upstream said of models that aren't to be had, whether another model or provider may
//     serve what one refused; aliases
//   - telemetry.go: what is measured of admissions and answers
//   - dispatcher.go: a Dispatcher and its options, the keys as read last, and targets
package dispatch
