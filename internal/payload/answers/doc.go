// Package answers reads what a model answers: how it begins, whether it is an answer at all
// or an error, and what it says was used. It is as pure and as tolerant as package
// payload, which reads requests.
//
// Files, from the top down; a file calls only those below it:
//
//   - results.go: what the requests of a job used, as its results come
//   - interaction.go: what interactions used
//   - messages.go: what messages of Anthropic and responses of OpenAI used
//   - usage.go: what an answer says was used, read from its end
//   - finder.go: what members of an answer say, as it comes
//   - created.go: what an answer says was made
//   - list.go: pages of lists
//   - opening.go: whether an answer with status 200 begins or ends with an error
package answers
