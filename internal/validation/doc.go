// Package validation finds out which keys work, with a request to Gemini that is
// free and counts against no limit.
//
// A function has no CPU between requests, so nothing is checked in the
// background: serve checks at its start, and POST /validate whenever somebody
// asks, which a daily schedule does when deployed. One instance checks at a
// time, by a lease in the store; what it found is kept there for all of them. A
// key that Gemini calls invalid is marked in its project's document, and left out
// of planning from then on, until it works again.
package validation
