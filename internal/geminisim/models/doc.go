// Package models is which models the simulated Gemini has: the built-in ones, those that a
// configuration adds, their aliases, and how they come, change and go.
//
// # What is modelled
//
// An alias such as gemini-flash-latest draws on the quota of the model it resolves to. A model
// supports the methods that its kind has; those of Live models are captured. A name decides the
// kind of a model that isn't built in: an embedding model if it contains "embedding", a Live model
// if it contains "-live" or "native-audio", else a text model.
//
// A model can be shut down while it is still listed, which the real service does per project; in
// every wording that was captured (see [Wording]). Answers can say when their model is shut down
// (documented; how early the real ones do isn't known). Another can answer for one, as is
// documented of December 2026; that the name comes back in modelVersion is captured, whose quota
// it uses isn't established.
//
// Files, from the top down; a file calls only those below it:
//
//   - catalogue.go: Catalogue, the models at one time and their changes
//   - builtin.go: the models that exist anyway
//   - model.go: Model, its kinds and methods, and its entry in the list
//   - wording.go: how the service says that a model is gone
package models
