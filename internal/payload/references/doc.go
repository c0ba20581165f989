// Package references finds what a request in OpenAI's format or Anthropic's refers to by IDs, wherever
// it does: files, items of earlier responses, vector stores, containers, and a response that it is compared with. In a request
// to Gemini it finds only the files of one member that the route names ([FilesAt]), such as the input file
// of a batch. It is as pure as package payload.
//
// Files, from the top down; a file calls only those below it:
//
//   - references.go: finding them
//   - items.go: items that stand for what they say
//   - reader.go: members that name something, wherever they stand
//   - kinds.go: the kinds that there are, and what names them
//   - infull.go: files that a member names in full
package references
