// Package credentials is who may call the simulated Gemini: the keys that exist, in which state
// each is, the credentials that a request carries, and the refusals of those that don't do.
//
// # What is modelled
//
// A key belongs to a project, and a key for which none is named is a project of its own.
// Unknown, invalid, expired, leaked, suspended and blocked keys and keys whose project has the
// API switched off get their own error bodies (captured). The body for a suspended key repeats
// the whole key, as the real one does. More than one credential in a request is refused
// (captured). Native routes take a key in x-goog-api-key or ?key=, OpenAI's in
// Authorization: Bearer too. OAuth tokens are refused.
//
// No value of a key is kept, so what is printed holds none.
//
// Files, from the top down; a file calls only those below it:
//
//   - ring.go: Ring, the keys that exist, and whose a request is
//   - presented.go: the credentials that a request carries, and where
//   - key.go: Key, its states and fingerprint
//   - refusals.go: the errors of credentials
package credentials
