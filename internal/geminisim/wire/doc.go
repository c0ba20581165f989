// Package wire is the JSON of the simulated Gemini: the bodies of requests, of answers and of
// errors, in the API's own form, and what a request costs in tokens. It is pure: whose a
// request is, and what becomes of it, is known above.
//
// # What is modelled
//
// What is taken for JSON is what json_stream_parser.cc of protobuf 3 takes, which is published,
// and of which Google's REST samples use some (captured): commas before ] and }, line breaks in
// strings, single quotes, names without quotes; no comments. A single value stands for a list of
// one (captured of the same samples). Surrogates in escapes are not put together. A body whose
// Content-Type is that of forms, curl's own, is refused as one with an unknown parameter, in the
// words that were captured of other Google APIs; that the OpenAI-compatible routes do the same is
// a guess, and so is it that any other type, or none, is taken for JSON. Binary messages, which
// the real service reads, are refused.
//
// Fields are accepted in camelCase and snake_case. Unknown ones are ignored, where the real
// service refuses some of them.
//
// Errors are those of google.rpc with its details; in an array on the OpenAI-compatible routes
// and in streams without server-sent events.
//
// An answer's thoughtsTokenCount and toolUsePromptTokenCount are documented, and so is its
// modelStatus.
//
// # Tokens
//
// Every part of a request costs at least one token. A text costs what package tokeniser says. An
// inline image costs 258; inline text is counted as text; audio costs 32 tokens per started
// 16,000 bytes, video 263 per started 128 KiB, and any other document 258 per started 32 KiB, its
// stand-in for a page. A file of this server is counted as a document, of whatever type it is;
// any other file reference costs 258. Function calls, function responses and tools cost the
// tokens of their compacted JSON. The system instruction counts.
//
// Files, from the top down; a file calls only those below it:
//
//   - tokens.go: the tokens of a request
//   - requests.go: the bodies of requests, and what is checked of them
//   - responses.go: the bodies of answers
//   - json.go: what Google takes for JSON, and under which type
//   - errors.go: errors, and those that every part of the server has
package wire
