package answers

// InteractionUsage finds the last usage of an interaction. Its tools' prompts are input too.
var InteractionUsage = &Meter{[]string{`"usage"`, `"model"`}, func(end *Tail) Usage {
	u := Usage{PromptTokens: -1}
	all := [...]count{
		{name: "total_input_tokens"}, {name: "total_tool_use_tokens"}, {name: "total_tokens"}, {name: "total_output_tokens"},
		{name: "total_thought_tokens"}, {name: "total_cached_tokens"},
	}
	counted := end.last(`"usage"`, func(value []byte) bool { return readCounts(value, all[:]) })
	if input, tools := all[0].n, max(all[1].n, 0); counted && input > 0 {
		u.PromptTokens, u.TotalTokens = input+tools, all[2].n
		u.Tokens = Tokens{Output: max(all[3].n, 0), Thoughts: max(all[4].n, 0), Cached: max(all[5].n, 0), Tools: tools}
	}
	end.lastSure(`"model"`, func(value []byte) bool { return readString(value, &u.ModelVersion) })
	return u
}}

// ConversationTokens returns how many tokens an interaction, as upstream describes it,
// brings to the one that goes on from it.
func ConversationTokens(interaction []byte) int64 {
	end := NewTail(InteractionUsage)
	_, _ = end.Write(interaction) // never fails
	return InteractionUsage.Read(end).TotalTokens
}
