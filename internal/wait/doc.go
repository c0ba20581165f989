// Package wait waits on behalf of programs that can't.
//
// Fluxgate answers a wait and never sleeps; most client libraries fail their program at the first 429. A [Proxy] stands
// between the two, on the program's own machine or in its pod: it forwards everything as it is to one Fluxgate, sits out
// the waits that it is told, to the millisecond, and answers its client as if nothing had been.
//
// # What is sat out
//
// A refusal is Fluxgate's own by its header (see package remote), never by its status: for want of quota, 429, for want of
// room for the body, 503, or for want of room upstream, 5xx. The proxy asks for a booking at the first refusal, comes back at the instant that it was told
// with the ticket, and sends the same bytes. A function that can't be connected to is tried again for half a minute:
// nothing was sent. Everything else passes on at once, and so does what waiting can't mend in time: a wait that would end
// later than [Options].Longest after the request came, or than what the client says that it can bear
// (X-Fluxgate-Deadline, or the X-Server-Timeout of Google's SDKs, of which a fifth is left for the answer). The function is
// told that bound, so that it keeps nothing in vain. What may have been served isn't sent again.
//
// A client that hangs up gives its booking back. A WebSocket, as sessions of the Live API are, passes in both directions
// once it is open; what a session is told then, its client sees.
//
// # Who is let in, and what goes out
//
// It listens on loopback, and lets in what comes from this machine: no page of a browser, no other host name, nothing that
// a proxy or a tunnel passes on. It forwards to one address, over https unless that is loopback, and follows no redirect.
// The client's credential is taken off, since it may be a real key of Gemini's, and the proxy's own is added. No header
// tells of it. URLs for uploads in answers are made to lead back to it.
//
// # Memory
//
// A body is held once, whatever the number of tries: in memory as long as all that are held come to at most
// [Options].Memory, else in a file that has no name any more. Answers aren't held. Uploads of files pass as they come.
//
// Files, from the top down; a file calls only those below it:
//
//   - serve.go: Serve, a proxy on a listener until it is told to stop
//   - child.go: Run, a command that is to use a proxy
//   - signals_unix.go: which signals a command is passed
//   - signals_other.go: the same where there are few
//   - proxy.go: Proxy, one request until it is answered
//   - request.go: what of a client's request goes out
//   - answer.go: what of an answer comes back
//   - upgrade.go: connections that go on as WebSockets, as sessions of the Live API do
//   - bound.go: until when a client can wait
//   - body.go: a body that is held for as many tries as it takes
//   - display.go: shows who waits for what
//   - waiting.go: who waits for what
package wait
