package refusals

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
)

// failure is an error as it stands in a body.
type failure struct {
	kind, code, message string
	detail              string // Anthropic's details.error_code
	found               bool   // it is an error object
}

// maxBody bounds how much of a body is read, in bytes. No error that was captured has more than
// some kilobytes.
const maxBody = 1 << 20

// parse reads an error in any of the shapes in which they come:
//
//   - {"error": {"message", "type", "code"}}, OpenAI's and, with "type": "error", Anthropic's
//   - [{"error": {…}}], Gemini's endpoint of OpenAI's format
//   - {"error": "…", "code": "…"}, xAI's
//   - {"message", "type", "code"}, Mistral's and Cerebras's, and an event of OpenAI's Responses API
//   - {"response": {"error": {…}}}, that API's event response.failed
//   - {"detail": "…"}, of gateways and vLLM, and {"detail": [{"type"}]} or {"message": {"detail": [{"type"}]}}, which is
//     Mistral's of members that it doesn't know, or can't read
//
// possibly as an event of a stream, with data: before it.
func parse(body []byte) failure {
	body = bytes.TrimSpace(body[:min(len(body), maxBody)])
	if at := bytes.Index(body, []byte("data:")); at >= 0 && at < 64 && body[0] != '{' && body[0] != '[' {
		line, _, _ := bytes.Cut(body[at+len("data:"):], []byte("\n"))
		body = bytes.TrimSpace(line)
	}
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	var outer map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil {
		return failure{}
	}
	if inner, ok := outer["response"]; ok {
		var response map[string]json.RawMessage
		if json.Unmarshal(inner, &response) == nil && response["error"] != nil {
			outer = response
		}
	}
	f := failure{message: text(outer["message"]), kind: plain(text(outer["type"])), code: plain(text(outer["code"]))}
	f.found = f.message != "" && (outer["code"] != nil || outer["type"] != nil)
	if f.message == "" {
		f.message = text(outer["detail"])
	}
	if f.code == "" {
		f.code = detailed(outer["detail"], outer["message"])
	}
	if message := text(outer["error"]); message != "" {
		f.message, f.found = message, true
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(outer["error"], &fields) == nil && fields != nil {
		f = failure{kind: plain(text(fields["type"])), code: plain(text(fields["code"])), message: text(fields["message"]), found: true}
		var details map[string]json.RawMessage
		if json.Unmarshal(fields["details"], &details) == nil {
			f.detail = plain(text(details["error_code"]))
		}
	}
	return f
}

// detailed returns the type of the first of the details that a body has, or its message; "": there are none.
func detailed(details, message json.RawMessage) string {
	var within map[string]json.RawMessage
	if json.Unmarshal(message, &within) == nil && within["detail"] != nil {
		details = within["detail"]
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(details, &list) != nil || len(list) == 0 {
		return ""
	}
	return plain(text(list[0]["type"]))
}

// text reads a string, or a number as it stands.
func text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(value, &n) == nil {
		return n.String()
	}
	return ""
}

// maxWord bounds a type or code, in bytes.
const maxWord = 64

// plain returns s if it is a word, and "" for anything else.
func plain(s string) string {
	if len(s) > maxWord || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return ""
	}
	return s
}

// refusal begins one of what a body says. A code that only repeats the status is none.
func (f failure) refusal(status int) Refusal {
	if f.code == strconv.Itoa(status) {
		f.code = ""
	}
	return Refusal{Status: status, Type: f.kind, Code: f.code, Message: f.message, Requested: -1,
		Limit: ratelimits.Limit{Limit: -1, Remaining: -1}}
}

// status returns the status that an error in an answer of 200 stands for: its code, if that is one.
func (f failure) status(status int) int {
	if n, err := strconv.Atoi(f.code); err == nil && n >= 400 && n < 600 && status < 300 {
		return n
	}
	return status
}

// begins reports whether s begins with any of the texts.
func begins(s string, texts ...string) bool {
	for _, t := range texts {
		if strings.HasPrefix(s, t) {
			return true
		}
	}
	return false
}
