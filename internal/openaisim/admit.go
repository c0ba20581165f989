package openaisim

import (
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/simquota"
)

// admit charges the request to the quota, waits as long as an answer takes, and fails where
// it is to.
func (c *call) admit(model string, input, chars, maxOutput int64) *apiError {
	c.log.Model = model
	switch {
	case !c.s.knows(model):
		return errNoModel(model)
	case c.key.State == Limited:
		return errModelDenied(c.key.Project, model)
	case c.key.State == Spent:
		return dialects[c.s.cfg.Dialect].spent
	}
	want := simquota.Amounts{simquota.Requests: 1, simquota.InputTokens: input}
	estimate := (chars + 3) / 4
	switch c.s.cfg.Counting {
	case CountSum:
		want[simquota.Tokens] = estimate + maxOutput
	case CountUsed:
		want[simquota.Tokens] = input
	default:
		want[simquota.Tokens] = max(estimate, maxOutput)
	}
	charge, refused := c.s.ledger.Try(c.arrived, c.key.Project, model, want)
	d := dialects[c.s.cfg.Dialect]
	if d.headers != nil {
		d.headers(&answered{c.w.Header(), c.s.ledger.Standings(c.arrived, c.key.Project, model), refused, want, c.arrived})
	}
	if refused != nil {
		return d.refusal(c.key.Project, model, refused, c.arrived)
	}
	c.charge, c.log.Input = charge, input
	if f, ok := c.s.nextFailure(); ok {
		c.cut = f == CutStream
		if e := f.error(); e != nil {
			return e
		}
	}
	if !c.sleep(c.s.cfg.Latency) {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// sleep waits, and reports whether the client still does.
func (c *call) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.r.Context().Done():
		return false
	}
}

// settle counts what was really used, when the answer is there: output as of now, and the input
// as of its arrival.
func (c *call) settle(u usage) {
	now := c.s.cfg.Now()
	c.log.Output = u.output
	used := simquota.Amounts{simquota.OutputTokens: u.output}
	if c.s.cfg.Counting == CountUsed {
		used[simquota.Tokens] = u.output
		c.s.ledger.Settle(now, c.charge, simquota.Amounts{simquota.Requests: 1, simquota.InputTokens: u.input, simquota.Tokens: u.input - u.cached})
	}
	c.s.ledger.Add(now, c.key.Project, c.log.Model, used)
}
