package turns

import (
	"bytes"

	"fluxgate.dev/fluxgate/internal/payload"
)

// Turns is what tells the conversation that a request is part of from others.
type Turns struct {
	// First are the leading contents, as they stand in the body; nil: not found. More says
	// that others follow them, so that this isn't the first turn.
	First []byte
	More  bool
	// Signatures are the last thought signatures in it, latest first, at most maxSignatures.
	Signatures [][]byte
	// Token is what an answer that was cut off said to go on with; nil: none.
	Token []byte
}

const (
	// maxFirst bounds, in bytes, where the leading contents end.
	maxFirst = 1 << 20
	// maxSignatures bounds how many signatures are read: each turn brings one or more.
	maxSignatures = 4
)

// Read reads a body of Gemini's own format, or OpenAI's, JSON or not. It looks at the
// leading contents and at signatures only, and what it takes for either needn't be: the
// same conversation gives the same.
func Read(body []byte) (t Turns) {
	for _, list := range []struct {
		name string
		n    int // leading elements: the first of messages is often the same in all conversations
	}{{`"contents"`, 1}, {`"messages"`, 2}} {
		_, after, ok := bytes.Cut(body, []byte(list.name))
		rest, isList := bytes.CutPrefix(bytes.TrimLeft(after, ": \t\r\n"), []byte("["))
		if !ok || !isList {
			continue
		}
		rest = rest[:min(len(rest), maxFirst)]
		at := 0
		for i := 0; i < list.n; i++ {
			value := payload.FirstValue(rest[at:])
			if len(value) == 0 {
				break
			}
			at += bytes.Index(rest[at:], value) + len(value)
			t.First = rest[:at]
			next := bytes.TrimLeft(rest[at:], " \t\r\n")
			if t.More = bytes.HasPrefix(next, []byte(",")); !t.More {
				break
			}
			at = len(rest) - len(next) + 1
		}
		break
	}
	// This is found out faster than where the last one is, and by the letters faster than by quotes.
	signed := bytes.Contains(body, []byte(`thought`)) && (bytes.Contains(body, []byte(`thoughtSignature`)) || bytes.Contains(body, []byte(`thought_signature`)))
	for end := len(body); signed && len(t.Signatures) < maxSignatures; {
		camel, snake := bytes.LastIndex(body[:end], []byte(`"thoughtSignature"`)), bytes.LastIndex(body[:end], []byte(`"thought_signature"`))
		if end = max(camel, snake); end < 0 {
			break
		}
		_, after, _ := bytes.Cut(body[end+1:], []byte(`"`))
		if value := payload.FirstValue(bytes.TrimLeft(after, ": \t\r\n")); len(value) > len(`""`) && value[0] == '"' {
			t.Signatures = append(t.Signatures, value)
		}
	}
	t.Token = Token(body)
	return t
}

// Token returns the last continuation token in a body or an answer, as it stands there; nil:
// there is none. An answer that ends with CONTINUATION brings one, and the request that goes on
// with it sends it back: generateContent and the Interactions API, as the SDKs of October 2026
// have it. That it is the project's alone is a guess.
func Token(text []byte) []byte {
	if !bytes.Contains(text, []byte(`continuation`)) { // so it mostly is; a quote, which is everywhere, would cost more
		return nil
	}
	for _, name := range []string{`"continuationToken"`, `"continuation_token"`} {
		i := bytes.LastIndex(text, []byte(name))
		if i < 0 {
			continue
		}
		if value := payload.FirstValue(bytes.TrimLeft(text[i+len(name):], ": \t\r\n")); len(value) > len(`""`) && value[0] == '"' {
			return value
		}
	}
	return nil
}
