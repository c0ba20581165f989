// Package usage keeps what was used, by whom and for what: requests, refusals and failures,
// input, output, thought, cached and tool tokens, dollars at list price, and how long callers
// waited and answers took; by project, model and caller, for thirty days.
//
// No admission depends on it, so none of it is in a project's document. Each Pacific day has
// a record of its own, which all instances write: an instance adds what it counted to what is
// there, conditionally on nobody having written in between, and leaves its number and that of
// its addition, so that one whose reply was lost isn't made twice. The names of the
// records are a ring of [ring] days, so there are never more.
//
// # When it is written
//
// An instance writes once a minute at most, when its last caller has its answer and before
// its handler returns: a function has no CPU afterwards. What came after the last write waits
// for the next request, or for the SIGTERM that ends the instance. So at most a minute's
// requests are lost, and only of an instance that is killed without being told.
//
// # How fine it is, and how large
//
// A record counts by ten minutes for two hours, then by the hour for a day, then by the day:
// what one looks at by the last hour, 24 hours and 30 days begins at most that much
// earlier than it says, and says when. It has at most [MaxBytes]. Where a deployment has more to
// tell apart, the record is made coarser (its times, then its projects, then its callers,
// and at last its models are added up as [Others]), and every sum stays exact.
//
// Files, from the top down; a file calls only those below it:
//
//   - serve.go: GET /usage, as JSON and CSV
//   - report.go: Report, what was used in a window, by what one asks; the last refusals and failures
//   - meter.go: Meter, which counts, and writes once a minute
//   - document.go: a day's record: adding to it, making it coarser, its bytes
//   - trouble.go: Trouble, a refusal or a failure of one request
//   - counts.go: Counts, which are added up
//   - histogram.go: Histogram, of durations
package usage
