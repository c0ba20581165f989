// Package live is the part of the simulated Gemini that keeps connections open: the Live
// API's sessions over WebSocket, and the ephemeral tokens that open them. Package geminisim
// has one ([geminisim.Server.Live]) and gives it whose a key is and which models there are.
//
// # What is modelled
//
// A session, at /ws/google.ai.generativelanguage.{v1beta,v1,v1alpha}.GenerativeService.
// BidiGenerateContent, with a key in x-goog-api-key or ?key=, and
// BidiGenerateContentConstrained with a token in Authorization: Token or ?access_token=
// (read in the SDKs' sources). Its first message is a setup, the answer setupComplete; a
// turn is answered with a modelTurn, generationComplete, and turnComplete beside
// usageMetadata, of which the prompt is all that was said so far (documented: it is billed
// so), and which tells thoughts, tools and what a cache held where there are any (its members are
// documented, and their sum as the total, at https://ai.google.dev/api/live#usagemetadata; which
// models of the Live API tell them was not captured). Messages of the server are JSON in binary frames (captured). With sessionResumption in
// the setup each turn is followed by a sessionResumptionUpdate, whose handle goes on with
// what was said, in the same project, for two hours (documented). A message of client
// content that is an order (see package answers, "Long streams") is answered
// with so many messages.
//
// Refusals are closes, by these codes and words:
//
//   - 1011 "Request trace id: …, [ORIGINAL ERROR] generic::resource_exhausted:
//     RESOURCE_EXHAUSTED: Maximum concurrent se…", cut at 123 bytes, when a project has as
//     many sessions of the model as it may (captured in December 2024, of 3 sessions, which
//     were documented then)
//   - 1008 "models/… is not found for API version v1beta, or is not supported for
//     bidiGenerateContent. …" (captured)
//   - 1007 "API key not valid. Please pass a valid API key." (captured), "Request contains an
//     invalid argument." (captured) for what is no setup
//   - 1011 "Deadline expired before operation could complete." when a session has lasted as
//     long as one may (captured of 58:00 in autumn 2026); before, a goAway (documented)
//   - 1008 for a handle of another project or none, a token that has expired, is used up or
//     was never made, and a credential too many (guessed). One of a project without
//     a credential is refused before the upgrade with 403 (guessed).
//
// Tokens are made by POST v1alpha/auth_tokens, of so many uses (1 where none is named, 0 is
// any number), for new sessions until newSessionExpireTime (a minute), and good until
// expireTime (30 minutes, at most 20 hours). To resume isn't a use. A setup in the token
// replaces that of the session (documented; field masks are not modelled).
//
// # What is not modelled
//
// Audio and video, tools, transcriptions, compression of the context, tokens per minute, and
// how an upgrade is refused with 429 (captured as a bare status).
//
// Files, from the top down; a file calls only those below it:
//
//   - service.go: Service, its sessions, and what tests order of it
//   - session.go: one session from its setup to its close
//   - tokens.go: ephemeral tokens
//   - messages.go: what is said in a session, as JSON
package live
