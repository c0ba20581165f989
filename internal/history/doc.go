// Package history keeps what every project and model was used for on each of the
// last thirty days, as the calendars counted it. Who used it, and what it cost, is package usage's.
//
// Decisions depend on today and yesterday alone, so a project's document keeps no
// more than the last three days that saw requests. Finished days are copied into a
// record of the deployment, by the instance that serves the first request of a later
// day: a day is in its document until requests came on two later days.
package history
