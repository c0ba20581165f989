// Package bodies holds the bodies of requests within the memory that there is.
//
// An instance has a [Budget] in bytes. A request takes from it what its body is going to
// take, before anything of it is read, and gives it back when it is over. What doesn't
// fit is refused at once ([ErrFull]): nothing waits here, and nobody who comes with a
// large body costs those their answer that came before. A body whose length isn't known,
// because it is packed or comes in chunks, takes more as it grows.
//
// Answers pass through as they come, but for those that are held whole: lists, and what
// /generate is answered. They take from the same budget as they grow ([ReadAnswer]).
//
// # How much memory there is
//
// [Limit] is what Go's runtime is told (GOMEMLIMIT), or else nine tenths of what the
// container has, which the runtime is told then. [Default] leaves of it what an instance
// takes by itself, and of the rest a third for what isn't held but hasn't been collected
// yet. So all of the bodies in flight, half as much again, and the instance itself are
// within the limit.
//
// # What is collected when
//
// A body is one allocation of the size that was announced, and garbage when its request
// is over. Left alone, the runtime collects when the heap has doubled; that would be
// twice the bodies in flight. So a Budget knows how much was given back since it had
// memory collected last, and does that before it makes room for a large body where it is
// too much. That costs little: the collector doesn't look into bodies.
//
// Files, from the top down; a file calls only those below it:
//
//   - passing.go: bodies that pass through
//   - read.go: reading a body within a budget
//   - answers.go: reading answers that are held whole
//   - budget.go: the budget, and when memory is collected
//   - limit.go: how much memory there is
package bodies
