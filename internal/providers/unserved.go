package providers

import (
	"slices"

	"fluxgate.dev/fluxgate/internal/payload/completion"
)

// unserved is what endpoints of OpenAI's chat completions are documented not to serve: they
// refuse it, or leave it out without a word. What is no more than a hint there, such as a seed
// or an effort, isn't among it. Of an endpoint that isn't named nothing is known, and nothing
// is kept away.
var unserved = map[string][]string{
	// "Most unsupported fields are silently ignored": the answer would be another than was asked
	// for. https://platform.claude.com/docs/en/cli-sdks-libraries/libraries/openai-sdk
	"anthropic": {
		completion.Several, completion.Logprobs, completion.TopLogprobs, completion.LogitBias, completion.FrequencyPenalty, completion.PresencePenalty,
		completion.ResponseFormat, completion.Audio, completion.StrictTools, completion.InputAudio, completion.InputFile,
	},
	// "The following fields are currently not supported and will result in a 400 error".
	// https://console.groq.com/docs/openai
	"groq": {completion.Several, completion.Logprobs, completion.TopLogprobs, completion.LogitBias, completion.MessageName},
	// Documented as refused with 400. https://inference-docs.cerebras.ai/resources/openai
	"cerebras": {completion.LogitBias, completion.FrequencyPenalty, completion.PresencePenalty},
	// Of a model that thinks, which of its models may: logprobs and top_logprobs fail, penalties have no
	// effect. https://api-docs.deepseek.com/guides/reasoning_model
	"deepseek": {completion.Logprobs, completion.TopLogprobs, completion.FrequencyPenalty, completion.PresencePenalty},
	// Not among the members of its reference, and what isn't is refused with 422, as captured in
	// https://github.com/mistralai/platform-docs-public/issues/7. https://docs.mistral.ai/api/endpoint/chat
	"mistral": {completion.Logprobs, completion.TopLogprobs, completion.LogitBias, completion.Audio},
}

// geminis is what Google documents of its own endpoint alone.
// https://ai.google.dev/gemini-api/docs/openai
var geminis = []string{completion.ExtraBody}

// Unserved returns what a provider's endpoint is documented not to serve of what a chat uses, as
// package completion names it; "": nothing.
func Unserved(provider string, used []string) string {
	for _, what := range used {
		if slices.Contains(unserved[provider], what) || provider != "gemini" && slices.Contains(geminis, what) {
			return what
		}
	}
	return ""
}
