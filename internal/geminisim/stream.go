package geminisim

import (
	"iter"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// pieces yields the events of a stream, each when it is time to send it, and
// whether it is the last to be sent. It ends early, with c.hungUp set, when the
// client hangs up while it waits.
func (c *call) pieces(a *answers.Answer) iter.Seq2[answers.Answer, bool] {
	if a.Plan != nil {
		return c.planned(a)
	}
	return func(yield func(answers.Answer, bool) bool) {
		list := a.Cut()
		stop := c.lastSent(int64(len(list)))
		for i := range list {
			if !yield(c.spoil(list[i]), int64(i+1) == stop) {
				return
			}
		}
	}
}

func (c *call) planned(a *answers.Answer) iter.Seq2[answers.Answer, bool] {
	return func(yield func(answers.Answer, bool) bool) {
		stop := c.lastSent(a.Plan.Chunks)
		for i := int64(1); i <= stop; i++ {
			if i > 1 && !c.pause(a.Plan.Interval) {
				c.hungUp = true
				return
			}
			p := answers.Answer{Text: a.Plan.Text(i, time.Now()), Tokens: i * a.Plan.Tokens}
			if i == a.Plan.Chunks {
				p.Finish = a.Finish
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
func (c *call) spoil(p answers.Answer) answers.Answer {
	if c.breaks != nil && c.breaks.Drop != wire.Respond {
		p.Finish = ""
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
