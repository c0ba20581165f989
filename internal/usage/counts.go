package usage

import (
	"fluxgate.dev/fluxgate/internal/usage/price"
)

// Counts are what is counted of requests. The JSON names are those of the records.
type Counts struct {
	Requests  int64            `json:"n,omitempty"`  // that were answered
	Refused   map[string]int64 `json:"r,omitempty"`  // told to wait, by cause
	Failed    map[string]int64 `json:"f,omitempty"`  // by class
	Input     int64            `json:"i,omitempty"`  // tokens, of cached contents and tools too
	Output    int64            `json:"o,omitempty"`  // tokens, thoughts aside
	Thoughts  int64            `json:"h,omitempty"`  // tokens
	Cached    int64            `json:"k,omitempty"`  // tokens of Input
	Tools     int64            `json:"x,omitempty"`  // tokens of Input
	Unmetered int64            `json:"u,omitempty"`  // of Requests, those whose answer said nothing of its tokens
	Cost      price.Pico       `json:"$,omitempty"`  // at list price
	Unpriced  int64            `json:"u$,omitempty"` // of Requests, those whose price isn't known
	// Waits are how long answered requests had been told to wait before, since their first
	// refusal; Took is how long their answers took.
	Waits Histogram `json:"w,omitempty"`
	Took  Histogram `json:"t,omitempty"`
}

// add adds another's counts.
func (c *Counts) add(other *Counts) {
	c.Requests += other.Requests
	c.Refused = added(c.Refused, other.Refused)
	c.Failed = added(c.Failed, other.Failed)
	c.Input += other.Input
	c.Output += other.Output
	c.Thoughts += other.Thoughts
	c.Cached += other.Cached
	c.Tools += other.Tools
	c.Unmetered += other.Unmetered
	c.Cost += other.Cost
	c.Unpriced += other.Unpriced
	c.Waits.merge(other.Waits)
	c.Took.merge(other.Took)
}

func added(to, more map[string]int64) map[string]int64 {
	if to == nil && len(more) > 0 {
		to = make(map[string]int64, len(more))
	}
	for name, n := range more {
		to[name] += n
	}
	return to
}

func total(by map[string]int64) (n int64) {
	for _, m := range by {
		n += m
	}
	return n
}
