package payload

import (
	"bytes"
	"encoding/json"
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
		quoted := []byte(`"` + name + `"`)
		// One that the cut would go through is kept too.
		if at := bytes.LastIndex(t.buf[:cut+len(quoted)-1], quoted); at >= 0 {
			if t.kept == nil {
				t.kept = make(map[string][]byte)
			}
			t.kept[name] = append(t.kept[name][:0], t.buf[at:at+keptSize]...)
		}
	}
	t.buf = t.buf[:copy(t.buf, t.buf[cut:])]
}

// last decodes the last value that a member of that name had.
func (t *Tail) last(name string, v any) bool {
	return lastObject(t.buf, name, v) || lastObject(t.kept[name], name, v)
}

// A Usage is what an answer says of itself.
type Usage struct {
	PromptTokens int64  // negative: it doesn't say
	ModelVersion string // "": it doesn't say
}

// A Meter reads the usage from the end of an answer.
type Meter struct {
	names []string // of the members that it looks for
	read  func(end *Tail) Usage
}

// Read reads the usage of an answer whose end was kept.
func (m *Meter) Read(end *Tail) Usage { return m.read(end) }

// GeminiUsage finds the last usageMetadata: it repeats in every event of a
// stream, and the last one counts.
var GeminiUsage = &Meter{[]string{"usageMetadata", "modelVersion"}, func(end *Tail) Usage {
	u := Usage{PromptTokens: -1}
	prompt, tools := count{name: "promptTokenCount"}, count{name: "toolUsePromptTokenCount"}
	if end.last("usageMetadata", counts{&prompt, &tools}) && prompt.n > 0 {
		u.PromptTokens = prompt.n + max(tools.n, 0)
	}
	end.last("modelVersion", &u.ModelVersion)
	return u
}}

// OpenAIUsage finds the last usage of an OpenAI-compatible answer. Streams send
// it only when they are asked to.
var OpenAIUsage = &Meter{[]string{"usage", "model"}, func(end *Tail) Usage {
	u := Usage{PromptTokens: -1}
	prompt := count{name: "prompt_tokens"}
	if end.last("usage", counts{&prompt}) && prompt.n > 0 {
		u.PromptTokens = prompt.n
	}
	end.last("model", &u.ModelVersion)
	return u
}}

// lastObject decodes the value of the last member of that name that there is in
// a piece of JSON text and that decodes; the text need not be whole.
func lastObject(text []byte, name string, v any) bool {
	quoted := []byte(`"` + name + `"`)
	end := len(text)
	for range maxLookups { // each may read all of the text
		i := bytes.LastIndex(text[:end], quoted)
		if i < 0 {
			return false
		}
		rest := bytes.TrimLeft(text[i+len(quoted):], " \t\r\n")
		if value, ok := bytes.CutPrefix(rest, []byte(":")); ok && decodePrefix(value, v) {
			return true
		}
		end = i
	}
	return false
}

// maxLookups bounds how many values are tried that don't decode: the last may be
// cut off, and OpenAI-compatible streams send null in all events but one.
const maxLookups = 64

// decodePrefix decodes the JSON value that text begins with, unless it is null.
func decodePrefix(text []byte, v any) bool {
	value := firstValue(text)
	switch v := v.(type) {
	case counts:
		return v.read(value)
	case *string:
		if plainString(value) {
			*v = string(value[1 : len(value)-1])
			return true
		}
	}
	return len(value) > 0 && !bytes.Equal(value, []byte("null")) && json.Unmarshal(value, v) == nil
}

// counts are whole numbers that members of an object have.
type counts []*count

type count struct {
	name string
	n    int64 // 0: there is none
}

// read reads the numbers of an object as json.Unmarshal would, at a fraction of
// what that takes. It reports false for anything but an object in which they are
// whole numbers, or null.
func (all counts) read(object []byte) bool {
	t, err := newLexer(object)
	if err != nil {
		return false
	}
	if first, _ := t.Token(); first != json.Delim('{') {
		return false
	}
	for _, c := range all {
		c.n = 0
	}
	for t.More() {
		name, _ := t.Token()
		value, _ := t.Token()
		t.leave(value)
		for _, c := range all {
			if c.name == name && value != nil {
				number, _ := value.(json.Number)
				if c.n, err = number.Int64(); err != nil {
					return false
				}
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

// firstValue returns the JSON value that text begins with, or nothing if it
// isn't whole. It only looks for the end: whether that is JSON is for the
// decoder. (json.Decoder does both, at several times the cost.)
func firstValue(text []byte) []byte {
	text = bytes.TrimLeft(text, " \t\r\n")
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted:
			switch c {
			case '\\':
				i++
				continue
			case '"':
				quoted = false
			default:
				continue
			}
		case c == '"':
			quoted = true
			continue
		case c == '{', c == '[':
			depth++
			continue
		case c == '}', c == ']':
			if depth--; depth < 0 {
				return text[:i] // of a number or a literal that stood last
			}
		case depth > 0:
			continue
		case c == ',', c == ' ', c == '\t', c == '\r', c == '\n':
			return text[:i]
		default:
			continue
		}
		if depth == 0 {
			return text[:i+1]
		}
	}
	return nil
}
