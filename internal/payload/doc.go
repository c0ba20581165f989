// Package payload reads the bodies of requests and answers: which files and
// cached contents they refer to, which model they name, how large they are, what
// an answer says was used, and whether it is an answer at all.
//
// Everything here is pure: bytes in, values out. It knows no HTTP, no key, no
// quota and none of Fluxgate's other packages, so whatever needs to understand a
// body can use it. It never changes what passes through but where that is the
// purpose (RenameModel, Prepend, and the pages of a list), and then every other
// byte stays as it is.
//
// A body that a caller got wrong gives a *FieldError, whose text never repeats
// what the body holds: that may be a prompt.
//
// Files, from the top down; a file calls only those below it:
//
//   - generate.go: the body of POST /generate
//   - chat.go: the bodies of the OpenAI-compatible routes
//   - model.go: names of models, and where a body names one
//   - estimate.go: how many tokens a body may have, where nobody counts them
//   - references.go: what any body refers to
//   - media.go: base64 of images and files
//   - usage.go: what an answer says was used, read from its end
//   - opening.go: whether an answer is one, and the error that it may end with
//   - list.go: pages of lists
//   - fields.go: strict reading of a JSON object's members, and what is wrong with it
//   - tokens.go: the tokens of a valid JSON text
package payload
