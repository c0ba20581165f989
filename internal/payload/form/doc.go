// Package form reads bodies that are forms, multipart/form-data: what of one matters for where
// it may go. OpenAI's clients send some of their requests so, and Google's samples for
// openai/videos do.
package form
