package answers

import "fluxgate.dev/fluxgate/internal/payload"

// AnthropicUsage finds the usage of a message in Anthropic's format. A stream says what the
// prompt had where it begins and what was written at its end, as a sum so far; what the end says
// of the prompt too counts more (documented). PromptTokens are those that were read from a cache
// and written to one too; without Cached they are what counts as input tokens per minute of most
// models (documented).
var AnthropicUsage = &Meter{[]string{`"usage"`, `"model"`, `"stop_reason"`}, func(end *Tail) Usage {
	u := Usage{PromptTokens: -1}
	written := false
	end.last(`"usage"`, func(value []byte) bool {
		all := [...]count{{name: "output_tokens"}, {name: "cache_creation_input_tokens"}, {name: "cache_read_input_tokens"}, {name: "input_tokens"}}
		if !readCounts(value, all[:]) {
			return false
		}
		if !written && hasMember(value, "output_tokens") {
			written = true
			thoughts := [...]count{{name: "thinking_tokens"}}
			readDetails(value, "output_tokens_details", thoughts[:])
			output := all[0].tokens()
			u.Thoughts = min(thoughts[0].tokens(), output)
			u.Output = output - u.Thoughts
		}
		if !hasMember(value, "input_tokens") {
			return false // it goes on from an earlier one
		}
		read := all[2].tokens()
		u.PromptTokens, u.Cached = all[3].tokens()+all[1].tokens()+read, read
		return true
	})
	end.lastSure(`"model"`, func(value []byte) bool { return readString(value, &u.ModelVersion) })
	// A stream begins with null for why it stopped, which comes with what was written (documented).
	end.last(`"stop_reason"`, func(value []byte) bool {
		u.Unended = string(value) == "null"
		return true
	})
	if u.PromptTokens < 0 {
		u.Tokens = Tokens{}
	}
	return u
}}

// ResponsesUsage finds the usage of an answer of OpenAI's Responses API, and of its images
// and transcriptions, which tell it alike. A stream says it in its last event.
var ResponsesUsage = &Meter{[]string{`"usage"`, `"model"`}, func(end *Tail) Usage {
	u := Usage{PromptTokens: -1}
	end.last(`"usage"`, func(value []byte) bool {
		all := [...]count{{name: "input_tokens"}, {name: "output_tokens"}, {name: "total_tokens"}}
		if !readCounts(value, all[:]) || !hasMember(value, "input_tokens") {
			return false
		}
		input, output := all[0].tokens(), all[1].tokens()
		cached, thoughts := [...]count{{name: "cached_tokens"}}, [...]count{{name: "reasoning_tokens"}}
		readDetails(value, "input_tokens_details", cached[:])
		readDetails(value, "output_tokens_details", thoughts[:])
		u.PromptTokens, u.TotalTokens = input, all[2].tokens()
		u.Tokens = Tokens{Thoughts: min(thoughts[0].tokens(), output), Cached: min(cached[0].tokens(), input)}
		u.Output = output - u.Thoughts
		return true
	})
	end.lastSure(`"model"`, func(value []byte) bool { return readString(value, &u.ModelVersion) })
	return u
}}

// maxTokens is more than any answer costs, and little enough to add up.
const maxTokens = 1 << 40

// tokens returns a count that is one of tokens.
func (c count) tokens() int64 { return min(max(c.n, 0), maxTokens) }

// hasMember reports whether an object in valid JSON has a member of that name.
func hasMember(object []byte, name string) bool {
	for member := range payload.MembersOf(object) {
		if string(member) == name {
			return true
		}
	}
	return false
}

// readDetails reads the numbers of an object within one.
func readDetails(object []byte, name string, all []count) {
	for member, value := range payload.MembersOf(object) {
		if string(member) == name {
			readCounts(value, all)
		}
	}
}
