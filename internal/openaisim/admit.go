package openaisim

import (
	"cmp"
	"strings"

	"fluxgate.dev/fluxgate/internal/simquota"
)

// unsaid is how many output tokens are counted of a request that doesn't say how many it allows for: see [CountReserved].
const unsaid = 2048

// admit charges the request to the quota, waits as long as an answer takes, and fails where
// it is to.
func (c *call) admit(model string, input, chars, maxOutput int64) *apiError {
	c.Log.Model = model
	switch {
	case !c.s.Knows(model):
		return errNoModel(model)
	case c.Key.State == Limited:
		return errModelDenied(c.Key.Project, model)
	case c.Key.State == Spent:
		return dialects[c.s.spoken].spent
	}
	want := simquota.Amounts{simquota.Requests: 1, simquota.InputTokens: input}
	estimate := (chars + 3) / 4
	switch c.s.counting {
	case CountReserved:
		want[simquota.Tokens], want[simquota.OutputTokens] = estimate+maxOutput, cmp.Or(maxOutput, unsaid)
	case CountSum:
		want[simquota.Tokens] = estimate + maxOutput
	case CountUsed:
		want[simquota.Tokens] = input
	default:
		want[simquota.Tokens] = max(estimate, maxOutput)
	}
	counted := c.s.counted(model, input)
	c.counted = counted
	refused := c.s.Try(c.Call, counted, want)
	d := dialects[c.s.spoken]
	if d.headers != nil {
		d.headers(&answered{c.W.Header(), c.s.Standings(c.Call, counted), refused, want, c.Arrived})
	}
	if refused != nil {
		return d.refusal(c.Key.Project, model, refused, c.Arrived)
	}
	c.Log.Input = input
	if f, ok := c.s.NextFailure(); ok {
		c.Cut = f == CutStream
		if e := f.error(); e != nil {
			return e
		}
	}
	c.s.Delay(c.R.Context())
	return nil
}

// settle counts what was really used, when the answer is there: output as of now, and the input
// as of its arrival.
func (c *call) settle(u usage) {
	now := c.s.Now()
	c.Log.Output = u.output
	used := simquota.Amounts{simquota.OutputTokens: u.output}
	switch c.s.counting {
	case CountReserved:
		c.s.Ledger().Settle(now, c.Charge, simquota.Amounts{
			simquota.Requests: 1, simquota.InputTokens: u.input - u.cached, simquota.OutputTokens: u.output, simquota.Tokens: u.input - u.cached + u.output})
		return
	case CountUsed:
		used[simquota.Tokens] = u.output
		c.s.Ledger().Settle(now, c.Charge, simquota.Amounts{simquota.Requests: 1, simquota.InputTokens: u.input, simquota.Tokens: u.input - u.cached})
	}
	c.s.Ledger().Add(now, c.Key.Project, c.counted, used)
}

// counted returns the name by which a request for a model is counted.
func (s *Server) counted(model string, input int64) string {
	if name, ok := s.shared[model]; ok {
		model = name
	}
	if strings.HasPrefix(model, "gpt-4.1") && input > 128_000 {
		model += LongContext
	}
	return model
}
