// Package others is what requests need that may go to another provider than Gemini: which of
// them they go to, whose keys can serve them, what it keeps of them, and its lists.
//
// A request to a model goes where the model is (package providers). One without a model goes to
// the provider that [providers.Header] names, or else to that which keeps what the request names,
// or else to the only one that there is; else it is refused. What a provider keeps belongs to the
// project that made it and to the caller, as with Gemini, and by the same records (packages
// dispatch and resources): it is known by the provider's name and its path there, such as
// openai:files/file-1.
//
// Files, from the top down; a file calls only those below it:
//
//   - lists.go: lists of what is kept, in OpenAI's format and Anthropic's
//   - upload.go: uploads of files, which pass as they come
//   - models.go: lists of models
//   - place.go: which provider and whose keys a request goes to
//   - links.go: URLs in answers that lead to a provider
//   - others.go: Others and its options
package others
