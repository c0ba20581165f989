package answers

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
)

// A Plan is a long stream that a prompt asks for.
type Plan struct {
	Chunks   int64
	bytes    int           // of text in each chunk
	Interval time.Duration // between two chunks
	Tokens   int64         // of each chunk
}

// maxChunk bounds what one event of a planned stream holds, in bytes.
const maxChunk = 16 << 20

var planPattern = regexp.MustCompile(`^stream ([0-9]{1,9}) chunks of ([0-9]{1,8}) bytes(?: every ([0-9a-zµ.]{1,16}))?$`)

// PlanOf returns the plan that a prompt is, or nil if it is none.
func PlanOf(prompt string) *Plan {
	found := planPattern.FindStringSubmatch(strings.TrimSpace(prompt))
	if found == nil {
		return nil
	}
	p := &Plan{}
	p.Chunks, _ = strconv.ParseInt(found[1], 10, 64) // at most nine digits
	p.bytes, _ = strconv.Atoi(found[2])
	if found[3] != "" {
		var err error
		if p.Interval, err = time.ParseDuration(found[3]); err != nil {
			return nil
		}
	}
	if p.Chunks == 0 || p.bytes == 0 || p.bytes > maxChunk {
		return nil
	}
	p.Tokens = tokeniser.Count(p.Text(1, time.Unix(0, 0)))
	return p
}

// Text returns a chunk: its number and the instant, in a fixed number of
// digits, so that every chunk has the same length and number of tokens. What
// doesn't fit is cut off.
func (p *Plan) Text(number int64, at time.Time) string {
	head := fmt.Sprintf("chunk %010d at %019d ", number, at.UnixNano())
	if p.bytes <= len(head) {
		return head[:p.bytes]
	}
	return head + strings.Repeat("x", p.bytes-len(head)-1) + "\n"
}

// Cut divides an answer into the events of a stream: at most 17, of at least 16
// tokens but for the last. Tokens is the count up to and including a piece.
func (a *Answer) Cut() []Answer {
	if a.Call != nil || a.Image || a.Block != "" {
		return []Answer{*a}
	}
	var list []Answer
	step := max(16, a.Tokens/16)
	t := tokeniser.Walker{Text: a.Text}
	for from, done := 0, false; !done; from = t.Pos {
		done = t.Advance(t.Tokens + step)
		list = append(list, Answer{Text: a.Text[from:t.Pos], Tokens: t.Tokens, Billed: a.Billed})
	}
	list[len(list)-1].Finish = a.Finish
	return list
}
