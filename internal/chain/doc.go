// Package chain says where a request goes that any model of the chain may serve, where the
// chain has models of several providers: a chat completion in OpenAI's format, which all of them
// serve themselves, or a prompt of POST /generate, which each is sent in its own. It sends
// nothing, and knows no HTTP.
//
// A provider is left out that has no keys, or that can't take the request: what its endpoint is
// documented not to serve ([providers.Unserved]), what Gemini alone has or keeps (files, cached
// contents, tools of its own), media of a prompt. Among the others scheduling decides, as among
// Gemini's models: the earliest start, then the first of the chain.
//
// Where the chain has only models of Gemini, or a request names one model, this package
// changes nothing.
//
// Files, from the top down; a file calls only those below it:
//
//   - chat.go: chat completions
//   - prompt.go: prompts of POST /generate, and what is planned
//   - chain.go: the chain in force, and whom of it a request can go to
package chain
