package answers

import (
	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/interaction"
)

// An InteractionFinder finds the ID of an interaction in an answer as it comes, be it
// JSON or events. It keeps nothing of the answer.
type InteractionFinder struct {
	depth    int
	quoted   bool
	escaped  bool
	text     []byte    // of the string that is being read, where that may matter
	members  [3]string // the last member's name, by depth
	isObject [3]bool
	isName   [3]bool // a name is to come
}

// maxInteractionID bounds an ID, in bytes; payload.ValidResource does.
const maxInteractionID = 128

// Find reads a piece. It returns the name of the interaction once its ID is there, and
// else "".
func (f *InteractionFinder) Find(piece []byte) string {
	for _, c := range piece {
		if f.quoted {
			if id := f.within(c); id != "" {
				return interaction.Kind + id
			}
			continue
		}
		switch c {
		case '"':
			f.quoted, f.text = true, f.text[:0]
		case '{', '[':
			if f.depth++; f.near() {
				f.isObject[f.depth], f.isName[f.depth], f.members[f.depth] = c == '{', c == '{', ""
			}
		case '}', ']':
			f.depth = max(0, f.depth-1)
		case ',':
			if f.near() {
				f.isName[f.depth] = f.isObject[f.depth]
			}
		case ':':
			if f.near() {
				f.isName[f.depth] = false
			}
		}
	}
	return ""
}

// near reports whether what is being read may hold the ID.
func (f *InteractionFinder) near() bool { return f.depth == 1 || f.depth == 2 }

// within reads a byte of a string, and returns the ID if that has ended it.
func (f *InteractionFinder) within(c byte) string {
	switch {
	case f.escaped:
		f.escaped = false
	case c == '\\':
		f.escaped = true
	case c == '"':
		f.quoted = false
		return f.ended()
	}
	if f.near() && len(f.text) <= maxInteractionID {
		f.text = append(f.text, c)
	}
	return ""
}

// ended takes a string for what it is, and returns it if it is the ID.
func (f *InteractionFinder) ended() string {
	if !f.near() || !f.isObject[f.depth] {
		return ""
	}
	if f.isName[f.depth] {
		f.members[f.depth] = string(f.text)
		return ""
	}
	name := f.members[f.depth]
	own := f.depth == 1 && (name == "id" || name == "interaction_id") || f.depth == 2 && f.members[1] == "interaction" && name == "id"
	if id := string(f.text); own && payload.ValidResource(id) {
		return id
	}
	return ""
}

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
	end.last(`"model"`, func(value []byte) bool { return readString(value, &u.ModelVersion) })
	return u
}}

// ConversationTokens returns how many tokens an interaction, as upstream describes it,
// brings to the one that goes on from it.
func ConversationTokens(interaction []byte) int64 {
	end := NewTail(InteractionUsage)
	_, _ = end.Write(interaction) // never fails
	return InteractionUsage.Read(end).TotalTokens
}
