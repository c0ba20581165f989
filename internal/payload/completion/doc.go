// Package completion reads what matters here of a request in OpenAI's format or Anthropic's: a
// chat, a response, a message, an embedding, a completion or a moderation. It is as pure and as tolerant as package
// payload.
//
// Files, from the top down; a file calls only those below it:
//
//   - uses.go: what of a chat not every endpoint takes
//   - completion.go: the members of a request
package completion
