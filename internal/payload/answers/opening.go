package answers

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/payload/syntax"
)

// An Opening says how an answer begins.
type Opening int

// The ways in which an answer begins.
const (
	Undecided Opening = iota // more is needed to say
	Sound
	Spoiled // with an error
)

// sseFields are the fields of server-sent events that may stand before the data,
// and what begins a comment.
var sseFields = [][]byte{[]byte("event:"), []byte("id:"), []byte("retry:"), []byte(":")}

// OpeningOf says how an answer begins, be it an object, a list or a stream of
// events.
func OpeningOf(text []byte) Opening {
	for {
		text = bytes.TrimLeft(text, " \t\r\n[")
		if rest, ok := bytes.CutPrefix(text, []byte("data:")); ok {
			text = rest
			continue
		}
		if len(text) == 0 || len(text) < len("data:") && bytes.HasPrefix([]byte("data:"), text) {
			return Undecided
		}
		if text[0] == '{' {
			return member(bytes.TrimLeft(text[1:], " \t\r\n"))
		}
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !sseLine(line) {
			return Sound
		}
		if !whole {
			return Undecided
		}
		text = rest
	}
}

func sseLine(line []byte) bool {
	for _, field := range sseFields {
		if bytes.HasPrefix(line, field) || bytes.HasPrefix(field, line) {
			return true
		}
	}
	return false
}

// member says whether the first member of an object is an error.
func member(text []byte) Opening {
	const name = `"error"`
	if len(text) < len(name) {
		if bytes.HasPrefix([]byte(name), text) {
			return Undecided
		}
		return Sound
	}
	value, ok := bytes.CutPrefix(text, []byte(name))
	if !ok {
		return Sound
	}
	value = bytes.TrimLeft(value, " \t\r\n:")
	switch {
	case len(value) == 0:
		return Undecided
	case value[0] == 'n': // null
		return Sound
	}
	return Spoiled
}

// Silent reports whether an answer, or as much of it as there is, says nothing: it is
// in one of the formats of models' answers, but without a candidate and without a
// reason why there is none.
func Silent(text []byte) bool {
	text = bytes.TrimLeft(text, space)
	return (len(text) == 0 || text[0] == '{' || text[0] == '[' || isEvents(text)) && !saysSomething(text)
}

// saysSomething reports whether a text has a candidate, or a reason why there is none: a member of
// one of their names, with a list of objects that have something in them, or with a string.
func saysSomething(text []byte) bool {
	return memberWith(text, `"candidates"`, `:[{"`) || memberWith(text, `"choices"`, `:[{"`) || memberWith(text, `"blockReason"`, `:"`)
}

// memberWith reports whether a text has a name, in its quotes, that some marks follow, with blanks
// between them or not. A regular expression takes six times as long.
func memberWith(text []byte, name, marks string) bool {
	for {
		_, after, found := bytes.Cut(text, []byte(name))
		if !found {
			return false
		}
		rest, n := after, 0
		for ; n < len(marks); n++ {
			if rest = bytes.TrimLeft(rest, space+"\f"); len(rest) == 0 || rest[0] != marks[n] {
				break
			}
			rest = rest[1:]
		}
		if n == len(marks) {
			return true
		}
		text = after
	}
}

// isEvents reports whether a text begins as server-sent events.
func isEvents(text []byte) bool {
	if bytes.HasPrefix(text, []byte("data:")) {
		return true
	}
	for _, field := range sseFields {
		if bytes.HasPrefix(text, field) {
			return true
		}
	}
	return false
}

// Whole reports whether all the JSON of an answer is there, be it one text or the
// data of events.
func Whole(text []byte) bool {
	if text = bytes.TrimLeft(text, space); !isEvents(text) {
		return len(text) == 0 || syntax.Valid(text)
	}
	for line := range bytes.Lines(text) {
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		if ok && !isDone(line) && !syntax.Valid(data) {
			return false
		}
	}
	return true
}

// Produced reports whether an answer says that a model has produced something: it
// counts anything but the prompt, or more in all.
func Produced(text []byte) bool {
	var total float64
	prompt := math.Inf(1) // the least of a stream's
	for _, m := range tokenCount.FindAllSubmatch(promptDetails.ReplaceAll(text, nil), -1) {
		n, _ := strconv.ParseFloat(string(m[2]), 64) // what is no number counts nothing
		switch strings.ToLower(strings.ReplaceAll(string(m[1]), "_", "")) {
		case "prompttokencount", "prompttokens":
			prompt = min(prompt, n)
		case "cachedcontenttokencount": // a part of the prompt
		case "totaltokencount", "totaltokens":
			total = max(total, n)
		default:
			if n != 0 {
				return true
			}
		}
	}
	if math.IsInf(prompt, 1) {
		prompt = 0
	}
	return total > prompt
}

