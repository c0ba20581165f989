// Package openaisim is a simulated OpenAI API, and one of those that speak like it, for
// tests, demonstrations and benchmarks: an [net/http.Handler], and a [net/http.RoundTripper]
// that reaches it without a socket, which enforce limits and refuse with the errors and
// headers of the real services. It shares no code with the scheduler.
//
//	sim := openaisim.New(openaisim.Config{
//		Keys:   []openaisim.Key{{Value: "sk-1", Project: "org-a"}, {Value: "sk-2", Project: "org-a"}},
//		Limits: map[string][]simquota.Limit{"": {simquota.PerMinute(simquota.Requests, 60)}},
//	})
//	client := &http.Client{Transport: sim.Transport()}
//	// … send requests to http://openai.test/v1/chat/completions, then:
//	sim.Ledger().Peak("org-a", "gpt-5.5", simquota.Requests, time.Minute)
//	sim.Requests() // what each request carried, and its answer's status
//
// # What is modelled
//
// Quota. It is held per project, which is a key's organisation, and model; package simquota
// says how it is measured. Models may share their limits, and GPT-4.1's requests of long contexts have limits of their own
// ([Config]). Requests count at their arrival, the moment in which the body was
// read to the end. What of a request counts as tokens is a [Counting]; input and output
// tokens can be limited apart, where output counts when it has been produced. A request that
// is refused isn't charged (guessed; OpenAI's guide says that unsuccessful requests
// contribute to the limit, not which).
//
// Headers and errors are spoken in a [Dialect], OpenAI's or another provider's; the table
// named dialects says of each what is documented, captured or guessed. Limits are told on
// every answer of a model, refusals included.
//
// Keys. An unknown or revoked key gets 401 with the key masked, as captured. A key's project
// can be without credit (429, insufficient_quota) or without the models (403).
//
// Surface, below /v1/, /openai/v1/, /api/v1/ and, for Azure, /openai/deployments/NAME/:
// chat/completions, whole or as a stream, with include_usage, and kept with store; responses, whole or as events,
// read and deleted, and conversations that they may be part of; embeddings; completions and moderations; models; images,
// transcriptions, translations and speech, whose answers say
// nothing; files, uploads in parts, vector stores and containers, with the files in them; batches of chat completions, which are done
// after ten seconds and cost no quota. All of these belong to their
// project; another's key finds nothing, and can't go on from its responses with
// previous_response_id (the error is captured), refer to their items (the error is captured), or mention a file, a
// store or a container.
//
// Answers. The last user's text comes back behind "Answer to: ". A prompt can order how
// much is written and thought: see prompt.answer. Four bytes of text are a token.
//
// Faults. [Server.FailNext] has requests fail with 500, 503 or an overload's 429, or break off.
//
// # What is not modelled
//
// Streams of images and audio, fine-tuning, what vector stores find and containers run, items of conversations, background responses, logprobs,
// several choices, structured output, service tiers, and the
// real tokeniser.
//
// Files, from the top down; a file calls only those below it:
//
//   - server.go: Server and its Config
//   - handler.go: a request from its arrival to the operation that answers it
//   - batches.go: batches
//   - files.go: files
//   - responses.go: the Responses API
//   - conversations.go: conversations
//   - stores.go: vector stores and containers
//   - uploads.go: files that come in parts
//   - chat.go: chat completions
//   - chats.go: those that are kept
//   - models.go: models and embeddings
//   - older.go: completions and moderations
//   - media.go: images, transcriptions and speech
//   - admit.go: a request charged to the quota, and answered
//   - failure.go: failures that FailNext injects
//   - respond.go: bodies read, answers, events and errors written
//   - answer.go: what is answered, and what it costs
//   - dialect.go: headers and refusals of each provider
//   - errors.go: OpenAI's errors
//   - state.go: names that are given out, and whose files
package openaisim
