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
func Uses(object []byte) (used []string) {
	use := func(what string, used *[]string) {
		if !slices.Contains(*used, what) {
			*used = append(*used, what)
		}
	}
	left := maxParts
	for name, value := range payload.MembersOf(object) {
		switch name := string(name); name {
		case "n":
			if number(value, maxN) > 1 {
				use(Several, &used)
			}
		case FrequencyPenalty, PresencePenalty, TopLogprobs:
			if !slices.Contains([]string{"null", "0", "0.0"}, string(value)) {
				use(name, &used)
			}
		case Logprobs:
			if string(value) == "true" {
				use(name, &used)
			}
		case LogitBias, Audio, ExtraBody:
			if value[0] == '{' && len(bytes.TrimSpace(value[1:len(value)-1])) > 0 {
				use(name, &used)
			}
		case ResponseFormat:
			if value[0] == '{' && text(value, "type") != "text" {
				use(name, &used)
			}
		case "tools":
			for tool := range payload.ElementsOf(value) {
				if isStrict(tool) {
					use(StrictTools, &used)
				}
			}
		case "messages":
			for message := range payload.ElementsOf(value) {
				if left--; left < 0 {
					break
				}
				for name, value := range payload.MembersOf(message) {
					switch {
					case string(name) == "name" && value[0] == '"':
						use(MessageName, &used)
					case string(name) == "content" && value[0] == '[':
						for part := range payload.ElementsOf(value) {
							if left--; left < 0 {
								break
							}
							if what, ok := parts[text(part, "type")]; ok {
								use(what, &used)
							}
						}
					}
				}
			}
		}
	}
	return used
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
