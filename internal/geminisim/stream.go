package geminisim

import (
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// streamPlan is a long stream that a prompt asks for.
type streamPlan struct {
	chunks   int64
	bytes    int           // of text in each chunk
	interval time.Duration // between two chunks
	tokens   int64         // of each chunk
}

// maxChunk bounds what one event of a planned stream holds, in bytes.
const maxChunk = 16 << 20

var planPattern = regexp.MustCompile(`^stream ([0-9]{1,9}) chunks of ([0-9]{1,8}) bytes(?: every ([0-9a-zµ.]{1,16}))?$`)

// planStream returns the plan that a prompt is, or nil if it is none.
func planStream(prompt string) *streamPlan {
	found := planPattern.FindStringSubmatch(strings.TrimSpace(prompt))
	if found == nil {
		return nil
	}
	p := &streamPlan{}
	p.chunks, _ = strconv.ParseInt(found[1], 10, 64) // at most nine digits
	p.bytes, _ = strconv.Atoi(found[2])
	if found[3] != "" {
		var err error
		if p.interval, err = time.ParseDuration(found[3]); err != nil {
			return nil
		}
	}
	if p.chunks == 0 || p.bytes == 0 || p.bytes > maxChunk {
		return nil
	}
	p.tokens = tokeniser.Count(p.text(1, time.Unix(0, 0)))
	return p
}

// text returns a chunk: its number and the instant, in a fixed number of
// digits, so that every chunk has the same length and number of tokens. What
// doesn't fit is cut off.
func (p *streamPlan) text(number int64, at time.Time) string {
	head := fmt.Sprintf("chunk %010d at %019d ", number, at.UnixNano())
	if p.bytes <= len(head) {
		return head[:p.bytes]
	}
	return head + strings.Repeat("x", p.bytes-len(head)-1) + "\n"
}

// cut divides an answer into the events of a stream: at most 17, of at least 16
// tokens but for the last. tokens is the count up to and including a piece.
func (a *answer) cut() []answer {
	if a.call != nil || a.block != "" {
		return []answer{*a}
	}
	var list []answer
	step := max(16, a.tokens/16)
	t := tokeniser.Walker{Text: a.text}
	for from, done := 0, false; !done; from = t.Pos {
		done = t.Advance(t.Tokens + step)
		list = append(list, answer{text: a.text[from:t.Pos], tokens: t.Tokens, billed: a.billed})
	}
	list[len(list)-1].finish = a.finish
	return list
}

// pieces yields the events of a stream, each when it is time to send it, and
// whether it is the last to be sent. It ends early, with c.hungUp set, when the
// client hangs up while it waits.
func (c *call) pieces(a *answer) iter.Seq2[answer, bool] {
	if a.plan != nil {
		return c.planned(a)
	}
	return func(yield func(answer, bool) bool) {
		list := a.cut()
		stop := c.lastSent(int64(len(list)))
		for i := range list {
			if !yield(c.spoil(list[i]), int64(i+1) == stop) {
				return
			}
		}
	}
}

func (c *call) planned(a *answer) iter.Seq2[answer, bool] {
	return func(yield func(answer, bool) bool) {
		stop := c.lastSent(a.plan.chunks)
		for i := int64(1); i <= stop; i++ {
			if i > 1 && !c.pause(a.plan.interval) {
				c.hungUp = true
				return
			}
			p := answer{text: a.plan.text(i, time.Now()), tokens: i * a.plan.tokens}
			if i == a.plan.chunks {
				p.finish = a.finish
			}
			if !yield(c.spoil(p), i == stop) {
				return
			}
		}
	}
}

// lastSent returns how many of n events are sent.
func (c *call) lastSent(n int64) int64 {
	switch {
	case c.breaks == nil:
		return n
	case c.breaks.Drop == wire.Respond:
		return 1
	default:
		return (n + 1) / 2
	}
}

// spoil takes the finish reason from an event of a stream that is to be cut off:
// a client that had seen one would have a whole answer.
func (c *call) spoil(p answer) answer {
	if c.breaks != nil && c.breaks.Drop != wire.Respond {
		p.finish = ""
	}
	return p
}

// breakOff ends a stream without a word.
func (c *call) breakOff() {
	if c.breaks.Drop == wire.ResetConnection {
		c.reset()
		return
	}
	<-c.r.Context().Done()
	c.hungUp = true
}
