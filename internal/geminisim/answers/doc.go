// Package answers is what the simulated Gemini says, in place of a model. None of it is the real
// service's; it is made so that a test knows what to expect.
//
// # What is modelled
//
// A text prompt is answered by [Translate] of the text of its last user turn, a reversible
// transform, so a test can tell that answer i belongs to prompt i. maxOutputTokens cuts it, with
// finishReason MAX_TOKENS. A prompt that says "call NAME" while a function NAME is declared is
// answered with a function call. A JSON request is answered with a value of its schema, whose
// texts are the translation, or else with {"text": translation}. A text's embedding is a unit
// vector that depends on the text alone.
//
// An answer to a prompt that says "think 120 tokens" or "tools read 50 tokens" costs that much
// beside its text. Of a prompt that says "cache holds 9 tokens" so many cost less, as of one that
// is cached implicitly (documented), on every route.
//
// Limits. A JSON request whose prompt or schema names requests_per_day, tokens_per_minute and
// requests_per_minute is a question for limits, and answered with those of the caller's own
// project: of the models that the schema has as the enum of models[].model, in that form, or of
// three families, in gemini-flux's. It can be answered otherwise (see [LimitsAnswer]): in a fence,
// with half an answer, absurd numbers or a refusal, or not at all.
//
// Long streams. The prompt "stream 3200 chunks of 65536 bytes every 5ms" is a [Plan] for that many
// events, each with that many bytes of text (at most 16 MiB), that long after one another; without
// "every", as fast as they are read. They are made one at a time, whatever their number, and
// maxOutputTokens doesn't cut them. Every text begins with
// "chunk 0000000001 at 1767225600000000000 ", its number and the instant when it was made in
// nanoseconds since 1970 on the machine's clock, and so lets a client on the same machine tell how
// long it was under way.
//
// Files, from the top down; a file calls only those below it:
//
//   - answer.go: Answerer and Answer: texts, function calls, JSON
//   - limitsanswer.go: answers to questions for limits
//   - thinking.go: what an answer costs beside its text
//   - plan.go: answers in pieces, and long streams as a prompt orders them
//   - embedding.go: embeddings
package answers
