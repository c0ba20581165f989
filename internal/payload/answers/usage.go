package answers

import (
	"bytes"
	"encoding/json"
	"strconv"

	"fluxgate.dev/fluxgate/internal/payload"
	"fluxgate.dev/fluxgate/internal/payload/syntax"
)

const (
	// tailSize is how much of the end of an answer is kept at least, whatever the
	// answer's length.
	tailSize = 64 << 10
	// keptSize is how much is kept of what says how much was used, where that
	// stands before the end: a long answer may go on behind it.
	keptSize = 4 << 10
)

// A Tail keeps the last bytes of what was written to it, and the last values of
// some members that were written before them.
type Tail struct {
	buf   []byte
	names []string
	kept  map[string][]byte
}

// NewTail returns one that keeps the values of the members that a meter reads; of
// none without a meter.
func NewTail(m *Meter) *Tail {
	if m == nil {
		return new(Tail)
	}
	return &Tail{names: m.names}
}

// Bytes returns what was written last, all of it or at least 64 KiB. It is valid
// until the next Write.
func (t *Tail) Bytes() []byte { return t.buf }

// Write implements io.Writer; it never fails.
func (t *Tail) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		// Moving the rest down only now and then keeps this linear.
		if len(t.buf) >= 2*tailSize {
			t.drop()
		}
		piece := p[:min(len(p), 2*tailSize-len(t.buf))]
		t.buf = append(t.buf, piece...)
		p = p[len(piece):]
	}
	return n, nil
}

// drop forgets all but the last bytes.
func (t *Tail) drop() {
	cut := len(t.buf) - tailSize
	for _, name := range t.names {
		// One that the cut would go through is kept too.
		if at := lastIndex(t.buf[:cut+len(name)-1], name); at >= 0 {
			if t.kept == nil {
				t.kept = make(map[string][]byte)
			}
			t.kept[name] = append(t.kept[name][:0], t.buf[at:at+keptSize]...)
		}
	}
	t.buf = t.buf[:copy(t.buf, t.buf[cut:])]
}

// last reads the last value that a member of that name had that can be read, and that isn't seen to
// be a part of what the model says.
func (t *Tail) last(name string, read func(value []byte) bool) bool {
	return lastMember(t.buf, name, true, read) || lastMember(t.kept[name], name, true, read)
}

// lastSure is last for what others than the caller depend on: a value is to be seen to be no part
// of what the model says.
func (t *Tail) lastSure(name string, read func(value []byte) bool) bool {
	return lastMember(t.buf, name, false, read) || lastMember(t.kept[name], name, false, read)
}

// Tokens are what an answer cost beside its prompt, and what of the prompt is told apart.
type Tokens struct {
	Output   int64 // of the answer, thoughts aside
	Thoughts int64 // billed like the answer's
	Cached   int64 // of the prompt's, those that a cached content held, implicit ones included
	Tools    int64 // of the prompt's, those that tools of the provider's own brought
}

// A Usage is what an answer says of itself.
type Usage struct {
	PromptTokens int64 // of cached contents and tools too; negative: it doesn't say
	Tokens
	ModelVersion string // "": it doesn't say
	ModelStatus  string // what it says of the model's state, a JSON object; "": nothing
	// Unended says that the answer ended before it told all that it used.
	Unended bool
	// TotalTokens are those of prompt and answer, which the next turn of a conversation
	// brings along; 0: it doesn't say, or there is none.
	TotalTokens int64
}

// A Meter reads the usage from the end of an answer.
type Meter struct {
	names []string // of the members that it looks for, in quotes
	read  func(end *Tail) Usage
}

// within is how many objects may be around what an answer says of itself: events of streams have
// one around the answer. What a model writes, such as the arguments of a call, lies deeper.
const within = 2

// Read reads the usage of an answer whose end was kept.
func (m *Meter) Read(end *Tail) Usage { return m.read(end) }

// GeminiUsage finds the last usageMetadata: it repeats in every event of a
// stream, and the last one counts.
var GeminiUsage = &Meter{[]string{`"usageMetadata"`, `"modelVersion"`, `"modelStatus"`}, func(end *Tail) Usage {
	u := Usage{PromptTokens: -1}
	all := [...]count{
		{name: "promptTokenCount"}, {name: "toolUsePromptTokenCount"}, {name: "candidatesTokenCount"}, {name: "thoughtsTokenCount"},
		{name: "cachedContentTokenCount"},
	}
	counted := end.last(`"usageMetadata"`, func(value []byte) bool { return readCounts(value, all[:]) })
	if prompt, tools := all[0].n, max(all[1].n, 0); counted && prompt > 0 {
		u.PromptTokens = prompt + tools
		u.Tokens = Tokens{Output: max(all[2].n, 0), Thoughts: max(all[3].n, 0), Cached: max(all[4].n, 0), Tools: tools}
	}
	end.lastSure(`"modelVersion"`, func(value []byte) bool { return readString(value, &u.ModelVersion) })
	end.lastSure(`"modelStatus"`, func(value []byte) bool {
		if len(value) == 0 || value[0] != '{' {
			return false
		}
		u.ModelStatus = string(value)
		return true
	})
	return u
}}

