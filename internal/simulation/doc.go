// Package simulation holds nothing but tests: the whole system in virtual time.
// They print their figures, so that a change of the scheduling can be judged by them:
//
//	go test -v ./internal/simulation
//
// One part goes through the real http.Handler, from a JSON body to the answer
// of a simulated Gemini: whole Pacific days with eight keys (day_test.go), and weeks
// in which models come and go (models_test.go); crowds under each kind of limit of other providers
// (providers_test.go, in the world of foreign_test.go; where what is limited went, account_test.go, and what could be
// had of it, knowing_test.go), and beside somebody who uses the same organisation (strangers_test.go). The other part drives admission itself
// with nothing but sizes, for bodies of megabytes would measure the copying of memory:
// capacity under every kind of caller (capacity_test.go), requests of mixed sizes
// (mixed_test.go), callers of different manners that share a pool: whether what they are
// told is true (truth_test.go), what each gets (fairness_test.go), what is left unused and why
// (unused_test.go), and what they could have got had all been there (present_test.go); and weeks of limits
// that nobody tells, which fall and rise (weeks_test.go). What each gets can be seen on the
// Firestore emulator too, in real time (-emulator). What was sent is judged there by
// a log of arrivals that shares no code with the scheduler, at the strictest reading of the limits: a
// trailing window of 60 s over the instants at which requests arrive, each of
// them up to the configured skew after it was sent, or half of it on the emulator, where the commit may take the rest.
package simulation
