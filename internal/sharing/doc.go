// Package sharing says on which limits a request to another provider than Gemini counts. Some
// models share theirs, and some requests for a model count on others than its own. It is a table,
// with its sources, and what an operator has named in FLUXGATE_PROVIDERS besides. Which models of
// Gemini's count together, answers and refusals say ([fluxgate.dev/fluxgate/internal/admission.Snapshot.Counted]).
//
// Requests that count together have one calendar, by the name that [Table.Counted] returns. The
// name that is sent, and told to the caller, stays the one that was asked for.
//
// Files, from the top down; a file calls only those below it:
//
//   - table.go: the providers, and the name by which a request is counted
//   - known.go: what providers document
//   - list.go: what an operator names
package sharing
