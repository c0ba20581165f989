// Package storetest is the conformance suite of package storage: what every
// Store must do, whatever database is behind it.
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, storetest.Kind{Shared: true}, func(t *testing.T, body func(*testing.T, storetest.Harness)) {
//			body(t, newHarness(t))
//		})
//	}
//
// Every case gets a database of its own. A maker over a simulated database runs
// the body in a testing/synctest bubble, so that the cases that wait cost
// nothing; over a real one those cases are left out.
//
// Files, from the top down; a file calls only those below it:
//
//   - storetest.go: Run, and what a database is to the suite
//   - bench.go: Bench, the suite of benchmarks
//   - basic.go: one instance, one after another
//   - several.go: requests that weigh on several calendars
//   - control.go: the control document, and what it makes every instance read
//   - records.go: records
//   - races.go: commits that lose races
//   - concurrent.go: many callers at once, checked against the oracle
//   - faults.go: commits that report errors
//   - emptied.go: a database that is emptied or set back under running instances
//   - cancel.go: callers that leave
//   - oracle.go: whether grants were within limits
//   - helpers.go: what cases have in common
package storetest
