// Package upstream says what Fluxgate wants of any provider: send a request with
// a key, list models, say what an error means, and read what an answer used and
// weighs. A provider is a value ([Provider]): package gemini below this one is the
// first, and a [Prompter], which counts prompts besides; package endpoint is all
// others, which differ in values alone. A new one of these needs no code: FLUXGATE_PROVIDERS names it
// (config/providers.go, where AllProviders has the built-in ones); what is known of its limits by its name is in
// ratelimits/dialect.go and endpoint/counting.go, and which of its models share limits in package sharing (sharing/known.go). Which one a request goes to is decided
// by its key ([Providers]), and that by the name of its model (package
// providers), before anything is planned: a call has the keys of one provider
// ([fluxgate.dev/fluxgate/internal/dispatch/pool]), so Gemini's way is what it was,
// whatever else is configured. Only where the chain goes across providers does a call
// have the keys of several (package chain); then the grant decides. A project is of one provider. Models of others have
// its name before theirs ("openai/gpt-5.1") wherever they are counted or told.
//
// What all providers share is here:
//
//   - A project may be called without a key, by the program's own identity at the
//     provider: [WithoutKey] stands in the key's place.
//   - A [Transport] gives each request the key of its context ([WithKey]) as its only
//     credential, refuses to send a key to any host but the provider's, follows no
//     redirect, marks what it sends so that no Fluxgate sends it again ([CameBack]), and notes when the last byte of the request left ([Sent]), which is
//     the closest that a client can come to the instant at which the provider counts
//     it.
//   - An [Error] is a failed call. Its [Class] says what it means for quota, keys and
//     the caller, whatever the provider's wording; [TransportError] makes one where
//     there was no answer at all.
//     What a provider says may quote what was asked: logs and other callers are told the words of it that are known.
//   - A [Redactor] removes keys from whatever a provider sends back: some messages echo
//     whole keys.
//
// Nothing is retried here: a second attempt is a second reservation, and that is
// dispatch's business. Nothing here knows quotas, projects or storage.
//
// Files, from the top down; a file calls only those below it:
//
//   - provider.go: the interface of a provider, with its prompts and replies; whether a key is invalid for certain
//   - text.go: the text of a prompt in a body
//   - get.go: reading what a provider says of a path
//   - failure.go: errors of calls without an answer
//   - base.go: where a provider lies, and the URLs below that
//   - transport.go: one key for each request, and when it was sent
//   - dial.go: which addresses are not called
//   - loop.go: the mark of what has been sent by a Fluxgate
//   - credential.go: what stands for a project that is called without a key
//   - errors.go: errors and their classes
//   - wording.go: what of a provider's words may be told to others than the caller
//   - redact.go: removing keys
package upstream
