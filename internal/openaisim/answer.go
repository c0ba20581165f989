package openaisim

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/simserver"
)

// imageTokens is what an image counts, a guess for one of 1024×1024.
const imageTokens = 765

// messageTokens is what each message has beside its text, and the answer's beginning (OpenAI's cookbook).
const messageTokens = 3

// prompt is what a request says.
type prompt struct {
	count     int64  // tokens
	chars     int64  // characters of all texts
	last      string // the last user's text
	functions []string
	files     []string // that it mentions
}

func (p *prompt) tokens() int64 { return max(1, p.count+messageTokens) }

func (p *prompt) text(role, text string) {
	p.count += simserver.Tokens(text)
	p.chars += int64(len(text))
	if role == "user" {
		p.last = text
	}
}

// message counts one message, whose content is a text or a list of parts.
func (p *prompt) message(role string, content json.RawMessage) {
	p.count += messageTokens
	var text string
	if json.Unmarshal(content, &text) == nil {
		p.text(role, text)
		return
	}
	var parts []struct {
		Type   string `json:"type"`
		Text   string `json:"text"`
		FileID string `json:"file_id"` // of the Responses API
		File   struct {
			FileID string `json:"file_id"`
		} `json:"file"`
	}
	_ = json.Unmarshal(content, &parts) // anything else says nothing
	for _, part := range parts {
		switch part.Type {
		case "text", "input_text", "output_text":
			p.text(role, part.Text)
		default:
			p.count += imageTokens
			if id := part.FileID + part.File.FileID; id != "" {
				p.files = append(p.files, id)
			}
		}
	}
}

// tools counts the tools that a request declares.
func (p *prompt) tools(t simserver.Tools) {
	p.functions = t.Names
	p.count += simserver.Tokens(t.Text)
	p.chars += int64(len(t.Text))
}

// usage is what an answer cost.
type usage struct{ input, cached, output, reasoning int64 }

// answer is what is answered.
type answer struct {
	text     string
	function string // called instead
	finish   string
	usage    usage
}

// orders are what a prompt can order of its answer.
var orders = regexp.MustCompile(`(write|think|cached) (\d+) tokens|call (\w+)`)

// answer answers "Answer to: " and the last user's text; at most so many tokens, 0 for any
// number. A prompt can order otherwise: "write 500 tokens", "think 120 tokens", "cached 90
// tokens" (of its input), and "call NAME" of a function that is declared.
func (p *prompt) answer(most int64) answer {
	a := answer{text: "Answer to: " + p.last, finish: "stop", usage: usage{input: p.tokens()}}
	for _, m := range orders.FindAllStringSubmatch(p.last, -1) {
		n, _ := strconv.ParseInt(m[2], 10, 64)
		switch {
		case m[3] != "":
			for _, f := range p.functions {
				if f == m[3] {
					a.text, a.function, a.finish = "", f, "tool_calls"
				}
			}
		case m[1] == "write":
			a.text = strings.Repeat("wrd ", int(min(n, 1<<20)))
		case m[1] == "think":
			a.usage.reasoning = n
		default:
			a.usage.cached = min(n, p.tokens())
		}
	}
	if most > 0 && a.usage.reasoning+simserver.Tokens(a.text) > most {
		a.usage.reasoning = min(a.usage.reasoning, most)
		a.text, a.finish = a.text[:min(len(a.text), int(most-a.usage.reasoning)*simserver.BytesPerToken)], "length"
	}
	a.usage.output = a.usage.reasoning + simserver.Tokens(a.text)
	if a.function != "" {
		a.usage.output += simserver.Tokens(a.function) + 1
	}
	return a
}
