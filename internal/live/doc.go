// Package live relays sessions of the Live API: a WebSocket of a caller's, and one to Gemini
// with a key of the project that was granted, each message byte for byte.
//
// # A session
//
// The first message of a session is its setup, which names the model, a handle where an
// earlier session goes on, and perhaps files. So the caller's connection is accepted and the
// setup read before anything is admitted ([Relay.Serve]). What can be known before that is
// refused as any other request is, with an HTTP status: that sessions aren't served here, that
// there is no room for one, that the caller's own limits are reached. After it, a close frame
// says it, since nothing else can: by the code and in the words in which Gemini says such
// things, with the wait first, because a reason has 123 bytes. Clients of Google's show a
// close's code and reason to the application, and of a refused upgrade the status at most.
//
// Then the session is a call like any other ([dispatch.Dispatcher.Do]): it is admitted for a
// model, sent with the key of a project, sent elsewhere where Gemini refuses its setup, and
// settled when it is over. It weighs on its model as one request with the tokens of its setup,
// and on the feature "live" of its model as one of so many at a time: until it ends, and no
// longer than its place lasts, which is extended while it goes on (package lasting). What its
// turns use counts on the model when Gemini tells it, for a minute from then on. What of the
// setup says "auto" stands for the models that Gemini lists for sessions, or those of [Models];
// every other byte of it stays.
//
// A session that comes with an ephemeral token (package ephemeral) goes to the project that
// minted it, with the token for its credential; so what the token is bound to is Gemini's to
// see to. One that goes on goes to the project that had it.
//
// What a session may use is as for any request: a message that mentions files of others', or
// of another project, ends it, and so does a second setup.
//
// # Bounds
//
// A caller's message is read whole before it goes on, since it may mention what isn't the
// caller's; what it takes beyond the session's own buffer is charged to the budget of bodies.
// Gemini's messages pass in pieces of that buffer. Each side is read only when the other has
// taken what was read before, so a slow reader slows down who writes and costs no memory.
// Compression isn't negotiated: a frame that says it is compressed ends the session. What
// makes no progress, be it silence, pings or empty fragments, ends it after the idle time, and
// everything after the time of one upstream request (FLUXGATE_TIMEOUT), which is below the
// platform's own bound, that says nothing. Before that the caller is told so as Gemini tells it
// (goAway), in time to resume.
//
// # How it ends
//
// By whichever side ends first, the other hears the same code and reason. What ends here says
// so: 1001 for an end that is nobody's fault (its time, silence, an instance that stops), 1008
// for what isn't allowed, 1009 for a message that is too large, 1011 for what failed and for a
// wait, 1013 where there is no room for a message.
//
// Files, from the top down; a file calls only those below it:
//
//   - relay.go: Relay, Serve, and stopping
//   - session.go: a session of one caller: its setup, and its call
//   - upstream.go: the connection to Gemini, and the answer to the setup
//   - pass.go: messages passed on, each way
//   - handles.go: whose sessions are that may be resumed
//   - tokens.go: ephemeral tokens: for whom they are, and their making
//   - place.go: the place of a session, extended, and what it uses, counted
//   - notice.go: what a caller is told before its session has lasted its time
//   - state.go: what is known of a session, and its end
//   - side.go: the connections of a session, and how they are closed
//   - method.go: what a path asks for
//   - refusal.go: what a close of Gemini's means
//   - closing.go: what a caller is told at the end
//   - setup.go: the first message, and what may not be in others
package live
