// Package shadow keeps what a Fluxgate would have done that only watches (FLUXGATE_SHADOW=true): every request goes as it
// comes, over whatever limit, and the log, the metrics and /status say which would have waited, for what and for how long.
// It is for trying Fluxgate in front of a running system, and the one exception to never going over a known limit.
//
// Admission decides as always, on calendars that hold what was really sent. So a wait is what the request would have been
// told at that moment; had the others waited as well, later ones would be told other times. Nothing is booked and nobody is
// put on a waitlist. What Gemini refuses teaches as always, and passes to the caller as it is.
//
// [Announce] has every answer say that Fluxgate only watches. [Counter] counts.
//
// Files, from the top down; a file calls only those below it:
//
//   - counter.go: the count of what would have been
//   - announce.go: the headers of answers
package shadow
