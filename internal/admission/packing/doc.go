// Package packing says on which of several projects a request leaves least unused, where
// callers wait for all that there is. It keeps no clock and nothing between two decisions.
//
// A minute takes as many requests as it may and as many tokens, and where either is used up the
// rest of the other is lost. So among projects that have room now a small request goes where
// few tokens are left for each request, and a large one where many are ([Pack]). A large one
// that has to wait for room keeps idle what becomes free until then; so it waits a little longer
// for a project where that is less ([LeastIdle]).
package packing
