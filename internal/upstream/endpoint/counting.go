package endpoint

import (
	"fluxgate.dev/fluxgate/internal/payload/answers"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// A counting says what of a request counts against tokens per minute. The zero value is for a
// provider of which nothing is known, and the strictest: all that a request allows for counts
// when it comes, and nothing is given back.
type counting struct {
	inputAlone bool // output has a limit of its own, or none
	larger     bool // of the input and the output that it allows for the larger counts, not their sum
	givesBack  bool // what wasn't used of what it allows for is given back
	cached     bool // input that was read from a cache counts too
	atOnce     bool // all output that it allows for counts against a limit of output, until it is answered
}

// countings are those of providers, by name.
var countings = map[string]counting{
	// The larger of max_tokens and a quarter of the characters, at once
	// (https://platform.openai.com/docs/guides/rate-limits).
	"openai": {larger: true, cached: true},
	// The prompt's estimate and max_tokens, at once
	// (https://learn.microsoft.com/azure/ai-services/openai/how-to/quota).
	"azure": {cached: true},
	// Input without what was read from a cache; max_tokens doesn't matter
	// (https://docs.claude.com/en/api/rate-limits).
	"anthropic": {inputAlone: true},
	// Cached tokens don't count (https://console.groq.com/docs/rate-limits). The prompt and max_completion_tokens must fit:
	// captured, "Limit 8000, Requested 32979" (https://github.com/zeeyado/koassistant.koplugin/issues/106). That what was used counts
	// then is a guess; if it is more, the next answer says so. Limits of input and of output by themselves (ITPM, OTPM) are in no
	// header: neither its documentation nor any capture in public code has one. Its refusals name them, and count max_tokens:
	// captured, "on output tokens per minute (OTPM): Limit 1000, Used 528, Requested 600. Please try again in 7.68s" and "on input
	// tokens per minute (ITPM): Limit 7000, Used 6635, Requested 538. Please try again in 1.482857142s", which are the waits of
	// buckets that are filled evenly.
	"groq": {givesBack: true, atOnce: true},
	// The prompt's estimate and max_completion_tokens must fit, and what was used counts
	// (https://inference-docs.cerebras.ai/support/rate-limits).
	"cerebras": {givesBack: true, cached: true},
	// "All tokens consumed by a request", thoughts and what was read from a cache among them
	// (https://docs.x.ai/developers/rate-limits); that what it allows for must fit until then is a guess, the strictest.
	"xai": {givesBack: true, cached: true},
}

// reserves is what a request counts until it is answered.
func (c counting) reserves(a upstream.Asked) int64 {
	input, output := max(a.Input, (a.Characters+3)/4), a.Output
	if a.MaxOutput > 0 {
		output = a.MaxOutput
	}
	switch {
	case c.inputAlone:
		return a.Input
	case c.larger && a.MaxOutput > 0:
		return max(input, output)
	}
	return input + output
}

// outputs is what it counts against a limit of what models put out, until it is answered.
func (c counting) outputs(a upstream.Asked) int64 {
	if c.atOnce && a.MaxOutput > 0 {
		return a.MaxOutput
	}
	return a.Output
}

// weighs is what it turned out to count.
func (c counting) weighs(a upstream.Asked, prompt int64, used answers.Tokens, reserved int64) int64 {
	if prompt < 0 {
		return prompt
	}
	all := prompt + used.Output + used.Thoughts
	if !c.cached {
		all, prompt = all-used.Cached, prompt-used.Cached
	}
	switch {
	case c.inputAlone:
		return prompt
	case c.givesBack:
		return all
	case c.larger && a.MaxOutput > 0:
		return max(prompt, reserved)
	}
	return max(all, reserved)
}
