// Package gemini is the upstream side of Fluxgate: it sends one request with one key to the Gemini API and says what
// the answer means. It knows nothing of quotas, projects or storage; whoever calls it has already decided that the
// request may go now, with this key.
//
// # Sending
//
// A [Client] serves every key. [Client.Generate] goes through google.golang.org/genai; [Client.CountTokens] and
// [Client.ListModels] speak REST directly, because that SDK can't count a system instruction on this backend and writes
// unexpected model lists to the standard logger. All three, and any request made with [Client.Do], pass one
// RoundTripper that
//
//   - takes the key from the context ([WithKey]), removes every other credential from the request, and refuses to send a
//     key to any host but the configured one;
//   - notes when the last byte of the request left ([Sent], [SentAt]), which is the closest that a client can come to the
//     instant at which Gemini counts the request;
//   - never follows a redirect and, for the typed calls, never reads more than a bounded answer.
//
// Nothing is retried here: a second attempt is a second reservation, and that is the scheduler's business.
//
// # Understanding
//
// [Classify] turns an HTTP status and body into an [Error] whose [Class] is one row of the table of upstream errors, for
// every route and for both shapes that Gemini uses (an object, and the array of the OpenAI-compatible endpoint).
// [TransportError] does the same where there was no answer at all. Both redact keys from everything that they return:
// Gemini echoes whole keys in some messages.
package gemini
