// Package payload reads the bodies of requests: which files and cached contents they
// refer to, which model they name, how large they are. Package answers below this one
// reads answers.
//
// Everything here is pure: bytes in, values out. It knows no HTTP, no key, no
// quota and none of Fluxgate's other packages, so whatever needs to understand a
// body can use it. It never changes what passes through but where that is the
// purpose (Body.Rename), and then every other
// byte stays as it is.
//
// A body that a caller got wrong gives a *FieldError, whose text never repeats
// what the body holds: that may be a prompt.
//
// Files, from the top down; a file calls only those below it:
//
//   - generate.go: the fields of POST /generate's body
//   - body.go: a body that passes through, read as liberally as Google reads it
//   - chat.go: the bodies of the OpenAI-compatible routes
//   - model.go: names of models, and where a body names one
//   - estimate.go: an estimate of input tokens, where upstream doesn't count them
//   - references.go: the files and cached contents that any body for Gemini names; package references
//     finds those in bodies for other providers, package lines those in files of batches
//   - resource.go: names of files and cached contents, in references and in answers
//   - features.go: which features with quotas of their own any body asks for
//   - rope.go: texts in parts that stay in the body they are from
//   - media.go: base64 of images and files
//   - fields.go: strict reading of a JSON object's members, and what is wrong with it
//   - lenient.go: what Google takes for JSON, in JSON of the standard
//   - lexer.go: the lexer of valid JSON
package payload
