// Package ownlimits counts in what a caller's own limits are used: a document like a project's,
// with one calendar. It keeps no clock.
//
// What the caller has booked lies with the projects. So that instances which book for it at
// the same time don't book more than its limits let it use, each announces that there before: what
// was announced first counts for whoever comes after it ([Before]). It lies in the document's
// waitlist, where builds that know nothing of it keep it. A request that goes at once leaves room for what is announced until
// the hold is over, or it is withdrawn ([Announced]): its holder withdraws it with the place that it takes.
//
// Requests that have to wait are told times one behind the other, which the instance remembers that told them ([Told]).
//
// Files, from the top down; a file calls only those below it:
//
//   - place.go: the place of one request in the document
//   - told.go: whom this instance told which time, and when a request may go beside those
//   - quota.go: how the limits stand
//   - ownlimits.go: the document and its rules; what is announced
package ownlimits
