// Package geminisim is a simulated Gemini API for tests, demonstrations and
// benchmarks: an [http.Handler], and a [http.RoundTripper] that reaches it
// without a socket, which enforce requests per minute (RPM), input tokens per
// minute (TPM) and requests per Pacific day (RPD) and refuse with the error
// bodies of the real service.
//
//	sim := geminisim.New(geminisim.Config{
//		Keys: []geminisim.Key{{Value: "k1", Project: "alpha"}, {Value: "k2"}},
//	})
//	client := &http.Client{Transport: sim.Transport()}
//	// … send requests to http://gemini.test/v1beta/models/…, then:
//	sim.Stats()                            // accepted and refused requests
//	sim.Peak("alpha", "gemini-2.5-flash")  // busiest trailing minute
//	sim.RequestLog()                       // what each request carried
//
// # What is modelled
//
// Quota. It is held per project and per resolved model. Keys that declare the
// same project share it, a key without one is a project of its own, and an
// alias such as gemini-flash-latest draws on the model it resolves to. TPM
// counts input tokens only. A request is charged at its arrival, the moment
// its body was read to the end, before any latency. The minute is one of
// three windows (see [Window]); a day ends at midnight in America/Los_Angeles,
// so it has 23 or 25 hours when the clocks change. A request that breaks
// several limits is told of all of them.
//
// Refusals. A 429 carries Help, QuotaFailure and RetryInfo. Its message gives
// the exact wait, its retryDelay the same wait floored to whole seconds, so a
// caller that trusts retryDelay may come back up to a second early, as with the
// real service. A daily refusal claims [Config.DailyRetryDelay], which is as
// misleading as the real one. There is no Retry-After header.
//
// A request larger than TPM is admitted when the window is empty, and then
// keeps it full for tokens/TPM minutes from its arrival; with TokenBucket it
// leaves a debt that is paid off, and the bucket full again, at that moment. With
// [Config.RejectOversize] it is refused with an ordinary 429 instead. A batch of
// more texts than RPM always is.
//
// Keys. Unknown, invalid, expired, leaked, suspended and blocked keys and
// keys whose project has the API switched off get their own error bodies. The
// body for a suspended key repeats the whole key, as the real one does. More
// than one credential in a request is refused.
//
// Surface, under /v1beta/, /v1/ and /v1alpha/, which are one here (documented of
// v1alpha: it has parts that the others lack): models (list and get), generateContent,
// streamGenerateContent (server-sent events with alt=sse, else a JSON array),
// countTokens in both forms, embedContent, batchEmbedContents (charged per
// text), and openai/chat/completions, openai/embeddings, openai/models, whose
// errors are wrapped in an array; and the files and cachedContents described
// below. Fields are accepted in camelCase and snake_case. Only generating and
// embedding costs quota.
//
// Bodies. What is taken for JSON is what json_stream_parser.cc of protobuf 3 takes,
// which is published, and of which Google's REST samples use some (captured): commas
// before ] and }, line breaks in strings, single quotes, names without quotes; no
// comments. A single value stands for a list of one (captured of the same samples). Surrogates in escapes are not put together. A body whose Content-Type is
// that of forms, curl's own, is refused as one with an unknown parameter, in the words
// that were captured of other Google APIs; that the OpenAI-compatible routes do the
// same is a guess, and so is it that any other type, or none, is taken for JSON.
// Binary messages, which the real service reads, are refused. More than one
// credential is refused (captured).
//
// Files. POST /upload/v1beta/files takes a file in one request, with
// X-Goog-Upload-Protocol multipart or raw, or opens a resumable upload: the
// answer's X-Goog-Upload-URL and X-Goog-Upload-Control-URL are where its chunks
// go, by the commands upload, finalize, query and cancel. That URL is on the host
// that was asked, and keeps the query of the request that opened it, a key
// included. It is a credential of its own; a key beside it has to be of the same
// project. The upload backend's own errors are plain text. A chunk that isn't
// the last has to end at a multiple of [Config.UploadGranularity]; of one whose
// connection breaks, the bytes that arrived are kept. GET files lists the
// newest first. A file lives for 48 hours on [Config.Now]. Its size, its hash and its first
// mebibyte are kept.
//
// Interactions are made by POST interactions, of a model or, in the background alone, of an
// agent, plain or as events; read (events too, behind last_event_id), cancelled while they are in
// progress, and deleted. One that goes on from another of its project counts what was said there as
// input. The fields, events and usage are those that the SDK's source knows; that errors have
// their status in small letters for a code and no details, that agents draw on the quota of
// the first model, and that one in the background is done after two seconds are guesses.
//
// What goes on after the answer: batches, videos (predictLongRunning) and file search stores
// are modelled in package longrunning, whose comment says where each behaviour is from. A
// video costs a request of its model, and so does an image, by predict or by OpenAI's
// images/generations (documented that both are there). A batch costs nothing here: its quota is
// its own (documented). What was generated can be downloaded, in ranges, below /download/ too
// (the SDKs' sources), and what was uploaded can't (documented).
//
// Cached contents can be created, listed, read, deleted, and given a new ttl or
// expireTime. They hold at least 1024 tokens and serve requests for the model they
// were made for (or an alias of it), which then may not bring a system
// instruction, tools or a toolConfig; on the OpenAI-compatible route the field is
// extra_body.google.cached_content. Their tokens count as input tokens of each
// request, TPM included.
//
// Both belong to a project. Another project's key gets the 403 that it would get
// if they didn't exist, whether it asks for one by name or mentions it in a
// request: a cachedContent, or a fileData whose fileUri is files/ID or ends in
// /v1beta/files/ID on any host. Other URIs aren't looked at.
//
// Sessions of the Live API and ephemeral tokens are package live's; [Server.Live] has them.
//
// Answers. A text prompt is answered by [Translate] of the text of its last
// user turn, a reversible transform, so a test can tell that answer i belongs
// to prompt i. maxOutputTokens cuts it, with finishReason MAX_TOKENS. A prompt
// that says "call NAME" while a function NAME is declared is answered with a
// function call. A JSON request is answered with a value of its schema, whose
// texts are the translation, or else with {"text": translation}.
//
// Usage. An answer to a prompt that says "think 120 tokens" or "tools read 50 tokens" costs
// that much beside its text, as thoughtsTokenCount and toolUsePromptTokenCount (documented; the
// Interactions API's names are those of the SDK's source). Of a prompt that says "cache holds 9
// tokens" so many cost less, as of one that is cached implicitly (documented), on every route.
// [Server.Bills] adds up what answers cost, and apart from them what those of batches do.
//
// Limits. A JSON request whose prompt or schema names requests_per_day,
// tokens_per_minute and requests_per_minute is a question for limits, and answered
// with those of the caller's own project: of the models that the schema has as the
// enum of models[].model, in that form, or of three families, in gemini-flux's.
// [Server.SetLimitsAnswer] has it answered otherwise: in a fence, with half an
// answer, absurd numbers or a refusal, or not at all.
//
// Changes. Limits change at once ([Server.SetLimits], [Server.SetNoQuota]) or at an
// instant of the server's clock ([Server.SetLimitsAt]). Models come and go:
// [Server.AddModel], [Server.RemoveModel], and [Server.RetireModel] for one that is
// still listed but no longer to be had, which the real service does per project; in every
// wording that was captured ([Server.ShutDown]). [Server.SetModelStatus] has answers say
// when their model is shut down (documented; how early the real ones do isn't known).
// [Server.Redirect] has another answer for one, as is documented of December 2026; that the
// name comes back in modelVersion is captured, whose quota it uses isn't established.
//
// Long streams. The prompt "stream 3200 chunks of 65536 bytes every 5ms" makes a
// streaming call, native or OpenAI-compatible, send that many events, each with
// that many bytes of text (at most 16 MiB), that long after one another; without
// "every", as fast as they are read. They are made one at a time, whatever their
// number, and maxOutputTokens doesn't cut them. Every text begins with
// "chunk 0000000001 at 1767225600000000000 ", its number and the instant when it
// was made in nanoseconds since 1970 on the machine's clock, and so lets a client
// on the same machine tell how long it was under way.
//
// Standing. [Server.SetStanding] has a project refuse what it may not do, such as
// grounding without billing, spending too fast or without credit, or serving a country
// without a free tier. [Server.SetBilling] has several projects be billed to one account,
// whose spending in ten minutes is limited (documented); the refusal is as captured, its
// RetryInfo too, which says nothing of when the ten minutes are over (captured as 31 to 45
// s; what it stands for is not established).
//
// Faults. [Server.FailNext] injects the failures of [Failure], among them streams
// that end in an error, stall, or are reset half-way.
//
// Observation. [Server.Log] has the requests that cost quota, [Server.RequestLog]
// every request, with each credential it carried by form and fingerprint, and the
// names of its header fields and query parameters. Clients that hung up before
// they had their answer are counted in [Stats].Cancelled and marked there; over a
// socket it takes a moment until that is noticed.
//
// # Tokens
//
// [CountTokens] is deterministic and never above one token per byte of UTF-8:
//
//   - a word (a run of letters and digits) costs a quarter token per ASCII
//     rune and half a token per other rune, rounded up;
//   - a Han, Hiragana, Katakana or Hangul rune costs one token;
//   - a run of white space costs a quarter token per rune, rounded down;
//   - every other rune, and every byte that is not UTF-8, costs one token.
//
// Every part of a request costs at least one token. An inline image costs 258;
// inline text is counted as text; audio costs 32 tokens per started 16,000
// bytes, video 263 per started 128 KiB, and any other document 258 per started
// 32 KiB, its stand-in for a page. A file of this server is counted as a document,
// of whatever type it is; any other file reference costs 258. Function calls,
// function responses and tools cost the tokens of their compacted JSON. The
// system instruction counts.
//
// # What is not modelled
//
//   - Whether the real service charges requests that it refused or that failed
//     is not established. Here a 429, 400, 401, 403 or 404 is not charged; an
//     injected 500, 503, hang or connection reset is.
//   - The kind of window the real service uses, and its edge under clock skew
//     between its servers. Several servers, regions and eventual consistency.
//   - Paid tiers (every quotaId ends in -FreeTier), token quotas per day other
//     than as one of the violations of a model without any quota, monthly
//     spending caps, and the dynamic "shared" quotas.
//   - The quotaId for embedding tokens, which is not established.
//   - Whether the real service charges a request that mentions a resource it may
//     not use, accepts an upload's chunk with another project's key, lets a page
//     token be used by another project, or takes two files' chosen names for the
//     same across projects. Here: no, no, no, and yes (409).
//   - Files in the state PROCESSING, their registration, limits on
//     their number and total size, the end of abandoned uploads, and
//     quota for the storage of cached contents.
//   - Tuned models, speech generation, images through generateContent,
//     OpenAI's batches and videos, thinking, safety filters, several candidates, stop sequences and
//     temperature. Unknown fields are ignored, where the real service refuses some
//     of them.
//   - The real tokeniser, the real latency, and the real answer.
//
// Files, from the top down; a file calls only those below it:
//
//   - server.go: Server and its Config
//   - transport.go: Transport, which reaches the server without a socket
//   - handler.go: ServeHTTP, a request from its arrival to the route that answers it
//   - sessions.go: what package live knows of the rest, and ephemeral tokens
//   - openai.go: the OpenAI-compatible routes
//   - longrunning.go: what package longrunning serves, images, and downloads
//   - embed.go: embeddings
//   - generate.go: generating, streaming and counting; the models list
//   - upload.go: uploads of files, in one request or resumable
//   - interactions.go: interactions: conversations that are kept
//   - caches.go: cached contents
//   - files.go: uploaded files, and references to them
//   - answer.go: what is answered: Translate, function calls, JSON
//   - stream.go: answers in pieces, and long streams as a prompt orders them
//   - limitsanswer.go: answers to questions for limits
//   - admit.go: a request charged to the quota, refused, or failed as injected
//   - respond.go: answers and errors written, connections reset
//   - requests.go: RequestLog, every request with the credentials that it carried
//   - keys.go: Key and its states, and the key of a request
//   - routes.go: which operation a method and path mean
//   - bill.go: Bills, what answers cost in tokens
//   - log.go: Log, Stats and Peak, the requests that cost quota
//   - spend.go: SetBilling, what a billing account may spend
//   - shutdown.go: models that are gone, or are about to be
//   - standing.go: SetStanding, what a project may do at all
//   - failure.go: FailNext, injected failures
//   - models.go: the models with their default limits; added, removed and retired ones
//   - limits.go: limits of a project and model, and their changes
//   - quota.go: what a request breaks of a model's limits, and its charge
//   - resources.go: resources of a project that expire, and lists of them in pages
//   - wire.go: requests and answers in JSON
//   - json.go: what Google takes for JSON, and under which type
//   - tokens.go: CountTokens, and the tokens of a request
//   - window.go: the three kinds of minute
//   - errors.go: the real service's errors
package geminisim
