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
	// So were max_completion_tokens, which is max_tokens there, in https://github.com/editor-code-assistant/eca/issues/315, and
	// store in https://github.com/Gitlawb/openclaude/issues/739.
	"mistral": {completion.Logprobs, completion.TopLogprobs, completion.LogitBias, completion.Audio, completion.MaxCompletion, completion.Store},
	// Of a model that thinks, which most of its models do: the penalties and stop "would result in an error", with
	// 400 as captured in https://github.com/open-webui/open-webui/issues/21266, and since 2026 of others too. logit_bias
	// and audio aren't among the members of its API, https://github.com/xai-org/xai-proto/blob/main/proto/xai/api/v1/chat.proto.
	// https://docs.x.ai/docs/guides/reasoning
	"xai": {completion.FrequencyPenalty, completion.PresencePenalty, completion.Stop, completion.LogitBias, completion.Audio},
	// Its logprobs is a number, of how many, where OpenAI's is true or false, and top_logprobs and audio aren't among its
	// members. What it does with them isn't documented. https://github.com/togethercomputer/openapi
	"together": {completion.Logprobs, completion.TopLogprobs, completion.Audio},
	// "If the chosen model doesn't support a request parameter (such as logit_bias in non-OpenAI models […]), then the
	// parameter is ignored", and so it is of a provider behind it. n and audio aren't among its members.
	// https://openrouter.ai/docs/api-reference/overview
	"openrouter": {completion.Several, completion.Logprobs, completion.TopLogprobs, completion.LogitBias, completion.Audio},
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
