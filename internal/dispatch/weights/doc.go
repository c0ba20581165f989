// Package weights says what a request weighs that can't be counted exactly before it is answered.
// One to Gemini may be so small that it needn't be. One to another provider weighs on its model's
// calendar and on others beside it: while it isn't answered, and what it turned out to be.
//
// Its input is estimated. Of its output nobody knows before it is there; so what is reserved for
// it is what such requests have used lately: a quantile of the last ones of the same caller and
// model, or of the model's where the caller has had none, and never more than the request allows
// for. What of both counts against which limit is the provider's affair
// ([fluxgate.dev/fluxgate/internal/upstream.Provider]): its output may have a limit of its own,
// which is a calendar beside the model's ([scheduler.OfOutputs]) as soon as one is known.
//
// Files, from the top down; a file calls only those below it:
//
//   - shared.go: models that share their limits, and builds beside this one that don't know it
//   - weights.go: what a request weighs where
//   - small.go: requests whose size doesn't matter, which need not be counted
//   - outputs.go: what models have put out, and for how long
package weights
