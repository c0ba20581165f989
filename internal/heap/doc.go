// Package heap has small heaps collected less often.
//
// Left alone, Go's runtime collects whenever the heap has doubled. In an instance without
// bodies in flight 5 to 7 MiB live, which a few hundred small requests double, and of
// each request's CPU a tenth went into looking through what lives. Nothing is won by that: an
// instance is given more memory in any case (package bodies). So the heap may grow to
// [Floor] first. Where half of that lives, or more, it doubles as ever, so bodies in flight
// and what isn't collected of them take what they took before.
//
// The memory limit (GOMEMLIMIT) goes first, as always: near it the runtime collects whatever
// it was told here. An operator's GOGC stays as it is.
//
// The runtime has no such setting, so GOGC is set anew after each collection, by what lives
// then. A ballast, the older way to the same, would count against the memory limit.
//
// Files, from the top down; a file calls only those below it:
//
//   - heap.go: KeepFloor, and what it sets
package heap
