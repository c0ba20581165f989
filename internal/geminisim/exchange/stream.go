package exchange

import (
	"iter"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

// Pieces yields the events of a stream, each when it is time to send it, and
// whether it is the last to be sent. It ends early, with x.HungUp set, when the
// client hangs up while it waits.
func (x *Exchange) Pieces(a *answers.Answer) iter.Seq2[answers.Answer, bool] {
	if a.Plan != nil {
		return x.planned(a)
	}
	return func(yield func(answers.Answer, bool) bool) {
		list := a.Cut()
		stop := x.lastSent(int64(len(list)))
		for i := range list {
			if !yield(x.spoil(list[i]), int64(i+1) == stop) {
				return
			}
		}
	}
}

func (x *Exchange) planned(a *answers.Answer) iter.Seq2[answers.Answer, bool] {
	return func(yield func(answers.Answer, bool) bool) {
		stop := x.lastSent(a.Plan.Chunks)
		for i := int64(1); i <= stop; i++ {
			if i > 1 && !x.Pause(a.Plan.Interval) {
				x.HungUp = true
				return
			}
			p := answers.Answer{Text: a.Plan.Text(i, time.Now()), Tokens: i * a.Plan.Tokens}
			if i == a.Plan.Chunks {
				p.Finish = a.Finish
			}
			if !yield(x.spoil(p), i == stop) {
				return
			}
		}
	}
}

// lastSent returns how many of n events are sent.
func (x *Exchange) lastSent(n int64) int64 {
	switch {
	case x.Breaks == nil:
		return n
	case x.Breaks.Drop == wire.Respond:
		return 1
	default:
		return (n + 1) / 2
	}
}

// spoil takes the finish reason from an event of a stream that is to be cut off:
// a client that had seen one would have a whole answer.
func (x *Exchange) spoil(p answers.Answer) answers.Answer {
	if x.Breaks != nil && x.Breaks.Drop != wire.Respond {
		p.Finish = ""
	}
	return p
}
