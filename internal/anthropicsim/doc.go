// Package anthropicsim is a simulated Anthropic API for tests, demonstrations and benchmarks: an
// [net/http.Handler], and a [net/http.RoundTripper] that reaches it without a socket, which
// enforce limits and refuse with the errors and headers of the real service. It shares no code
// with the scheduler.
//
//	sim := anthropicsim.New(anthropicsim.Config{
//		Keys:   []anthropicsim.Key{{Value: "sk-ant-1", Project: "org-a"}},
//		Limits: map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.InputTokens, 30_000)}},
//	})
//	client := &http.Client{Transport: sim.Transport()}
//	// … send requests to http://anthropic.test/v1/messages, then:
//	sim.Ledger().Used("org-a", "claude-opus-5")
//	sim.Requests() // what each request carried, and its answer's status
//
// # What is modelled
//
// Quota. It is held per project, which is a key's organisation, and model or models that share their limits, in token buckets
// unless the limits say otherwise (documented, package simquota says how): all of Opus 4 share their
// limits, and all of Sonnet 4, and names with a date are the models without ([Shared]). Requests in
// fast mode have limits of their own instead (documented; that each model's are its own is guessed),
// told in anthropic-fast-* headers. Input tokens count at
// once, but for those that are read from a cache; output tokens count as they are produced, and
// max_tokens doesn't matter (all documented). Who has no output token left is refused; an answer
// that takes more than are left is not cut and leaves a debt (guessed). That a request that is
// refused isn't charged, and that it is known at arrival what is cached, are guesses. The
// counting of tokens has a limit of its own requests alone (documented).
//
// Caches. A request whose last breakpoint, a block with cache_control, has 1,024 tokens or more
// before it writes a cache or reads it, which then lives for five minutes (documented). It belongs
// to the project and model.
//
// Headers (documented). Limits are told on every answer of a model, refusals included: remaining
// tokens to the nearest thousand, and the instant at which all is there again. Those of a
// Priority Tier are told where there is one, unless the request asks for standard_only. A refusal
// for a limit has retry-after in whole seconds, one for the spend cap has none.
//
// Errors. The format, the types, that of the spend cap and 529 are documented; the words of a
// refusal for a limit, of a spent credit and of an unknown model are captured.
//
// Surface: v1/messages, whole or as documented events; v1/messages/count_tokens; v1/models;
// v1/messages/batches, which are done after ten seconds and cost no quota; v1/files; and
// v1/chat/completions in OpenAI's format, whose headers are OpenAI's too (documented) and whose
// errors are a guess. Batches and files belong to their project: another's key finds nothing, and
// can't mention a file. What was uploaded can't be downloaded (documented).
//
// Answers. The last user's text comes back behind "Answer to: ". A prompt can order how much is
// written: see prompt.answer. Four bytes of text are a token.
//
// Faults. [Server.FailNext] has requests fail with 529, 500 or for a sharp increase of usage, or
// break off; a stream can end in an error event.
//
// # What is not modelled
//
// Thinking, server tools, structured output, beta headers, caches of an hour and limits on
// caches' breakpoints, models that count what is read from caches,
// workspaces, and the real tokeniser.
//
// Files, from the top down; a file calls only those below it:
//
//   - server.go: Server and its Config
//   - handler.go: a request from its arrival to the operation that answers it
//   - batches.go: batches of messages
//   - files.go: files
//   - chat.go: OpenAI's chat completions
//   - messages.go: messages, whole and as events, and the counting of tokens
//   - models.go: models
//   - admit.go: a request charged to the quota
//   - shared.go: which models share their limits, and requests in fast mode, which have limits of their own
//   - failure.go: failures that FailNext injects
//   - respond.go: bodies read, answers, events and errors written
//   - answer.go: what is answered, what it costs, and what is cached
//   - limits.go: headers and refusals
//   - errors.go: Anthropic's errors
//   - state.go: names that are given out, and whose files
package anthropicsim