var (
	// tokenCount finds members like candidatesTokenCount, token_count and completion_tokens.
	tokenCount = regexp.MustCompile(`"(\w*(?i:token_?count|tokens))"\s*:\s*"?([-+.0-9eE]+)`)
	// promptDetails finds what a prompt's count consists of.
	promptDetails = regexp.MustCompile(`"(?i:prompt|cache|cached_?content)_?(?i:tokens_?details)"\s*:\s*(?:\[[^\]]*\]|\{[^}]*\})`)
)

// LastError returns the error that an answer ends with, or nil if it ends well:
// a stream that began may still end so.
func LastError(end []byte) []byte {
	before := end
	for range maxLookups { // an error may have a member of that name in it
		i := lastIndex(before, `"error"`)
		if i < 0 {
			return nil
		}
		if before = end[:i]; member(end[i:]) != Spoiled {
			continue
		}
		head, ok := errorHead(before)
		if !ok {
			continue
		}
		var object json.RawMessage
		dec := json.NewDecoder(bytes.NewReader(end[len(head):]))
		if dec.Decode(&object) == nil && alone(head, end[int64(len(head))+dec.InputOffset():]) {
			return object
		}
	}
	return nil
}

// errorHead cuts off what an object has before its error, which is nothing, or what it is: Anthropic's
// says that.
func errorHead(before []byte) (head []byte, ok bool) {
	for _, begin := range [][]string{{"{"}, {",", `"error"`, ":", `"type"`, "{"}} {
		head, ok = before, true
		for i := 0; i < len(begin) && ok; i++ {
			head, ok = bytes.CutSuffix(bytes.TrimRight(head, space), []byte(begin[i]))
		}
		if ok {
			return head, true
		}
	}
	return nil, false
}

const space = " \t\r\n"

// alone reports whether what stands between two parts of an answer's end is an event
// or an element by itself, and the last one, and so no part of what a model says.
func alone(before, after []byte) bool {
	before, after = bytes.TrimRight(before, space), bytes.Trim(after, space)
	if bytes.HasSuffix(before, []byte("data:")) {
		return len(after) == 0 || isDone(after)
	}
	if len(after) > 0 && !bytes.Equal(after, []byte("]")) {
		return false
	}
	// Behind events there may be an error that is none: as bare as with another status,
	// alone or in a list.
	events := bytes.TrimRight(bytes.TrimSuffix(before, []byte("[")), space)
	if bytes.HasPrefix(events[bytes.LastIndexByte(events, '\n')+1:], []byte("data:")) {
		return true
	}
	return bytes.HasSuffix(before, []byte(",")) || bytes.HasSuffix(before, []byte("["))
}

// isDone reports whether a text is the event that ends streams of OpenAI's format.
func isDone(text []byte) bool {
	data, ok := bytes.CutPrefix(text, []byte("data:"))
	return ok && bytes.Equal(bytes.TrimSpace(data), []byte("[DONE]"))
}

// FirstError returns the error that an answer begins with, whose opening is
// Spoiled: of what was held back and what follows, the object that the error
// stands in, or as much of it as there is.
func FirstError(held []byte, rest io.Reader) []byte {
	object := bytes.Clone(held[bytes.IndexByte(held, '{'):]) // what is held may be used again
	var whole json.RawMessage
	dec := json.NewDecoder(io.MultiReader(bytes.NewReader(object), rest))
	if dec.Decode(&whole) == nil {
		return whole
	}
	return object
}

// nearEnd is how much of the end of a text is looked through first, in bytes.
const nearEnd = 1 << 10

// lastIndex is bytes.LastIndex for what mostly stands a few times near the end of a text or
// nowhere in it, in quotes: forwards, and by the letters, bytes.Index finds that out many times
// faster. Quotes are everywhere.
func lastIndex(text []byte, quoted string) int {
	letters, last := []byte(quoted[1:]), -1
	for at := max(1, len(text)-nearEnd+1); at < len(text); {
		next := bytes.Index(text[at:], letters)
		if next < 0 {
			break
		}
		if at += next; text[at-1] == quoted[0] {
			last = at - 1
		}
		at++
	}
	if last >= 0 || len(text) <= nearEnd || !bytes.Contains(text, letters) {
		return last
	}
	return bytes.LastIndex(text, []byte(quoted))
}
