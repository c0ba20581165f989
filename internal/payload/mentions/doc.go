// Package mentions finds the files that a request in OpenAI's format or Anthropic's refers to by
// their IDs, wherever it does. It is as pure as package payload.
//
// Files, from the top down; a file calls only those below it:
//
//   - mentions.go: finding them
package mentions
