// Package jobs counts what requests use that go on when they have been answered: batches, and
// what runs in the background. What they used is told by their results, so it is counted when
// these pass, in usage and in the budget of the caller that made the job, whoever reads them:
// once, however often they are read and by however many instances.
//
// A batch costs half ([price.Table.Batch]), and its requests count as requests when their results
// do. What runs in the background was counted when it began, in its caller's budget as an answer
// of [budget.Reckoned] tokens; its end adds what is more.
//
// # Where it is kept
//
// Records of the store, sixteen by a hash of the project, hold the jobs of which something isn't
// counted yet: whose one is, its model, and how many of its results are counted. Results are claimed
// there before they are counted, some at a time, so that one is counted by one instance alone, and a
// reading that broke off is gone on with by the next. What lies in a file has an entry of its own
// once the job's answer names the file. An entry is gone when all is counted, and after [kept] in
// any case; a record holds [maxBytes], and beyond that what would be gone first goes uncounted.
//
// So what nobody reads isn't counted, nor is what was made by a build without this package, or
// with the key elsewhere.
//
// Files, from the top down; a file calls only those below it:
//
//   - reading.go: Reading, which counts results as they pass
//   - registry.go: Registry, which knows whose jobs are
//   - document.go: what a record holds
package jobs
