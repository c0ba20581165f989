// Package policy keeps what Gemini itself says about its models, in two halves: the limits that it reports when it is
// asked, and the model chain that its models list amounts to. Both are kept in one record of the store for all instances,
// and refreshed by one of them. (What a 429 teaches is kept elsewhere: it belongs to a single project, see package
// scheduler, and beats what is reported here.)
//
// # When
//
// Nothing runs in the background: a function has no CPU between its requests. Whoever calls [Keeper.Refresh] and finds
// that a half is due does it, under a lease in the record that ends by itself, so that an instance that died blocks
// nobody for longer than [LeaseTime] and any number of instances that start together ask once. [Keeper.Current] only
// reads, and that from memory for [CacheTime].
//
// Each half is due when it is [MaxAge] old, and [RetryAfter] after an attempt that failed. A failure is part of the
// record. What was good before stays: numbers until they are MaxAge old, a chain until there is another, since an old
// list is still nearer to the truth than the built-in one.
//
// Besides, somebody who finds a model of the chain gone has the list asked for again ([Keeper.Relist]), within RetryAfter of
// the last time at the earliest, and somebody whose answer says when its model is shut down leaves word ([Keeper.Retire]):
// a model that has less than MaxAge left isn't in the chain.
//
// # What is asked
//
// One generateContent request with a JSON schema, at temperature 0, for the three limits of every model of the chain on
// the free tier. It is an ordinary, billed request and counts against quota, so Options.Ask has it admitted first and
// chooses its model, of those that the list names. The models list costs nothing.
//
// # What is believed
//
// A language model answers, so its word counts little. Per number, with D the built-in default of the model's family:
//
//   - From D/100 (at least 1) to D it is taken. The floor is there because a wrong tiny number would throttle every
//     project for a week with no 429 to put it right; the lowest that Google has had is a fiftieth.
//   - Above D and up to twice D it is taken only for a model that isn't among the built-in ones and so has nothing but
//     its family's default, which it may be above. For a built-in model it becomes D: it may only lower.
//   - Above twice D, below D/100, zero, negative, fractional, or no number at all: refused, listed and logged. Zero is
//     refused although Google has it for some models, because upstream's own 429 tells that per project.
//
// 250000, 2.5e5, "250000" and "250,000" are the same number. null and an absent field say nothing. Models that weren't
// asked for are ignored; of two entries for one model the lower numbers hold. The answer is JSON, or JSON in a Markdown
// fence, and nothing else. An answer that isn't, a blocked or empty one, one that was cut off, one that doesn't come within
// [AskTime], and one of which no number can be taken is a failed attempt. What the model said besides is not kept: the
// record, errors and logs hold no prose of its.
//
// Files, from the top down; a file calls only those below it:
//
//   - retire.go: models of which an answer says that they are shut down
//   - keeper.go: Keeper, which has both halves asked for when they are due, and its options
//   - question.go: the request that asks for limits, and which models it asks about
//   - discover.go: the chain that a models list amounts to
//   - sessions.go: the models for sessions of the Live API that it names
//   - release.go: which listed models are text models, and what sets them apart
//   - record.go: Reported, what is kept, and when a half is due
//   - answer.go: which numbers of an answer are believed
package policy
