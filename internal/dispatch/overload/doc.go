// Package overload says when to come back to a model that upstream has no capacity for. Upstream
// names no limit then and mostly no delay, so the pause that callers are told grows as long as the
// overload goes on. The pause is advice: a request that comes before it is over is sent all the same.
package overload
