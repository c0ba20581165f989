// Package gemini is the Gemini API as a provider of package upstream: it sends one
// request with one key and says what the answer means. It knows nothing of quotas,
// projects or storage; whoever calls it has already decided that the request may go
// now, with this key.
//
// # Sending
//
// A [Client] serves every key. Prompts, counts and lists are REST like the bodies
// that pass through from callers, and take the same way: [Client.NewRequest] and
// [Client.Do]. The wire body of a prompt is made of the types of
// google.golang.org/genai where those are the wire's own (Content,
// GenerationConfig, Schema); base64 of images and files is copied as it stands.
// The SDK's client is not used: it insists on a key of its own, may send several
// billed requests for one call, panics on some answers and keeps neither status
// nor body of an error.
//
// # Understanding
//
// [Client.Classify] turns an HTTP status and body into an upstream.Error whose
// Class is one row of the table of Gemini's errors, for every route and for both
// shapes that Gemini uses (an object, and the array of the OpenAI-compatible
// endpoint).
//
// Files, from the top down; a file calls only those below it:
//
//   - generate.go: sending a prompt
//   - count.go: counting tokens
//   - models.go: the models list
//   - client.go: the client, its paths and its calls
//   - identity.go: the program's own identity, for projects without a key
//   - body.go: the wire body of a prompt
//   - reply.go: reading the answer to one
//   - classify.go: what an error means
//   - answer.go: Google's shape of errors
package gemini
