// Package openai is the routes of the simulated Gemini in OpenAI's format, below openai/:
// chat/completions, embeddings and models. It turns a request into the API's own form, has it
// answered as any other, and the answer into OpenAI's.
//
// # What is modelled
//
// Messages, tools, the formats of answers, streams and their usage. Thoughts are in a chat's total
// alone (captured); what tools brought isn't known to be told there, so it isn't. The field for a
// cached content is extra_body.google.cached_content. Errors are wrapped in an array. Embeddings
// come as numbers or in base64, which is what OpenAI's own SDKs ask for.
//
// Images are generated elsewhere; batches and videos are not modelled.
//
// Files, from the top down; a file calls only those below it:
//
//   - service.go: Service, embeddings and models
//   - chat.go: chats, plain and as streams
package openai
