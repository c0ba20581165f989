// Package mentions finds the files that a request in OpenAI's format or Anthropic's refers to by
// their IDs, wherever it does, and those that one of Gemini's names where a file is what it is about.
// It is as pure as package payload.
//
// Files, from the top down; a file calls only those below it:
//
//   - mentions.go: finding them
//   - infull.go: files that a member names in full
package mentions
