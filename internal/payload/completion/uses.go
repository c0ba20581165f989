package completion

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
)

// What a chat may use that not every endpoint takes: members of its body, with what is within
// one behind a dot. What isn't there, null, or what it would be anyway isn't used.
const (
	Several          = "n" // more than one answer
	Logprobs         = "logprobs"
	TopLogprobs      = "top_logprobs"
	LogitBias        = "logit_bias"
	FrequencyPenalty = "frequency_penalty"
	PresencePenalty  = "presence_penalty"
	Stop             = "stop"
	Store            = "store" // whatever it says
	MaxCompletion    = "max_completion_tokens"
	ResponseFormat   = "response_format" // another than text
	Audio            = "audio"           // the answer is spoken
	StrictTools      = "tools.function.strict"
	ExtraBody        = "extra_body" // what Gemini alone knows
	MessageName      = "messages.name"
	InputAudio       = "messages.content.input_audio"
	InputFile        = "messages.content.file"
	InputImage       = "messages.content.image_url"
)

// parts are the kinds of content beside text that are told.
var parts = map[string]string{"input_audio": InputAudio, "file": InputFile, "image_url": InputImage}

// maxParts bounds the messages and the parts of them that are looked at. What is behind them
// says nothing; it is the provider's to refuse.
const maxParts = 1 << 16

// Uses returns what the JSON object of a chat uses of that, each once, in the order of the body.
func Uses(object []byte) []string {
	var u uses
	for name, value := range payload.MembersOf(object) {
		u.member(string(name), value)
	}
	return u.used
}

// uses is what was found so far.
type uses struct {
	used  []string
	parts int // that were looked at
}

func (u *uses) note(what string, is bool) {
	if is && !slices.Contains(u.used, what) {
		u.used = append(u.used, what)
	}
}

// member notes what one member of a chat uses.
func (u *uses) member(name string, value []byte) {
	switch name {
	case "n":
		u.note(Several, number(value, maxN) > 1)
	case FrequencyPenalty, PresencePenalty, TopLogprobs:
		u.note(name, !slices.Contains([]string{"null", "0", "0.0"}, string(value)))
	case Logprobs:
		u.note(name, string(value) == "true")
	case MaxCompletion, Store:
		u.note(name, string(value) != "null")
	case Stop:
		u.note(name, !slices.Contains([]string{"null", `""`, "[]"}, string(value)))
	case LogitBias, Audio, ExtraBody:
		u.note(name, value[0] == '{' && len(bytes.TrimSpace(value[1:len(value)-1])) > 0)
	case ResponseFormat:
		u.note(name, value[0] == '{' && text(value, "type") != "text")
	case "tools":
		for tool := range payload.ElementsOf(value) {
			u.note(StrictTools, isStrict(tool))
		}
	case "messages":
		for message := range payload.ElementsOf(value) {
			if u.parts++; u.parts > maxParts {
				return
			}
			u.message(message)
		}
	}
}

// message notes what one message uses.
func (u *uses) message(object []byte) {
	for name, value := range payload.MembersOf(object) {
		switch {
		case string(name) == "name":
			u.note(MessageName, value[0] == '"')
		case string(name) == "content" && value[0] == '[':
			u.content(value)
		}
	}
}

// content notes what the parts of a message are.
func (u *uses) content(list []byte) {
	for part := range payload.ElementsOf(list) {
		if u.parts++; u.parts > maxParts {
			return
		}
		what, ok := parts[text(part, "type")]
		u.note(what, ok)
	}
}

// isStrict reports whether a tool's arguments are to follow their schema for certain.
func isStrict(tool []byte) bool {
	for name, value := range payload.MembersOf(tool) {
		if string(name) != "function" {
			continue
		}
		for name, value := range payload.MembersOf(value) {
			if string(name) == "strict" && string(value) == "true" {
				return true
			}
		}
	}
	return false
}

// text returns a member that is a short text; "" if there is none.
func text(object []byte, member string) (found string) {
	for name, value := range payload.MembersOf(object) {
		if string(name) == member && len(value) <= maxName && json.Unmarshal(value, &found) != nil {
			found = ""
		}
	}
	return strings.TrimSpace(found)
}
