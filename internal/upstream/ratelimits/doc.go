// Package ratelimits reads what a provider's answer says of its limits: how many requests or
// tokens are allowed in which period, how many are left, when they are there again, and when to
// come back. It reads headers ([Read]) and the words of refusals ([ReadMessage]). It is pure and
// imports nothing of ours: bytes and an instant in, values out. What can't be understood is left
// out, never guessed.
//
//	told := ratelimits.Read(resp.Header, now, ratelimits.Groq)
//	for _, l := range told.Limits {
//		// l.Dimension, l.Per, l.Limit, l.Remaining, l.Reset
//	}
//	if told.RetryAfter > 0 { … }
//
// The names of headers say by themselves what they are of: x-ratelimit-limit-requests,
// x-ratelimit-remaining-tokens-minute, anthropic-ratelimit-input-tokens-reset. So all names are
// read of every provider, and those of a new one that speaks likewise too. Only where a name has
// no period in it does it matter whose it is: that is a [Dialect].
//
// What each provider sends was captured or is documented; the tests cite where. Between what is
// said and what is true lie these:
//
//   - OpenAI's and Groq's reset is when all is there again, as if nothing else came; a request
//     fits long before that. So with [Dialect].Refills the period can be told from the reset: of
//     10,000 requests of which one is used, and which are whole again in 8.64 s, it is a day
//     ([Limit].Inferred).
//   - Anthropic rounds remaining tokens to the nearest thousand ([Limit].Rounded), and its limits
//     named tokens are those of the strictest limit in force, whatever that is.
//   - Azure's retry-after was captured to be a second where the period of its tokens had most of a
//     minute to go; the limit that refused is named by x-ratelimit-type ([Told].Refused).
//   - Azure's Responses API was captured to say -1 for limits: that is nothing said.
//   - DeepSeek, vLLM and Ollama say nothing. xAI says no reset, and Mistral none.
//
// anthropic-ratelimit-unified-* are of subscriptions, not of API keys, and aren't read.
//
// Files, from the top down; a file calls only those below it:
//
//   - read.go: Read, what headers say
//   - message.go: ReadMessage, what the words of a refusal say
//   - dialect.go: whose headers they are, where their names don't say all
//   - name.go: what the name of a header says
//   - value.go: numbers, durations and instants as they are spelt
package ratelimits
