package sizes

import "fluxgate.dev/fluxgate/internal/payload"

// A Size is an estimate of a request's input.
type Size struct {
	Likely     int64 // tokens; never less than one
	Most       int64 // tokens, unless Open
	Characters int64 // of all texts
	Open       bool  // it has a part whose size can't be told, and Most is no bound
}

// Tokens that are added to what a request says.
const (
	messageLikely, messageMost = 4, 16 // of each message, and once (OpenAI's cookbook has 3; the rest is room)
	toolLikely, toolMost       = 8, 32 // of each tool, for what its declaration is put into (guessed)
	// What Anthropic adds where there are tools (documented of models since 2024: 264 to 804, by model and choice).
	toolsLikely, toolsMost = 346, 804
)

// Of estimates a request for a model, whose name decides how images count. The body is valid
// JSON; what is not of any of the formats counts as nothing.
func Of(body []byte, model string) Size {
	m := meter{images: imagesOf(model)}
	for name, value := range payload.MembersOf(body) {
		switch string(name) {
		case "messages", "input":
			m.messages(value)
		case "system", "instructions":
			m.content(value)
		case "prompt": // a text to go on from, or the name of a prompt that the provider keeps
			m.content(value)
			m.open = m.open || value[0] == '{'
		case "suffix":
			m.content(value)
		case "previous_response_id", "conversation", "container":
			m.open = m.open || value[0] != 'n'
		case "tools", "functions":
			m.tools(value)
		case "response_format", "output_format", "output_config", "text":
			m.raw(value)
		}
	}
	m.likely(messageLikely * 1000)
	m.most += messageMost
	return Size{Likely: max(1, (m.thousandths+999)/1000), Most: max(1, m.most), Characters: m.characters, Open: m.open}
}

// tools adds the tools that are declared.
func (m *meter) tools(list []byte) {
	n := int64(0)
	for tool := range payload.ElementsOf(list) {
		n++
		switch kind := string(member(tool, "type")); kind {
		case "", `"function"`, `"custom"`:
		default: // one of the provider's, which may bring what it finds
			m.open = true
		}
	}
	if n == 0 {
		return
	}
	m.raw(list)
	m.tokens(n*toolLikely, n*toolMost)
	if m.images == anthropicImages {
		m.tokens(toolsLikely, toolsMost)
	}
}
