// Package payload reads the bodies of requests and answers: which files and
// cached contents they refer to, which model they name, how large they are, what
// an answer says was used, and whether it is an answer at all.
//
// Everything here is pure: bytes in, values out. It knows no HTTP, no key, no
// quota and none of Fluxgate's other packages, so whatever needs to understand a
// body can use it. It never changes what passes through but where that is the
// purpose (RenameModel, Prepend, SetNextPage), and then every other
// byte stays as it is.
//
// A body that a caller got wrong gives a *FieldError, whose text never repeats
// what the body holds: that may be a prompt.
//
// Files, from the top down; a file calls only those below it:
//
//   - interaction.go: requests to the Interactions API, and IDs and usage in its answers
//   - generate.go: the fields of POST /generate's body
//   - body.go: a body that passes through, read as liberally as Google reads it
//   - chat.go: the bodies of the OpenAI-compatible routes
//   - model.go: names of models, and where a body names one
//   - estimate.go: an estimate of input tokens, where upstream doesn't count them
//   - references.go: what any body refers to
//   - resource.go: names of files and cached contents, in references and in answers
//   - features.go: which features with quotas of their own any body asks for
//   - media.go: base64 of images and files
//   - usage.go: what an answer says was used, read from its end
//   - opening.go: whether an answer with status 200 begins or ends with an error
//   - list.go: pages of lists
//   - coding.go: bodies that are packed
//   - fields.go: strict reading of a JSON object's members, and what is wrong with it
//   - lenient.go: what Google takes for JSON, in JSON of the standard
//   - lexer.go: the lexer of valid JSON
package payload
