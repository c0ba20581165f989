// Package ownlimits says in what a caller's own limits are counted: a document like a project's,
// with one calendar. It keeps no clock.
//
// What the caller has booked lies with the projects. So that instances which book for it at
// the same time don't book more than its limits let it use, each announces that there before: what
// was announced first counts for whoever comes after it ([Before]). It lies in the document's
// waitlist, where builds that know nothing of it keep it, and is over with the booking's start.
//
// Files, from the top down; a file calls only those below it:
//
//   - quota.go: how the limits stand
//   - ownlimits.go: the document and its rules; what is announced
package ownlimits
