// Package overload says when to come back to a model that upstream has no capacity for. It
// names no limit then and mostly no delay, so the pause that callers are told grows as long as it
// goes on: by this nobody is kept away, and who comes all the same is sent.
package overload
