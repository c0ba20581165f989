package completion

import (
	"encoding/json"

	"fluxgate.dev/fluxgate/internal/payload"
)

// A Request is what is read of one.
type Request struct {
	Model  string // as it is spelt; empty: it names none
	Named  bool   // it names one, if perhaps in no way that is read here
	Stream bool
	// MaxTokens is the most that it lets a model put out in all the answers that it asks for, and in those of which the
	// best are told; 0: it doesn't say.
	MaxTokens int64
	// GoesOn names what it goes on from: responses/… and conversations/….
	GoesOn []string
	// Unclear says that what it goes on from, or part of it, isn't known here.
	Unclear bool
	Fast    bool // it asks for Anthropic's fast mode, in Anthropic's format: no other has it
	// Stored says that a response is kept, as they are unless it is told otherwise, and Keeps that it says so
	// itself, as a chat has to.
	Stored, Keeps bool
}

// Longest values that are read, in bytes, and the most that is believed.
const (
	maxName   = 512
	maxNumber = 20
	maxTokens = 1 << 30
	maxN      = 128
	maxTexts  = 1 << 16
	maxModels = 16 // times that it is named
	maxGoesOn = 16 // times that it is said what it goes on from
)

// Read reads the JSON object of a request. Of members that are there twice the last one counts.
// What has another type than it should says nothing; it is the provider's to refuse.
func Read(object []byte) (r Request) {
	r.Stored = true
	n, best, texts, models := int64(1), int64(1), int64(1), 0
	for name, value := range payload.MembersOf(object) {
		switch string(name) {
		case "model":
			models++
			r.Named = r.Named || string(value) != "null"
			if r.Model = ""; models <= maxModels && len(value) <= maxName && json.Unmarshal(value, &r.Model) != nil {
				r.Model = ""
			}
		case "stream":
			r.Stream = string(value) == "true"
		case "speed":
			var speed string
			r.Fast = len(value) <= maxName && json.Unmarshal(value, &speed) == nil && speed == "fast"
		case "max_tokens", "max_completion_tokens", "max_output_tokens":
			r.MaxTokens = max(r.MaxTokens, number(value, maxTokens))
		case "store":
			r.Stored, r.Keeps = string(value) != "false", string(value) == "true"
		case "n":
			n = max(number(value, maxN), 1)
		case "best_of":
			best = max(number(value, maxN), 1)
		case "prompt":
			texts = textsIn(value)
		default:
			r.goesOnBy(name, value)
		}
	}
	// Of each text as many answers are put out (https://platform.openai.com/docs/api-reference/completions).
	r.MaxTokens = min(r.MaxTokens*max(n, best)*texts, maxTokens*maxN)
	return r
}

// textsIn returns how many texts a prompt has to go on from, each of which may be a list of tokens.
func textsIn(prompt []byte) (n int64) {
	if prompt[0] == '[' {
		for text := range payload.ElementsOf(prompt) {
			if (text[0] == '"' || text[0] == '[') && n < maxTexts {
				n++
			}
		}
	}
	return max(n, 1)
}

// goesOnBy notes what it goes on from by a member, however that is spelt: endpoints that are written
// in Go take any case.
func (r *Request) goesOnBy(name, value []byte) {
	switch {
	case payload.Spells(name, "previousresponseid"):
		r.goesOn("responses/", value)
	case payload.Spells(name, "conversation") && value[0] == '{':
		for name, id := range payload.MembersOf(value) {
			if payload.Spells(name, "id") {
				r.goesOn("conversations/", id)
			}
		}
	case payload.Spells(name, "conversation"):
		r.goesOn("conversations/", value)
	}
}

// goesOn notes what it goes on from, by an ID: all that are said, whichever counts. An ID in a list or an
// object isn't one by the format, but some endpoint may read it all the same.
func (r *Request) goesOn(kind string, value []byte) {
	var id string
	switch {
	case value[0] == '[', value[0] == '{':
		r.Unclear = true
	case value[0] != '"' || string(value) == `""`:
	case len(value) > maxName || len(r.GoesOn) == maxGoesOn || json.Unmarshal(value, &id) != nil:
		r.Unclear = true
	default:
		r.GoesOn = append(r.GoesOn, kind+id)
	}
}

// number reads a whole number from 0, no more than a bound; 0 where it is none.
func number(value []byte, most int64) (n int64) {
	if len(value) > maxNumber || json.Unmarshal(value, &n) != nil || n < 0 {
		return 0
	}
	return min(n, most)
}
