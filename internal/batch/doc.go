// Package batch sends many prompts through Fluxgate and keeps what comes back.
//
// It is the engine of the batch subcommand, and the reference for how a client should treat a refusal: it never guesses a
// rate. It sends, and when it is told to come back later it comes back then.
//
// # A job
//
// [Run] reads its inputs into a list of requests (the plan). A line of JSONL is one request. A text file is cut into
// chunks between paragraphs, lines or sentences, a subtitle file between cues, and every chunk is one request with the
// instructions before it. The plan depends on the inputs and settings alone, so the same command makes the same plan
// again; the hash of all its request bodies, but for max_wait, is the identity of the job.
//
// Workers take the requests in order. A request stays with its worker until it is settled, and a waiting request keeps its
// worker: Options.Concurrency counts requests that have been started and not yet answered, those that wait included. That
// is what keeps the order fair. A worker that put a refused request aside and sent a later one instead would let small
// requests overtake large ones again and again, and would hold more bookings than the server keeps.
//
// # A refusal
//
// Every request asks for a booking at its first refusal (X-Fluxgate-Book: true). A 429 tells the wait, in this order of
// preference, in X-Fluxgate-Retry-Ms, in Retry-After-Ms (of servers that have only that), in Retry-After (seconds or an HTTP date), or in the google.rpc.RetryInfo of its body; if
// it tells none the wait grows from one second to one minute. The wait is counted from the instant the refusal arrived.
// Then the same bytes are sent again with the refusal's X-Fluxgate-Ticket. There is no limit to the number of refusals
// that it waits for: when a day's quota is spent the job sleeps until there is a new one. A 503 that names a wait is
// treated alike, and so is Anthropic's 529.
//
// Other 5xx answers, timeouts and broken connections are tried five times in a row, one to eight seconds apart, or when they
// say. 401 and 403
// stop the job, for they would meet every request; so does a server that can't be connected to. Every other 4xx fails the
// one request, and the job goes on.
//
// # An answer
//
// An answer must be whole. One that is empty is asked for again with the same bytes, and so is one that was to be subtitles
// and has other cues. If that is no better, or the answer is cut (finish_reason), a chunk is sent in two halves, these are
// treated alike, four times over at most, and the answers are joined. A line of JSONL can't be divided. What stays cut is
// kept and counted; what stays empty, or without its cues, has failed.
//
// # Subtitles
//
// With an output that has the extension of a subtitle format the model is shown number, times and text of every cue, and the
// texts that it answers with replace those of the file ([Options].Output). Nothing else in the file changes: heads, styles
// and comments are copied from the input (package subtitles). The file is written when the run ends, also when it was interrupted; cues
// without an answer keep their text.
//
// # Results and resuming
//
// A settled request becomes one line ([Result]) of the journal, OUTPUT.journal, which is synced to disk before the request
// counts as finished; the output is copied from the journal in input order, so it is at every instant a prefix of the
// final result. When all requests have succeeded the journal is removed. After an interrupt, a crash or a failure it
// stays, and the same command goes on from it: finished requests are never sent again, failed ones are. A journal of
// another job is refused. Torn lines are expected and dropped.
//
// One gap remains and can't be closed from this side: an answer that arrived but was not yet on disk when the process died
// is unknown afterwards, and its request is sent a second time.
//
// # Memory
//
// Inputs may amount to 1 GiB and are held in memory once, as is a small record for each of at most a million
// requests. Answers aren't held: they go to the journal and are copied from there.
//
// Files, from the top down; a file calls only those below it:
//
//   - run.go: Run takes a job from its inputs to its summary; its workers
//   - options.go: Options with their defaults, and Summary
//   - whole.go: one request until its answer is whole: asked for again, or in halves
//   - deliver.go: delivery, one request until there is an answer: what a refusal or a failure leads to
//   - client.go: sender, one exchange with Fluxgate and what its answer means
//   - output.go: results, the output in input order
//   - journal.go: journal, the settled requests on disk, from which a run goes on
//   - progress.go: reporter, the bar or the lines that show how far a run is
//   - stats.go: stats, the figures of a run
//   - input.go: plan, the requests that the inputs amount to
//   - chunk.go: texts and subtitles cut into chunks
//   - lock_unix.go: a journal's lock
//   - lock_other.go: no locks where files can't be locked
package batch
