package gemini

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/syntax"
	"fluxgate.dev/fluxgate/internal/upstream"
)

// generated is an answer as it was read.
type generated struct {
	upstream.Reply
	silent bool // it has no candidate, and no reason for that
}

// readReply reads an answer, of which the first candidate counts. It reports false
// for what is none. (With encoding/json it was an eighth of what a request of /generate
// takes within Fluxgate's handler.)
func readReply(body []byte) (*generated, bool) {
	if !syntax.Valid(body) || !bytes.HasPrefix(trimmed(body), []byte("{")) {
		return nil, false
	}
	var r replyReader
	var candidates, feedback []byte // nil: there are none
	for name, value := range payload.MembersOf(body) {
		switch string(name) {
		case "candidates":
			candidates = r.of('[', value)
		case "promptFeedback":
			feedback = r.of('{', value)
		case "usageMetadata":
			r.usage(r.of('{', value))
		case "modelVersion":
			r.out.ModelVersion = strings.TrimPrefix(r.text(value), "models/")
		}
	}
	if candidates == nil && feedback == nil && hasError(trimmed(body)) {
		return nil, false // an error that comes with 200
	}
	for name, value := range payload.MembersOf(feedback) {
		if string(name) == "blockReason" {
			r.out.BlockReason = r.text(value)
		}
	}
	r.out.silent = r.out.BlockReason == ""
	for first := range payload.ElementsOf(candidates) {
		r.candidate(first)
		break
	}
	return &r.out, !r.unlike
}

// A replyReader reads the parts of an answer. What is null is as if it weren't there.
type replyReader struct {
	out    generated
	unlike bool // a value is of another kind than Gemini's are
}

// of returns a value that begins with that byte; nil: it is null, or of another kind.
func (r *replyReader) of(kind byte, value []byte) []byte {
	if value[0] == kind {
		return value
	}
	r.unlike = r.unlike || value[0] != 'n'
	return nil
}

func (r *replyReader) text(value []byte) string {
	if value = r.of('"', value); value == nil {
		return ""
	}
	return string(payload.StringIn(value))
}

// candidate reads a candidate: its text, without thoughts, and why it ended.
func (r *replyReader) candidate(value []byte) {
	if value[0] != '{' {
		r.unlike = true
		return
	}
	var content []byte
	for name, value := range payload.MembersOf(value) {
		switch string(name) {
		case "content":
			content = r.of('{', value)
		case "finishReason":
			r.out.FinishReason = r.text(value)
		}
	}
	r.out.silent = content == nil && r.out.BlockReason == "" && r.out.FinishReason == ""
	var text strings.Builder
	for name, value := range payload.MembersOf(content) {
		if string(name) != "parts" {
			continue
		}
		for part := range payload.ElementsOf(r.of('[', value)) {
			text.Write(r.part(r.of('{', part)))
		}
	}
	r.out.Text = text.String()
}

// part returns the text of a part; nil for a thought.
func (r *replyReader) part(object []byte) (text []byte) {
	thought := false
	for name, value := range payload.MembersOf(object) {
		switch string(name) {
		case "text":
			if text = r.of('"', value); text != nil {
				text = payload.StringIn(text)
			}
		case "thought":
			thought = value[0] == 't'
			r.unlike = r.unlike || !thought && value[0] != 'f' && value[0] != 'n'
		}
	}
	if thought {
		return nil
	}
	return text
}

// usage reads the counts of an answer.
func (r *replyReader) usage(object []byte) {
	for name, value := range payload.MembersOf(object) {
		switch string(name) {
		case "promptTokenCount":
			r.out.PromptTokens = r.count(value)
		case "candidatesTokenCount":
			r.out.Output = r.count(value)
		case "thoughtsTokenCount":
			r.out.Thoughts = r.count(value)
		case "cachedContentTokenCount":
			r.out.Cached = r.count(value)
		case "toolUsePromptTokenCount":
			r.out.Tools = r.count(value)
		case "totalTokenCount":
			r.out.TotalTokens = r.count(value)
		}
	}
}

// count reads a whole number of 32 bits, as wide as Gemini's own, in any notation that JSON
// has for it.
func (r *replyReader) count(value []byte) int64 {
	if n, err := strconv.ParseInt(string(value), 10, 32); err == nil && n > math.MinInt32 {
		return n // as all of them are
	}
	var n float64
	if json.Unmarshal(value, &n) != nil || n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
		r.unlike = true
	}
	return int64(n)
}
