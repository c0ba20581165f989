package fair

import "fluxgate.dev/fluxgate/scheduler"

// A Cost is a part of what a pool's calendars take in a window, in millionths: that of
// their requests and that of their input tokens, added up.
type Cost int64

// window is all the requests, or all the tokens, of a window.
const window = 1_000_000

// A Price says what requests cost: the limits of a pool's calendars, added up. So a request
// costs the same on whichever of them it is counted.
type Price struct{ requests, tokens int64 }

// Add adds the limits of a calendar. What isn't limited costs nothing. Where only the requests of a day are, these are its
// window's.
func (p *Price) Add(l scheduler.Limits) {
	if l.RPM <= 0 && l.TPM <= 0 {
		l.RPM = l.RPD
	}
	p.requests += max(l.RPM, 0)
	p.tokens += max(l.TPM, 0)
}

// Of returns the cost of requests and input tokens.
func (p *Price) Of(requests, tokens int64) Cost {
	return Cost(window * (part(requests, p.requests) + part(tokens, p.tokens)))
}

func part(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}
