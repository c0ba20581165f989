// Package waitlist keeps in memory whom this instance told which time without keeping a slot
// for it, so that many waiting callers are told different times, and are recognised when
// they come back. It keeps no clock. A [List] is safe for concurrent use.
//
// It is bounded: by calendar, by request hash, and by time. Who hasn't come when the hold is
// over is waited for no longer, and recognised for half as long again as it was told to
// wait. Of what it holds a short hash goes to other instances, through
// the store.
//
// Files, from the top down; a file calls only those below it:
//
//   - line.go: those of them that are expected, as long as nothing else is known
//   - waitlist.go: whom this instance told which time
//   - others.go: what other instances learn: which callers wait here, and short hashes of their requests
//   - room.go: who is forgotten where there are too many
//   - late.go: who may come after the hold of that, for which somebody came, and who mostly does
//   - promise.go: what one request was told, and on which calendars that counts
package waitlist
