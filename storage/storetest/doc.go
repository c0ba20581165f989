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
//   - storetest.go: Run; Harness, Kind and Maker, by which a store takes part; Trouble
//   - basic.go: one store: admission, views, grouped commits, what rides along
//   - control.go: the control document, bookings and marks among instances
//   - records.go: records and counted operations
//   - races.go: commits that lose races
//   - concurrent.go: many callers on several instances, and nothing overbooked
//   - faults.go: commits refused, and replies lost
//   - cancel.go: callers whose context ends
//   - bench.go: Bench, the same for benchmarks
//   - oracle.go: overbooked, a check that shares no code with the scheduler
//   - helpers.go: requests, admissions and views in short
package storetest
