// Package gcpfirestore keeps what package storage keeps in Cloud Firestore: [New] and
// [Open] return a [storage.Grouped] over a collection of documents there. It alone knows
// Firestore and gRPC; what is decided, and when something is read or written, is in
// package storage.
//
// # Documents
//
// A project's document is named "project-" and its ID, the control document "control",
// and a record "record-" and its name. A project has two fields of bytes (package codec),
// the control document one field for each of [storage.Control], a record one of bytes.
// Each write names the fields that this build knows; others stay as they are.
//
// # Calls
//
// A write reads nothing, so it takes no lock, and is conditional on the update time of the
// version that it was computed from. Its reply, and that of each read, tells the database's
// time (package clock). Errors are passed on as they come, but for the two that package
// storage tells apart: storage.ErrRace, where somebody else wrote first, and
// storage.ErrDenied, where trying again can't help. A connection that has gone silent is
// replaced (package connection).
//
// The tests of this package run storetest, the suite that every Store passes, on the
// Firestore emulator.
//
// Files, from the top down; a file calls only those below it:
//
//   - open.go: New and Open
//   - documents.go: the documents of a Grouped store
//   - errors.go: calls, and what their errors are to package storage
package gcpfirestore
