// Package form reads bodies that are forms, multipart/form-data: what of one matters for where
// it may go. OpenAI's clients send some of their requests so, and Google's samples for
// openai/videos do.
//
// Files, from the top down; a file calls only those below it:
//
//   - form.go: all of it
package form
