package sizes

import (
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
)

// messages adds the messages of a chat, the items of a response, or the texts to embed.
func (m *meter) messages(value []byte) {
	if len(value) == 0 || value[0] != '[' {
		m.content(value)
		return
	}
	for message := range payload.ElementsOf(value) {
		switch message[0] {
		case '{':
			m.tokens(messageLikely, messageMost)
		case '"':
			m.text(message)
			continue
		default: // tokens by their numbers
			m.numbers(message)
			continue
		}
		if isPart(message) {
			m.part(message)
			continue
		}
		for name, member := range payload.MembersOf(message) {
			switch string(name) {
			case "role", "status", "id":
			case "type":
				m.open = m.open || string(member) == `"item_reference"`
			case "content":
				m.content(member)
			default: // names, calls of tools and their results
				m.raw(member)
			}
		}
	}
}

// isPart reports whether an item of a response, or what is to be moderated, is a part by itself, such as an image.
func isPart(item []byte) bool {
	kind := string(member(item, "type"))
	return kind == `"text"` || kind == `"image_url"` || strings.HasPrefix(kind, `"input_`)
}

// content adds what a message says: a text, or a list of parts.
func (m *meter) content(value []byte) {
	switch {
	case len(value) == 0:
	case value[0] == '"':
		m.text(value)
	case value[0] == '[':
		for part := range payload.ElementsOf(value) {
			switch part[0] {
			case '{':
				m.part(part)
			case '"':
				m.text(part)
			default: // tokens by their numbers, or lists of them
				m.numbers(part)
			}
		}
	case value[0] == '{':
		m.part(value)
	}
}

// numbers adds a token for each number of a list, or for one.
func (m *meter) numbers(value []byte) {
	if value[0] != '[' {
		m.tokens(1, 1)
		return
	}
	for range payload.ElementsOf(value) {
		m.tokens(1, 1)
	}
}

// maxWithin is how many parts may be within one another: results of tools have documents, and those have texts. Each is read
// a few times.
const maxWithin = 4

// part adds a part of a message, in any of the formats. Deeper than any is, it counts as it stands.
func (m *meter) part(part []byte) {
	if m.within == maxWithin {
		m.open = true
		m.raw(part)
		return
	}
	m.within++
	defer func() { m.within-- }()
	switch kind := strings.Trim(string(member(part, "type")), `"`); kind {
	case "image_url", "input_image", "image":
		m.image(part)
	case "input_audio", "audio":
		m.tokens(seconds(dataOf(part)), 0)
		m.open = true
	case "file", "input_file", "document", "container_upload":
		m.document(part)
	case "tool_result", "search_result":
		m.tokens(messageLikely, messageMost)
		for name, value := range payload.MembersOf(part) {
			switch string(name) {
			case "type", "tool_use_id", "is_error", "cache_control":
			case "content":
				m.content(value)
			default:
				m.raw(value)
			}
		}
	default:
		for name, value := range payload.MembersOf(part) {
			switch string(name) {
			case "type", "cache_control", "annotations", "logprobs", "id", "signature":
			case "text", "thinking", "refusal":
				m.text(value)
			default: // calls of tools, and what isn't known
				m.raw(value)
			}
		}
	}
}

// secondBytes are those of a second of compressed speech at 64 kbit/s, and ten tokens are one
// (documented of OpenAI's audio models).
const secondBytes = 8000

func seconds(data []byte) int64 { return int64(len(data)) * 3 / 4 / secondBytes * 10 }

// Anthropic documents 1,500 to 3,000 tokens a page for its text, and as much as its image beside.
const (
	pageTokens = 3000
	pageBytes  = 32 << 10
)

// document adds a document: text as such, others by what a page has.
func (m *meter) document(part []byte) {
	source := member(part, "source")
	if kind := string(member(source, "type")); kind == `"text"` {
		m.text(member(source, "data"))
		return
	} else if kind == `"content"` {
		m.content(member(source, "content"))
		return
	}
	m.open = true
	m.tokens(pageTokens*(1+int64(len(dataOf(part)))*3/4/pageBytes), 0)
}
