// Package refusals reads what a provider says no with: an HTTP status and a body, or an error
// within a stream, in OpenAI's format and what others make of it ([OpenAI]) and in Anthropic's
// ([Anthropic]). It says what that means ([Class]), whom it concerns ([Scope]) and until when, and
// the limit that it names. It is pure: it accepts any bytes, knows no key and decides nothing.
//
//	r := refusals.OpenAI(resp.StatusCode, body)
//	if r.Class == refusals.RateLimit && r.Limit.Dimension != ratelimits.Unknown { … }
//
// A refusal is kept no wider and no longer than what was refused (.github/refusals.md). In upstream's
// classes they are:
//
//   - RateLimit: ClassMinute, for as long as Wait or a header says, or a while that grows where
//     neither does. (ClassDay lasts until Pacific midnight, and is Gemini's.)
//   - TooLarge and Caller: ClassCaller
//   - NoQuota: ClassNoQuota
//   - Spent: ClassBilling
//   - KeyInvalid: ClassKeyInvalid
//   - Denied: ClassDenied; if it concerns [Everyone], ClassCaller
//   - ModelUnknown: ClassModelUnknown
//   - Overloaded and Server: ClassServer
//   - Unsure: ClassBroken
//
// A machine-readable code decides; then known words, then a type, then the status. Words that could
// harm anybody but the caller count only at the beginning of a message, since messages may quote the caller.
// Each code and text was captured, is documented, or says that it is neither; the tests say which is
// from where.
//
// Strings that are returned come from the provider: a message may hold a masked key or the caller's
// words, and has to be redacted before it is kept or shown. Codes are letters, digits, _ and - alone.
//
// Files, from the top down; a file calls only those below it:
//
//   - anthropic.go: Anthropic's format
//   - openai.go: OpenAI's format
//   - body.go: the shapes in which errors come
//   - refusal.go: Refusal, its classes and scopes
package refusals
