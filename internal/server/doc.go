// Package server is Fluxgate over HTTP: routes, authentication, bounds, and
// relaying bytes. What a request needs besides is done by others: package payload
// reads its body, dispatch sizes it, has it admitted and sends it, admin answers
// operators, and apierror knows what an error or a wait looks like.
//
// A handler returns an error; one place turns it into an answer (fail.go). That
// there is no quota now is not an error but a value, admission.Wait, and is answered with
// 429 and the exact time to come back. The server never sleeps on behalf of a caller.
//
// # The relay
//
// Gemini's own routes and those of its OpenAI-compatible endpoint are relayed:
// the body goes upstream byte for byte and the answer comes back byte for byte,
// fields that nobody has heard of included. Three things change: the credentials,
// of which upstream gets exactly one; the model, where it is "auto" or may fall
// back; and an error on an OpenAI route, which upstream sends in a shape of its
// own. The body is read only for what decides where it may go and what it weighs:
// media, how many texts there are to embed, and the files and cached contents that
// tie it to the project which owns them. It is read as liberally as Google reads it,
// and goes upstream as JSON whatever the caller called it, since under another type
// Google might read something else in it. Packed bodies are unpacked; packed answers
// pass as they are, and what is in them is read too. Paths are put together here from names
// that were checked, and only listed headers and query parameters pass, so no request
// can reach another host or another part of the API.
//
// Pieces of an answer are flushed as they arrive. Until its beginning shows that
// it is an answer, and neither an error nor nothing at all, nothing is written, so
// that a request that upstream refused can still be served elsewhere. After that, a failure of upstream is passed
// on by breaking the caller's connection: an end like any other would make a cut
// answer look whole. An error that upstream
// sends in the middle reaches the caller as it is, and dispatch learns from it as from
// any other. Only the end of an answer is kept, and the last usage that it reported
// before that, so memory is bounded whatever the length. An upstream that falls silent
// is cut after FLUXGATE_IDLE_TIMEOUT, in the middle of any answer and before the first
// byte of a stream. Such a cut is a timeout: the request may have been served and
// billed, so it is not sent elsewhere.
//
// # Memory
//
// A body is held once, as it came, and what goes upstream is read from it (payload.Rope).
// Before it is read, what it takes is charged to the budget of all bodies in flight
// (package bodies), and given back when its handler returns. By then nothing reads it any
// more: net/http may send a body for a while after the answer is there, so a reader of it
// is closed before.
//
// Files, from the top down; a file calls only those below it:
//
//   - server.go: the server, and what happens around every handler
//   - routes.go: the table of everything that is served: Fluxgate's own, and upstream's by that of package routes
//   - admin.go: operators' routes
//   - tickets.go: DELETE /tickets/{ticket}
//   - generate.go: POST /generate
//   - unknown.go: what the table doesn't know, where an operator wants that passed
//   - model.go: requests to a model, in each API's format
//   - jobs.go: jobs, which take no slot, and what counts them (package jobs)
//   - modellist.go: lists of models, with the chain
//   - others.go: requests that may go to another provider than Gemini (package others)
//   - live.go: sessions of the Live API, which package live relays, and tokens for them
//   - resources.go: what belongs to a project: reading, making, changing, deleting
//   - lists.go: lists of them, over all projects
//   - ownlist.go: lists of what one caller has
//   - upload.go: uploads of files
//   - match.go: a row of the table that a request has matched, and what it names
//   - relay.go: a request that passes byte for byte: dispatching it, and sending it once
//   - stream.go: relaying its answer, a stream or not, to the caller piece by piece, and cutting it when upstream stalls
//   - call.go: a call for dispatch: the request's hash, ticket and wish for a booking; and what takes no slot
//   - auth.go: who sent a request
//   - fail.go: turning errors and waits into answers
//   - arrival.go: what is known of a request before its handler runs
package server
