// Package providers says which provider a request goes to, by the name of its model: one that
// is named before it ("openai/gpt-5.1"), or the only one that has a model of that name. It is
// pure.
//
// Gemini is where everything goes that names nobody else, as long as it has keys.
//
// Files, from the top down; a file calls only those below it:
//
//   - providers.go: the list, and choosing from it
//   - unserved.go: what endpoints are documented not to serve
package providers