// OpenAIUsage finds the last usage of an OpenAI-compatible answer. Streams send
// it only when they are asked to.
var OpenAIUsage = &Meter{[]string{`"usage"`, `"model"`}, func(end *Tail) Usage {
	u := Usage{PromptTokens: -1}
	end.last(`"usage"`, func(value []byte) bool { return readChatUsage(value, &u) })
	end.lastSure(`"model"`, func(value []byte) bool { return readString(value, &u.ModelVersion) })
	return u
}}

// readChatUsage reads the usage of a chat. With OpenAI completion_tokens has the thoughts,
// which are told apart in its details. Of Gemini's endpoint it was captured that it hasn't, and
// that only the total has; so the total decides.
func readChatUsage(object []byte, u *Usage) bool {
	all := [...]count{{name: "prompt_tokens"}, {name: "completion_tokens"}, {name: "total_tokens"}}
	if !readCounts(object, all[:]) {
		return false
	}
	prompt, completion, total := all[0].n, max(all[1].n, 0), all[2].n
	if prompt <= 0 {
		return true
	}
	thoughts, cached := [...]count{{name: "reasoning_tokens"}}, [...]count{{name: "cached_tokens"}}
	for name, value := range payload.MembersOf(object) {
		switch string(name) {
		case "completion_tokens_details":
			readCounts(value, thoughts[:])
		case "prompt_tokens_details":
			readCounts(value, cached[:])
		}
	}
	answer := max(total-prompt, completion)
	t := Tokens{Thoughts: min(max(thoughts[0].n, 0), answer), Cached: max(cached[0].n, 0)}
	if t.Thoughts == 0 {
		t.Thoughts = answer - completion
	}
	t.Output = answer - t.Thoughts
	u.PromptTokens, u.Tokens = prompt, t
	return true
}

// lastMember reads the value of the last member of that name, which is given in its
// quotes, that there is in a piece of JSON text, that can be read and that stands within few
// objects. The text need not be whole; cut says whether a value counts of which it doesn't show.
func lastMember(text []byte, name string, cut bool, read func(value []byte) bool) bool {
	end := len(text)
	for range maxLookups { // each may read all of the text
		i := lastIndex(text[:end], name)
		if i < 0 {
			return false
		}
		rest := bytes.TrimLeft(text[i+len(name):], space)
		if value, ok := bytes.CutPrefix(rest, []byte(":")); ok {
			value = bytes.TrimLeft(value, space)
			first := payload.FirstValue(value)
			if shallow(value[len(first):], cut) && read(first) {
				return true
			}
		}
		end = i
	}
	return false
}

// shallow reports whether a value stands within few objects of an answer, by the text that
// follows it, or cut where that ends before it shows. One answer may be an element of a list.
func shallow(after []byte, cut bool) bool {
	for at, depth, around := 0, 0, 1; at < len(after); at++ {
		switch after[at] {
		case '"':
			for at++; at < len(after) && after[at] != '"'; at++ {
				if after[at] == '\\' {
					at++
				}
			}
		case '{', '[':
			depth++
		case ']':
			if depth--; depth < 0 {
				return len(bytes.TrimLeft(after[at+1:], space)) == 0
			}
		case '}':
			if depth--; depth >= 0 {
				continue
			}
			depth = 0
			switch rest := bytes.TrimLeft(after[at+1:], space); {
			case len(rest) == 0 || rest[0] != ',' && rest[0] != ']' && rest[0] != '}':
				return true // it was all, or an event
			case rest[0] == '}', rest[0] == ',' && bytes.HasPrefix(bytes.TrimLeft(rest[1:], space), []byte{'"'}):
				if around++; around > within {
					return false
				}
			}
		}
	}
	return cut
}

// maxLookups bounds how many values are tried that don't decode: the last may be
// cut off, and OpenAI-compatible streams send null in all events but one.
const maxLookups = 64

// readString reads a string. It reports false for anything else, null included.
func readString(value []byte, s *string) bool {
	if plainString(value) {
		*s = string(value[1 : len(value)-1])
		return true
	}
	return len(value) > 0 && value[0] == '"' && json.Unmarshal(value, s) == nil
}

// A count is a whole number that a member of an object has.
type count struct {
	name string
	n    int64 // 0: there is none
}

// readCounts reads the numbers of an object as json.Unmarshal would, at a fraction of
// what that takes. It reports false for anything but an object in which they are
// whole numbers, or null.
func readCounts(object []byte, all []count) bool {
	if !syntax.Valid(object) || !bytes.HasPrefix(bytes.TrimLeft(object, space), []byte("{")) {
		return false
	}
	for i := range all {
		all[i].n = 0
	}
	for name, value := range payload.MembersOf(object) {
		for i := range all {
			c := &all[i]
			if c.name != string(name) || value[0] == 'n' {
				continue
			}
			var err error
			if c.n, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return false
			}
		}
	}
	return true
}

// plainString reports whether a value is a string that stands for itself: of
// printable ASCII, without an escape.
func plainString(value []byte) bool {
	if len(value) < 2 || value[0] != '"' {
		return false
	}
	for _, c := range value[1 : len(value)-1] {
		if c < ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	return true
}
