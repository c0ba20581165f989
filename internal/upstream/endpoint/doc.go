// Package endpoint is every provider but Gemini: an endpoint that speaks OpenAI's format, as
// OpenAI and dozens of others do, or Anthropic's; or both, at two places. Nothing is translated. A request passes as
// it came, with one key in the place where the endpoint wants it; what is known of the
// endpoint is values ([Config]), and there is no code for any one of them.
//
// # Errors
//
// What an error means is read by package refusals, in either format: a code, words that are known,
// a type or the status. Here that becomes a class. A 429 says how long to wait in its message or in
// Retry-After, which is believed for as long as it says: these providers have limits that last for
// hours. A limit of a minute that it names is learned.
//
// # What it says of its limits
//
// Headers are read by package ratelimits, on every answer: what they say is known before the
// first refusal, and what others have used of the same organisation's limits too.
//
// # Where it may be
//
// A base URL comes from the configuration alone. What it resolves to is looked at when it is
// dialled, and a link-local address is refused: behind one is a cloud's metadata service,
// which hands out credentials.
//
// Files, from the top down; a file calls only those below it:
//
//   - prompt.go: prompts of our own, in the endpoint's format
//   - client.go: the client, its credential and its calls
//   - classify.go: what an error means
//   - counting.go: what of a request counts against tokens per minute
package endpoint
