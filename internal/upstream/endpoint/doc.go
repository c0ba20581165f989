// Package endpoint is every provider but Gemini: an endpoint that speaks OpenAI's format, as
// OpenAI and dozens of others do, or Anthropic's. Nothing is translated. A request passes as
// it came, with one key in the place where the endpoint wants it; what is known of the
// endpoint is values ([Config]), and there is no code for any one of them.
//
// # Errors
//
// Both formats say what went wrong in error.type and error.code, whose values are documented
// (https://platform.openai.com/docs/guides/error-codes,
// https://docs.claude.com/en/api/errors). They decide, with the status; the text decides
// only where a provider is known to have no code for what it means. A 429 says how long to
// wait in Retry-After, which is believed for as long as it says: these providers have limits
// that last for hours.
//
// # Where it may be
//
// A base URL comes from the configuration alone. What it resolves to is looked at when it is
// dialled, and a link-local address is refused: behind one is a cloud's metadata service,
// which hands out credentials.
//
// Files, from the top down; a file calls only those below it:
//
//   - client.go: the client, its credential and its calls
//   - classify.go: what an error means
//   - dial.go: which addresses are not called
package endpoint
