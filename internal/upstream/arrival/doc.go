// Package arrival measures how soon what is sent to a provider arrives there, without sending anything for it.
//
// A connection's kernel knows how much of what was written the other side has acknowledged ([Conn]), and dialling shows how
// long a way back and forth takes. Where both are short, a [Path] says how much later than it was sent a request may arrive
// ([Path.Late]), which is less than what has to be taken where nothing is known. Each further request is watched: one that
// isn't acknowledged in time, since a segment was lost or the way has become longer, is reported at once ([Watcher]), long
// before the request that follows it in a window of a second may be sent; and for a while nothing is known of the way any more. So what
// is measured needn't hold for the next request. One that waits for a connection is told of as well.
//
// It begins careful: nothing is known until so many requests have arrived in time, none late among them, and been seen under way
// before. Where the kernel doesn't tell (gVisor, in which Cloud Run's first execution environment runs; other systems than Linux), or
// another program passes requests on (a proxy, one on this machine), nothing ever is. What happens behind the other end of a connection is not seen: half of what is
// said is left for that, and a refusal tells ([fluxgate.dev/fluxgate/scheduler.ArrivedLate]).
//
// Files, from the top down; a file calls only those below it:
//
//   - sending.go: one request on its way
//   - path.go: the way to a provider
//   - conn.go: connections that say how much has arrived
//   - unacknowledged_linux.go: asking the kernel
//   - unacknowledged_other.go: where it isn't asked
package arrival
