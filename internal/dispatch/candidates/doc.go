// Package candidates says which models may serve a request: the one that it names, those
// that may stand in for it, or the chain of a mode.
package candidates
